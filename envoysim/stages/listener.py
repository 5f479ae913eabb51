"""Which listener owns a connection, and the hand-off by original destination.

Source: ``source/common/listener_manager/connection_handler_impl.cc`` and ``active_tcp_socket.cc``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..model.address import Address, parse_address
from ..model.reply import Aborted
from ..schema import Msg, enum_name
from .filter_chain import FilterChains, compile_filter_chains
from .listener_filters import ListenerFilter, compile_listener_filters, run_listener_filters
from .stream import DownstreamConnection

if TYPE_CHECKING:
    from ..load import Resource
    from ..model.ref import Ref
    from ..model.request import Request
    from ..model.world import State
    from .proxy import Proxy
    from .stream import Telling

DEFAULT_SOURCE = Address("127.0.0.1", 40000)
WILDCARDS = ("0.0.0.0", "::")


class Listener:
    """A listener; its addresses are known at once, its filters and chains are compiled on first use."""

    def __init__(self, head: Msg, resource: Resource, proxy: Proxy) -> None:
        self._resource = resource
        self._proxy = proxy
        self.name: str = resource.name or head.name
        self.ref: Ref = resource.ref
        self.addresses: tuple[Address, ...] = tuple(
            Address(a.socket_address.address, a.socket_address.port_value)
            for a in (head.address, *(extra.address for extra in head.additional_addresses))
            if a.WhichOneof("address") == "socket_address"
        )
        self.ipv4_compat: bool = head.address.socket_address.ipv4_compat
        deprecated = head.deprecated_v1
        binds = head.bind_to_port if head.HasField("bind_to_port") else deprecated.bind_to_port
        self.binds: bool = binds.value if binds.ByteSize() or head.HasField("bind_to_port") else True
        if head.HasField("deprecated_v1") and deprecated.HasField("bind_to_port"):
            self.binds = deprecated.bind_to_port.value
        self.use_original_dst: bool = head.use_original_dst.value
        self.direction: str = enum_name(head, "traffic_direction")
        self.internal: bool = head.HasField("internal_listener")

    @cached_property
    def message(self) -> Msg:
        """The whole decoded message."""
        return self._resource.message()

    @cached_property
    def filters(self) -> tuple[ListenerFilter, ...]:
        """The listener filters; ``use_original_dst`` brings the original_dst filter with it."""
        return compile_listener_filters(list(self.message.listener_filters), self.ref, self._proxy)

    @cached_property
    def chains(self) -> FilterChains:
        """The filter chains, ready to be chosen from."""
        return compile_filter_chains(self.message, self.ref, self._proxy)


def compile_listener(resource: Resource, proxy: Proxy) -> Listener:
    """Make a Listener from its resource; only its head is decoded."""
    return Listener(resource.listener_head(), resource, proxy)


def accept(proxy: Proxy, request: Request, state: State, telling: Telling) -> DownstreamConnection | Aborted:
    """Find the listener, run its listener filters, and hand the connection on where it restores destinations."""
    listener = _entry(proxy, request, telling)
    if listener is None:
        return Aborted("refused")
    connection = _connect(listener, request)
    ended = run_listener_filters(listener.filters, connection, request, telling)
    if ended is not None:
        return ended
    if listener.use_original_dst:
        _restore(connection, request)
        if connection.restored and (target := _owner(proxy.listeners, connection.local, handed_on=True)) is not None:
            if target is not listener:
                telling.step(
                    "listener", target.ref, "`{}` owns the original destination {}", target.name, connection.local
                )
                connection.listener = target
                ended = run_listener_filters(target.filters, connection, request, telling)
                if ended is not None:
                    return ended
        elif connection.restored:
            telling.step(
                "listener",
                listener.ref,
                "no listener owns {}: the connection stays with `{}`",
                connection.local,
                listener.name,
            )
    return connection


def _restore(connection: DownstreamConnection, request: Request) -> None:
    """``use_original_dst`` restores the destination even without the filter in the list."""
    if request.connection.original_destination is not None and not connection.restored:
        connection.local = parse_address(request.connection.original_destination)
        connection.restored = True


def _entry(proxy: Proxy, request: Request, telling: Telling) -> Listener | None:
    wanted = request.connection
    if wanted.listener is not None:
        found = next((entry for entry in proxy.listeners if entry.name == wanted.listener), None)
        if found is not None:
            telling.step("listener", found.ref, "`{}`", found.name)
        else:
            telling.step("listener", None, "there is no listener `{}`", wanted.listener)
        return found
    if wanted.destination is None:
        only = [entry for entry in proxy.listeners if entry.binds and not entry.internal]
        if len(only) == 1:
            telling.assumed.append(f"the connection reaches the only listener, `{only[0].name}`")
            telling.step("listener", only[0].ref, "`{}`, the only one", only[0].name)
            return only[0]
        telling.step("listener", None, "neither a listener nor a destination address is given")
        return None
    address = parse_address(wanted.destination)
    found = _owner(proxy.listeners, address, handed_on=False)
    if found is None:
        telling.step("listener", None, "no listener is bound to {}", address)
    else:
        telling.step("listener", found.ref, "`{}` is bound to {}", found.name, address)
    return found


def _owner(listeners: Sequence[Listener], address: Address, *, handed_on: bool) -> Listener | None:
    """The exact address first, then the wildcard of the port; not bound ones only take connections handed on."""
    candidates = [entry for entry in listeners if (entry.binds or handed_on) and not entry.internal]
    for entry in candidates:
        if address in entry.addresses:
            return entry
    wildcards = ("::",) if ":" in address.ip else ("0.0.0.0",)
    for wildcard in wildcards:
        for entry in candidates:
            if (wildcard, address.port) in entry.addresses:
                return entry
    if ":" not in address.ip:  # an IPv6 wildcard takes IPv4 where it says so
        for entry in candidates:
            if entry.ipv4_compat and ("::", address.port) in entry.addresses:
                return entry
    return None


def _connect(listener: Listener, request: Request) -> DownstreamConnection:
    wanted = request.connection
    local = parse_address(wanted.destination) if wanted.destination is not None else _own_address(listener)
    remote = parse_address(wanted.source) if wanted.source is not None else DEFAULT_SOURCE
    tls = wanted.tls
    return DownstreamConnection(
        listener=listener,
        direct_local=local,
        direct_remote=remote,
        local=local,
        remote=remote,
        speaks=wanted.protocol,
        client_tls=tls is not None,
        offered_alpn=tls.alpn if tls is not None else (),
        client_certificate=tls.certificate if tls is not None else None,
    )


def _own_address(listener: Listener) -> Address:
    address = listener.addresses[0] if listener.addresses else Address("127.0.0.1", 0)
    if address.ip not in WILDCARDS:
        return address
    return Address("::1" if ":" in address.ip else "127.0.0.1", address.port)
