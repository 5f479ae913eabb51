"""Find the listener as traffic would: by name, by destination address, or by a sidecar's direction.

Everything that had to be assumed on the way is said, so that an answer can be doubted at the right place.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from .errors import OptionError
from .lazy_dataclass import dataclass
from .load.dump import Dump
from .load.resource import Resource
from .load.retired import type_of_name
from .model.request import Connection
from .schema import any_type, enum_name
from .virtual_address import chain_services, listener_service, match_services

ORIGINAL_DST = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"
"""Istio's inbound listener restores destinations by this filter; without ``use_original_dst`` it hands nothing on."""
UNKNOWN_IP = "192.0.2.1"
"""Stands for the address of a host that the dump does not tell (TEST-NET-1: nobody's)."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the choice needs to know of a listener; ``ip`` and ``port`` of its first address."""

    resource: Resource
    name: str
    ip: str
    port: int
    binds: bool
    original_dst: bool
    direction: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a request enters: listener and addresses for the Connection, and what was assumed."""

    listener: str
    destination: str | None = None
    original_destination: str | None = None
    assumed: tuple[str, ...] = ()
    doubt: str = ""
    """What was assumed that the answer hangs on, for its first line."""

    def connection(self, **more: object) -> Connection:
        """Return the contract's connection; ``more`` are its other fields."""
        return Connection(
            listener=self.listener,
            destination=self.destination,
            original_destination=self.original_destination,
            **more,  # type: ignore[arg-type]  # fields of Connection, named by the caller
        )


def find_entry(
    dump: Dump,
    host: str,
    port: int,
    address: str | None,
    *,
    listener: str | None = None,
    direction: str | None = None,
) -> Entry:
    """Return where a client that asks for ``host:port`` (IP ``address``, if known) meets the proxy.

    ``direction`` is ``inbound`` or ``outbound`` for a sidecar. Raises OptionError when nobody can be found.
    """
    bound = listeners(dump)
    if not bound:
        raise OptionError(
            "the dump has no listener", help="a request needs one; routes and clusters alone cannot be traced"
        )
    if listener is not None:
        return _by_name(bound, listener, host, port, address)
    if direction is not None:
        return _by_direction(dump, bound, direction, host, port, address)
    if address is not None and (owner := _owner(bound, address, port)) is not None:
        return Entry(owner.name, f"{_bracketed(address)}:{port}")
    if _virtual(bound, "OUTBOUND") is not None:
        return _by_direction(dump, bound, "outbound", host, port, address)
    return _by_port(dump, bound, host, port, address)


def listeners(dump: Dump) -> list[Bound]:
    """Return every serving listener with a socket address, without decoding its filter chains."""
    found = []
    for resource in dump.listeners:
        head = resource.listener_head()
        socket = head.address.socket_address
        found.append(
            Bound(
                resource=resource,
                name=resource.name or head.name,
                ip=socket.address,
                port=socket.port_value,
                binds=not (head.HasField("bind_to_port") and not head.bind_to_port.value),
                original_dst=head.use_original_dst.value
                or any(
                    (any_type(f.typed_config) or type_of_name(f.name)) == ORIGINAL_DST for f in head.listener_filters
                ),
                direction=enum_name(head, "traffic_direction"),
            )
        )
    return found


def _by_name(bound: Sequence[Bound], name: str, host: str, port: int, address: str | None) -> Entry:
    found = next((b for b in bound if b.name == name), None)
    if found is None:
        import difflib

        close = difflib.get_close_matches(name, [b.name for b in bound], n=1)
        hint = f"did you mean `{close[0]}`?" if close else "listeners: " + _names(bound)
        raise OptionError(f"unknown listener `{name}`", help=hint)
    if found.original_dst:
        ip = address or UNKNOWN_IP
        said = () if address else (f"`{host}` resolves to an address the dump does not tell (took {UNKNOWN_IP})",)
        return Entry(found.name, _own(found), f"{_bracketed(ip)}:{port}", said)
    return Entry(found.name, f"{_bracketed(address)}:{found.port}" if address and _wild(found.ip) else None)


def _by_direction(
    dump: Dump, bound: Sequence[Bound], direction: str, host: str, port: int, address: str | None
) -> Entry:
    wanted = "INBOUND" if direction == "inbound" else "OUTBOUND"
    virtual = _virtual(bound, wanted)
    if virtual is None:
        raise OptionError(
            f"no {direction} virtual listener (one that restores original destinations) in the dump",
            help="name a listener with --listener: " + _names(bound),
        )
    if wanted == "INBOUND":
        ip, said = _own_ip(dump, bound, port, address)
    else:
        ip, said = _outbound_ip(dump, bound, virtual, host, port, address)
    for_all = any(b.port == port and _wild(b.ip) and b is not virtual for b in bound)
    doubt = f"`{host}` taken for an address no listener owns" if ip == UNKNOWN_IP and not for_all else ""
    return Entry(virtual.name, _own(virtual), f"{_bracketed(ip)}:{port}", said, doubt)


def _own_ip(dump: Dump, bound: Sequence[Bound], port: int, address: str | None) -> tuple[str, tuple[str, ...]]:
    """The workload's own address: as given, from an Istio node id ``sidecar~IP~...``, or of its inbound listener."""
    if address is not None:
        return address, ()
    bootstrap = dump.bootstrap
    node = bootstrap.message().node if bootstrap is not None else None
    parts = node.id.split("~") if node is not None else []
    if len(parts) == 4:
        return parts[1], (f"the request reaches the workload's own address {parts[1]} (from the node id)",)
    inbound = [b for b in bound if b.port == port and b.direction == "INBOUND" and not _wild(b.ip) and _is_ip(b.ip)]
    if len({b.ip for b in inbound}) == 1:
        ip, name = inbound[0].ip, inbound[0].name
        return ip, (f"the request reaches the workload's own address {ip} (of inbound listener `{name}`)",)
    return UNKNOWN_IP, (f"the workload's own address is not in the dump (took {UNKNOWN_IP})",)


def _outbound_ip(
    dump: Dump, bound: Sequence[Bound], virtual: Bound, host: str, port: int, address: str | None
) -> tuple[str, tuple[str, ...]]:
    """The address a client would connect to: as given, or one that the dump tells for the host."""
    if address is not None:
        return address, ()
    if (ip := _ip_of_virtual_host(dump, host, port)) is not None:
        return ip, (f"`{host}` resolves to {ip} (from its virtual host's domains)",)
    own = [b for b in bound if b.port == port and _is_ip(b.ip) and not _wild(b.ip) and b.direction != "INBOUND"]
    services = [listener_service(dump, b.resource, b.ip) for b in own]
    services += chain_services(dump, virtual.resource, port)
    found = match_services(host, services)
    if len({service.ip for service in found}) == 1:
        return found[0].ip, (f"`{host}` resolves to {found[0].ip}, the address of {found[0].title}",)
    said = f"`{host}` resolves to an address no listener owns (took {UNKNOWN_IP})"
    if services := found or services:
        titles = ", ".join(f"{service.title} ({service.ip})" for service in services[:4])
        more = f" and {len(services) - 4} more" if len(services) > 4 else ""
        said += f"; --resolve {host}:{port}:IP says otherwise, as for {titles}{more}"
    return UNKNOWN_IP, (said,)


def _ip_of_virtual_host(dump: Dump, host: str, port: int) -> str | None:
    """An IP among the domains of the host's virtual host, in the route configuration that Istio names by the port."""
    resource = dump.route_configurations.get(str(port))
    if resource is not None:
        for i in range(resource.virtual_host_count):
            domains = resource.virtual_host_domains(i)
            if host in domains or f"{host}:{port}" in domains:
                for domain in domains:
                    ip = domain.rpartition(":")[0] if domain.endswith(f":{port}") else domain
                    if _is_ip(ip):
                        return ip
                break
    return None


def _by_port(dump: Dump, bound: Sequence[Bound], host: str, port: int, address: str | None) -> Entry:
    """The listener on the port; else the one that is usually put behind it (8080 for 80, 10443 for 443)."""
    binding = [b for b in bound if b.binds]
    for ports, why in (
        ((port,), ""),
        ((port + 8000, port + 10000), f"port {port} is forwarded to"),
    ):
        found = [b for b in binding if b.port in ports]
        if len(found) > 1:
            found = [b for b in found if _wild(b.ip)] or _for_host(dump, found, host) or found
        if len(found) == 1 or (found and len({b.ip for b in found}) == 1):
            chosen = found[0]
            ip = address if address and _wild(chosen.ip) else None
            said = (f"{why} listener `{chosen.name}` on {chosen.ip}:{chosen.port}",) if why else ()
            if address and not _wild(chosen.ip) and address != chosen.ip:
                said = (f"{host} is listener `{chosen.name}`'s address {chosen.ip}:{chosen.port}",)
            return Entry(chosen.name, f"{_bracketed(ip)}:{chosen.port}" if ip else None, None, said)
        if found:
            raise OptionError(f"several listeners are on port {port}: {_names(found)}", help="name one with --listener")
    if len(binding) == 1:
        only = binding[0]
        return Entry(
            only.name, None, None, (f"the request reaches the only listener, `{only.name}` on {only.ip}:{only.port}",)
        )
    raise OptionError(f"no listener on port {port}", help="name one with --listener: " + _names(bound))


def _for_host(dump: Dump, bound: Sequence[Bound], host: str) -> list[Bound]:
    """Those of the listeners that carry the host's name."""
    services = [(b, listener_service(dump, b.resource, b.ip)) for b in bound]
    named = match_services(host, [service for _, service in services])
    return [b for b, service in services if service in named]


def _owner(bound: Sequence[Bound], ip: str, port: int) -> Bound | None:
    """The binding listener that accepts on ``ip:port``: the exact address, else a wildcard."""
    here = [b for b in bound if b.binds and b.port == port]
    exact = next((b for b in here if b.ip == ip), None)
    return exact or next((b for b in here if _wild(b.ip)), None)


def _virtual(bound: Sequence[Bound], direction: str) -> Bound | None:
    candidates = [b for b in bound if b.binds and b.original_dst]
    return next((b for b in candidates if b.direction == direction), None) or next(
        (b for b in candidates if b.name == ("virtualInbound" if direction == "INBOUND" else "virtualOutbound")), None
    )


def _own(bound: Bound) -> str:
    return f"{_bracketed('127.0.0.1' if bound.ip == '0.0.0.0' else bound.ip)}:{bound.port}"


def _names(bound: Sequence[Bound]) -> str:
    shown = ", ".join(f"`{b.name}` ({b.ip}:{b.port})" for b in bound[:8])
    return shown + (f" and {len(bound) - 8} more" if len(bound) > 8 else "")


def _wild(ip: str) -> bool:
    return ip in ("0.0.0.0", "::", "")


def _bracketed(ip: str | None) -> str:
    return f"[{ip}]" if ip and ":" in ip else str(ip)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True
