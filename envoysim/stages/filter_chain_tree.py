"""The tree of filter chain criteria: nine levels, the most specific branch of each, no way back.

Source: ``source/common/listener_manager/filter_chain_manager_impl.cc``.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

from ..lazy_dataclass import dataclass
from ..match.cidr_range import CidrRange, compile_cidr_range, parse_ip
from ..match.server_name import server_name_candidates
from ..schema import Msg, enum_name

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .filter_chain import FilterChain
    from .stream import DownstreamConnection

T = TypeVar("T")
ANY: Final = "ANY"
LOCAL: Final = "SAME_IP_OR_LOOPBACK"
EXTERNAL: Final = "EXTERNAL"
LOOPBACKS: Final = ("127.0.0.1", "::1")
"""The only loopback addresses that count as local (``Utility::isLoopbackAddress``): 127.0.0.2 is external."""
Pick: TypeAlias = Callable[[int], int]
"""Chooses among several branches that are the same to Envoy."""


@dataclass(frozen=True, slots=True)
class ChainMatch:
    """``FilterChainMatch`` as plain values; an empty value does not constrain."""

    destination_port: int = 0
    prefix_ranges: tuple[CidrRange, ...] = ()
    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    direct_source_prefix_ranges: tuple[CidrRange, ...] = ()
    source_type: str = ANY
    source_prefix_ranges: tuple[CidrRange, ...] = ()
    source_ports: tuple[int, ...] = ()


def compile_chain_match(msg: Msg) -> ChainMatch:
    """Compile ``envoy.config.listener.v3.FilterChainMatch``."""
    return ChainMatch(
        destination_port=msg.destination_port.value,
        prefix_ranges=tuple(compile_cidr_range(r) for r in msg.prefix_ranges),
        server_names=tuple(name.lower() for name in msg.server_names),
        transport_protocol=msg.transport_protocol,
        application_protocols=tuple(msg.application_protocols),
        direct_source_prefix_ranges=tuple(compile_cidr_range(r) for r in msg.direct_source_prefix_ranges),
        source_type=enum_name(msg, "source_type"),
        source_prefix_ranges=tuple(compile_cidr_range(r) for r in msg.source_prefix_ranges),
        source_ports=tuple(msg.source_ports),
    )


class Prefixes(Generic[T]):
    """Branches by IP range, longest prefix first (``LcTrie``); chains without ranges are the /0 of both families."""

    __slots__ = ("_everywhere", "_lengths", "_make", "_tables")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._everywhere: T | None = None
        self._lengths: list[tuple[int, int]] = []
        """(host bits, version), the longest prefix first."""
        self._tables: dict[tuple[int, int], dict[int, T]] = {}

    def branches(self, ranges: Iterable[CidrRange]) -> Iterator[T]:
        """Yield the branch of each range, made where it is missing."""
        empty = True
        for r in ranges:
            empty = False
            length = (r.shift, r.version)
            if length not in self._tables:
                self._tables[length] = {}
                insort(self._lengths, length)
            table = self._tables[length]
            if r.network not in table:
                table[r.network] = self._make()
            yield table[r.network]
        if empty:
            if self._everywhere is None:
                self._everywhere = self._make()
            yield self._everywhere

    def find(self, ip: str) -> tuple[T, ...]:
        """Return the branches for an address: one, none, or two that are the same /0 to Envoy."""
        everywhere = () if self._everywhere is None else (self._everywhere,)
        if not self._lengths:
            return everywhere
        parsed = parse_ip(ip)
        if parsed is None:
            return everywhere
        version, number = parsed
        for shift, family in self._lengths:
            if family == version:
                found = self._tables[(shift, family)].get(number >> shift)
                if found is not None:
                    whole = shift == (32 if version == 4 else 128)
                    return (found, *everywhere) if whole else (found,)
        return everywhere


Ports: TypeAlias = "dict[int, FilterChain]"
SourceTypes: TypeAlias = "dict[str, Prefixes[Ports]]"
Protocols: TypeAlias = "dict[str, Prefixes[SourceTypes]]"
ServerNames: TypeAlias = "dict[str, dict[str, Protocols]]"


class ChainTree:
    """Destination port, destination IP, server name, transport and application protocol, sources."""

    def __init__(self) -> None:
        self._destinations: dict[int, Prefixes[ServerNames]] = {}
        self.overlaps: list[tuple[Ref, Ref]] = []
        """Chains whose criteria meet in one leaf: Envoy refuses such a listener."""

    def insert(self, chain: FilterChain) -> None:
        """Add a chain below every combination of its criteria (``addFilterChainForDestinationPorts`` ...)."""
        match = chain.match
        destinations = self._destinations.setdefault(match.destination_port, Prefixes(dict))
        for names in destinations.branches(match.prefix_ranges):
            for name in match.server_names or ("",):
                protocols = names.setdefault(name, {}).setdefault(match.transport_protocol, {})
                for protocol in match.application_protocols or ("",):
                    direct = protocols.setdefault(protocol, Prefixes(dict))
                    for types in direct.branches(match.direct_source_prefix_ranges):
                        sources = types.setdefault(match.source_type, Prefixes(dict))
                        for ports in sources.branches(match.source_prefix_ranges):
                            self._insert_ports(ports, chain)

    def _insert_ports(self, ports: Ports, chain: FilterChain) -> None:
        for port in chain.match.source_ports or (0,):
            taken = ports.setdefault(port, chain)
            if taken is not chain:
                self.overlaps.append((taken.ref, chain.ref))

    def find(self, connection: DownstreamConnection, pick: Pick) -> FilterChain | None:
        """Walk down (``findFilterChain``): once a branch is taken, its siblings are out of reach."""
        destinations = self._destinations.get(connection.local.port) or self._destinations.get(0)
        if destinations is None:
            return None
        names = _one(destinations.find(connection.local.ip), pick)
        if names is None:
            return None
        transports = names.get(connection.server_name) or _of_wildcards(names, connection.server_name)
        if transports is None:
            return None
        protocols = transports.get(connection.transport_protocol) or transports.get("")
        if protocols is None:
            return None
        direct = _of_offered(protocols, connection.application_protocols)
        if direct is None:
            return None
        types = _one(direct.find(connection.direct_remote.ip), pick)
        if types is None:
            return None
        sources = _of_source_type(types, connection)
        if sources is None:
            return None
        ports = _one(sources.find(connection.remote.ip), pick)
        if ports is None:
            return None
        return ports.get(connection.remote.port) or ports.get(0)


def _of_wildcards(names: ServerNames, server_name: str) -> dict[str, Protocols] | None:
    """Take the longest wildcard that covers the name, else the chains without names."""
    for candidate in server_name_candidates(server_name):
        if candidate in names:
            return names[candidate]
    return None


def _of_offered(protocols: Protocols, offered: tuple[str, ...]) -> Prefixes[SourceTypes] | None:
    """Take the first protocol of the client's list that some chain names, else the chains without any."""
    for protocol in offered:
        if protocol in protocols:
            return protocols[protocol]
    return protocols.get("")


def _one(branches: tuple[T, ...], pick: Pick) -> T | None:
    if len(branches) > 1:
        return branches[pick(len(branches))]
    return branches[0] if branches else None


def _of_source_type(types: SourceTypes, connection: DownstreamConnection) -> Prefixes[Ports] | None:
    """Take the connection's own kind where some chain names it, else ``ANY``."""
    if LOCAL in types or EXTERNAL in types:
        kind = LOCAL if is_local(connection) else EXTERNAL
        if kind in types:
            return types[kind]
    return types.get(ANY)


def is_local(connection: DownstreamConnection) -> bool:
    """Tell whether the source is the loopback address or the destination's own (``isSameIpOrLoopback``)."""
    return connection.remote.ip in LOOPBACKS or connection.remote.ip == connection.local.ip
