"""Which listener takes a connection, and the hand-off to the owner of the original destination.

Source: ``source/common/listener_manager`` (``connection_handler_impl.cc``, ``active_tcp_socket.cc``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ..match.cidr_range import parse_ip
from ..model.address import Address, parse_address
from ..model.reply import Aborted
from ..schema import Msg, duration_ms, enum_name
from .access_log import AccessLogger, compile_access_loggers
from .connection_reuse import find_connection, keep_connection
from .filter_chain import FilterChains, compile_filter_chains
from .listener_filters import ListenerFilter, compile_listener_filters, run_listener_filters
from .metadata import filter_metadata
from .stream import DownstreamConnection

if TYPE_CHECKING:
    from ..load.resource import Resource
    from ..model.request import Connection, Request
    from ..model.world import State
    from .proxy import Proxy
    from .stream import Telling

DEFAULT_SOURCE: Final = Address("127.0.0.1", 40000)
"""The contract leaves the client's ephemeral port open."""
NO_SOCKET: Final = Address("255.255.255.255", 0)
"""What chains compare a Unix domain socket with (``FilterChain::fakeAddress``)."""
DEFAULT_FILTERS_TIMEOUT_MS: Final = 15_000.0


class Listener:
    """A listener. Its head is known at once; filters and chains are compiled when a connection needs them."""

    def __init__(self, resource: Resource, proxy: Proxy) -> None:
        head = resource.listener_head()
        self._resource = resource
        self._proxy = proxy
        self.name: str = resource.name or head.name
        self.ref = resource.ref
        self.addresses = tuple(_addresses(head))
        self.ipv4_compat: bool = head.address.socket_address.ipv4_compat
        self.udp: bool = enum_name(head.address.socket_address, "protocol") == "UDP"
        self.internal: bool = head.HasField("internal_listener")
        self.binds: bool = _binds(head) and not self.internal
        self.use_original_dst: bool = head.use_original_dst.value
        self.direction: str = enum_name(head, "traffic_direction")
        self.filters_timeout_ms: float = (
            duration_ms(head.listener_filters_timeout)
            if head.HasField("listener_filters_timeout")
            else DEFAULT_FILTERS_TIMEOUT_MS
        )
        self.continue_on_filters_timeout: bool = head.continue_on_listener_filters_timeout
        self.stat_prefix: str = head.stat_prefix or (str(self.addresses[0]) if self.addresses else self.name).replace(
            ":", "_"
        )

    @cached_property
    def told_addresses(self) -> str:
        """The addresses in words."""
        return " and ".join(map(str, self.addresses)) or "no address"

    @cached_property
    def own_address(self) -> Address:
        """The address a client on the same machine would connect to."""
        if not self.addresses:
            return NO_SOCKET
        address = self.addresses[0]
        if address.ip == "0.0.0.0":
            return Address("127.0.0.1", address.port)
        return Address("::1", address.port) if address.ip == "::" else address

    @cached_property
    def message(self) -> Msg:
        """The whole message."""
        return self._resource.message()

    @cached_property
    def filters(self) -> tuple[ListenerFilter, ...]:
        """The listener filters, with those that older fields of the listener bring along."""
        return compile_listener_filters(self.message, self.ref, self._proxy)

    @cached_property
    def metadata(self) -> Mapping[str, object]:
        """``metadata.filter_metadata`` as plain Python."""
        return filter_metadata(self.message)

    @cached_property
    def access_loggers(self) -> tuple[AccessLogger, ...]:
        """The loggers of connections."""
        return compile_access_loggers(self.message.access_log, self.ref.at("access_log"))

    @cached_property
    def chains(self) -> FilterChains:
        """The filter chains, ready to be chosen from."""
        return compile_filter_chains(self.message, self.ref, self._proxy)

    def __repr__(self) -> str:
        return f"Listener({self.name!r})"


def compile_listener(resource: Resource, proxy: Proxy) -> Listener:
    """Make a listener; only its head is decoded now."""
    return Listener(resource, proxy)


def _addresses(head: Msg) -> Iterable[Address]:
    for address in (head.address, *(extra.address for extra in head.additional_addresses)):
        if address.WhichOneof("address") == "socket_address":
            yield Address(address.socket_address.address, address.socket_address.port_value)


def _binds(head: Msg) -> bool:
    if head.HasField("bind_to_port"):
        return bool(head.bind_to_port.value)
    return not head.deprecated_v1.HasField("bind_to_port") or bool(head.deprecated_v1.bind_to_port.value)


class ListenerTable(tuple[Listener, ...]):
    """The listeners that serve, in the dump's order, with the addresses they own."""

    @cached_property
    def by_name(self) -> dict[str, Listener]:
        """Listeners by name."""
        return {listener.name: listener for listener in reversed(self)}

    @cached_property
    def bound(self) -> dict[tuple[object, int], Listener]:
        """Who accepts TCP connections: the addresses of listeners that bind."""
        return _owners(entry for entry in self if entry.binds and not entry.udp)

    @cached_property
    def bound_udp(self) -> dict[tuple[object, int], Listener]:
        """Who accepts QUIC connections."""
        return _owners(entry for entry in self if entry.binds and entry.udp)

    @cached_property
    def reachable(self) -> dict[tuple[object, int], Listener]:
        """Who may be handed a connection: ``bind_to_port: false`` listeners too."""
        return _owners(entry for entry in self if not entry.internal and not entry.udp)


def _owners(listeners: Iterable[Listener]) -> dict[tuple[object, int], Listener]:
    """Map addresses to listeners as ``ConnectionHandlerImpl::addListener`` does: of equal ones the last stays.

    ``ipv4_compat`` adds the IPv4 address; the IPv4 wildcard only where no listener has it as its own.
    """
    owners: dict[tuple[object, int], Listener] = {}
    compatible: dict[tuple[object, int], Listener] = {}
    for listener in listeners:
        for address in listener.addresses:
            parsed = parse_ip(address.ip)
            owners[(parsed, address.port)] = listener
            if listener.ipv4_compat and parsed is not None and parsed[0] == 6:
                compatible[((4, parsed[1] & 0xFFFFFFFF), address.port)] = listener
    return compatible | owners


def find_owner(owners: dict[tuple[object, int], Listener], address: Address) -> Listener | None:
    """Return the owner of exactly this address, else of its family's wildcard (``getBalancedHandlerByAddress``)."""
    parsed = parse_ip(address.ip)
    if parsed is None:
        return None
    return owners.get((parsed, address.port)) or owners.get(((parsed[0], 0), address.port))


def accept(proxy: Proxy, request: Request, state: State, telling: Telling) -> DownstreamConnection | Aborted:
    """Find the listener, run its listener filters, and hand the connection on where a destination was restored.

    The hand-off happens once; the new owner's own listener filters see what the first ones left.
    """
    kept = find_connection(request, state, telling)
    if kept is not None:
        return kept
    listener = _find_listener(proxy.listeners, request.connection, telling)
    if listener is None:
        return Aborted("refused")
    connection = _connect(listener, request)
    ended = run_listener_filters(listener, connection, request, state, telling)
    if ended is None and listener.use_original_dst and listener.binds and connection.restored:
        ended = _hand_off(proxy.listeners, connection, request, state, telling)
    if ended is not None:
        return ended
    if connection.proxy_header:
        _meet_proxy_header(connection, telling)
    keep_connection(connection, request, state)
    return connection


def _find_listener(listeners: ListenerTable, wanted: Connection, telling: Telling) -> Listener | None:
    if wanted.listener is not None:
        found = listeners.by_name.get(wanted.listener)
        if found is None:
            telling.step("listener", None, "no listener is called `{}`", wanted.listener)
            telling.note(None, f"there is no listener `{wanted.listener}`")
            return None
        telling.step("listener", found.ref, "`{}` on {}", found.name, found.told_addresses)
        if not found.binds:
            telling.assumed.append(f"another listener handed the connection to `{found.name}`, which binds no port")
        return found
    owners = listeners.bound_udp if wanted.protocol == "HTTP/3" else listeners.bound
    if wanted.destination is None:
        bound = list(dict.fromkeys(owners.values()))
        if len(bound) != 1:
            telling.step("listener", None, "the request names no listener and no destination")
            telling.note(None, "the request names neither a listener nor a destination")
            return None
        telling.assumed.append(f"the connection reaches the only listener, `{bound[0].name}`")
        return bound[0]
    address = parse_address(wanted.destination)
    found = find_owner(owners, address)
    if found is None:
        telling.step("listener", None, "no listener accepts on {}", address)
    else:
        telling.step("listener", found.ref, "`{}` accepts on {}", found.name, address)
    return found


def _connect(listener: Listener, request: Request) -> DownstreamConnection:
    wanted = request.connection
    local = parse_address(wanted.destination) if wanted.destination is not None else listener.own_address
    remote = parse_address(wanted.source) if wanted.source is not None else DEFAULT_SOURCE
    tls = wanted.tls
    return DownstreamConnection(
        listener=listener,
        direct_local=local,
        direct_remote=remote,
        local=local,
        remote=remote,
        speaks=wanted.protocol,
        client_tls=tls is not None or wanted.protocol == "HTTP/3",
        offered_alpn=tls.alpn if tls is not None else (),
        client_certificate=tls.certificate if tls is not None else None,
        proxy_header=wanted.proxy_protocol is not None,
    )


def _hand_off(
    listeners: ListenerTable, connection: DownstreamConnection, request: Request, state: State, telling: Telling
) -> Aborted | None:
    """Pass the connection to the owner of the restored destination (``ActiveTcpSocket::newConnection``)."""
    first, destination = connection.listener, connection.local
    owner = find_owner(listeners.reachable, destination)
    if owner is None:
        telling.step("listener", first.ref, "no listener owns {}: `{}` keeps the connection", destination, first.name)
        return None
    telling.step("listener", owner.ref, "`{}` owns the original destination {}", owner.name, destination)
    connection.listener, connection.handed_on_by = owner, first
    return run_listener_filters(owner, connection, request, state, telling)


def _meet_proxy_header(connection: DownstreamConnection, telling: Telling) -> None:
    """Nobody read the PROXY header: its text is the first thing the filter chain sees."""
    connection.client_tls = False
    connection.speaks = "TCP"
    telling.note(connection.listener.ref, "the client sends a PROXY header and no proxy_protocol filter reads it")
