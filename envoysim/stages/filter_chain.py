"""Which filter chain takes a connection: nine criteria, the most specific branch of each, no way back.

Source: ``FilterChainManagerImpl::findFilterChain`` in ``source/common/listener_manager/filter_chain_manager_impl.cc``.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..match.cidr_range import CidrRange, cidr_range, compile_cidr_range
from ..model.trace import Rejected
from ..schema import Msg, enum_name
from .downstream_tls import DownstreamTls, compile_downstream_tls

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .filter_chain_matcher import FilterChainMatcher
    from .network_filters import NetworkFilter
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

ANY, LOCAL, EXTERNAL = "ANY", "SAME_IP_OR_LOOPBACK", "EXTERNAL"
LOOPBACKS: Final = ("127.0.0.1", "::1")
Level: TypeAlias = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class Match:
    """``FilterChainMatch`` as plain values; an empty tuple does not constrain."""

    destination_port: int = 0
    prefix_ranges: tuple[CidrRange, ...] = ()
    server_names: tuple[str, ...] = ()
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    direct_source_prefix_ranges: tuple[CidrRange, ...] = ()
    source_type: str = ANY
    source_prefix_ranges: tuple[CidrRange, ...] = ()
    source_ports: tuple[int, ...] = ()


class FilterChain:
    """A filter chain; its network filters are compiled when a connection first runs through it."""

    def __init__(self, msg: Msg, ref: Ref, proxy: Proxy) -> None:
        self._msg = msg
        self._proxy = proxy
        self.name: str = msg.name
        self.ref = ref
        self.match = _match(msg.filter_chain_match)
        self.tls: DownstreamTls | None = compile_downstream_tls(msg, ref, proxy)

    @cached_property
    def filters(self) -> tuple[NetworkFilter, ...]:
        """The network filters in order."""
        from .network_filters import compile_network_filters

        return compile_network_filters(list(self._msg.filters), self.ref, self._proxy)


@dataclass(frozen=True, slots=True)
class FilterChains:
    """All chains of a listener: the tree of criteria, the default, or the matcher that replaces the criteria."""

    ref: Ref
    chains: tuple[FilterChain, ...]
    default: FilterChain | None
    tree: Level
    matcher: FilterChainMatcher | None
    ambiguous: bool
    """``0.0.0.0/0`` stands beside chains without ranges: the real Envoy's choice differs from start to start."""


def compile_filter_chains(listener: Msg, ref: Ref, proxy: Proxy) -> FilterChains:
    """Compile the chains of a Listener message."""
    chains = tuple(FilterChain(msg, ref.at("filter_chains", i), proxy) for i, msg in enumerate(listener.filter_chains))
    default = None
    if listener.HasField("default_filter_chain"):
        default = FilterChain(listener.default_filter_chain, ref.at("default_filter_chain"), proxy)
    matcher = None
    if listener.HasField("filter_chain_matcher"):
        from .filter_chain_matcher import compile_filter_chain_matcher

        matcher = compile_filter_chain_matcher(listener.filter_chain_matcher, ref.at("filter_chain_matcher"), proxy)
    tree: Level = {}
    for chain in chains:
        _insert(tree, chain)
    return FilterChains(ref, chains, default, tree, matcher, _ambiguous(chains))


def _match(msg: Msg) -> Match:
    return Match(
        destination_port=msg.destination_port.value,
        prefix_ranges=tuple(compile_cidr_range(r) for r in msg.prefix_ranges),
        server_names=tuple("" if n == "*" else n.lower() for n in msg.server_names),
        transport_protocol=msg.transport_protocol,
        application_protocols=tuple(msg.application_protocols),
        direct_source_prefix_ranges=tuple(compile_cidr_range(r) for r in msg.direct_source_prefix_ranges),
        source_type=enum_name(msg, "source_type"),
        source_prefix_ranges=tuple(compile_cidr_range(r) for r in msg.source_prefix_ranges),
        source_ports=tuple(msg.source_ports),
    )


EVERYWHERE: Final = (cidr_range("0.0.0.0", 0), cidr_range("::", 0))


def _insert(tree: Level, chain: FilterChain) -> None:
    """Add a chain below every combination of its criteria; of two equal ones the first stays."""
    match = chain.match
    levels: list[Level] = [tree]
    for keys in (
        (match.destination_port,),
        _networks(match.prefix_ranges),
        match.server_names or ("",),
        (match.transport_protocol,),
        match.application_protocols or ("",),
        _networks(match.direct_source_prefix_ranges),
        (match.source_type,),
        _networks(match.source_prefix_ranges),
    ):
        levels = [level.setdefault(key, {}) for level in levels for key in keys]
    for level in levels:
        for port in match.source_ports or (0,):
            level.setdefault(port, chain)


def _networks(ranges: tuple[CidrRange, ...]) -> tuple[tuple[int, int, int], ...]:
    return tuple((r.version, r.shift, r.network) for r in ranges or EVERYWHERE)


def choose_filter_chain(connection: DownstreamConnection, telling: Telling) -> FilterChain | None:
    """Return the chain for the connection, or ``None`` (``filter_chain_not_found``)."""
    chains = connection.listener.chains
    if chains.matcher is not None:
        name = chains.matcher.choose(connection, telling)
        found = next((c for c in chains.chains if c.name == name), None) if name is not None else None
        why = "the filter chain matcher says `{}`"
        if name is not None and found is None:
            telling.step("filter chain", chains.ref, "the filter chain matcher names `{}`, which does not exist", name)
            return None
    else:
        found, why = find(chains.tree, connection), "most specific of {}"
        name = str(len(chains.chains))
        if chains.ambiguous:
            telling.note(
                chains.ref.at("filter_chains"),
                "a chain with `0.0.0.0/0` stands beside one without prefix_ranges: which of them Envoy takes differs "
                "from start to start",
            )
    chosen = found or chains.default
    losers = None
    if telling.explain:
        seen = _seen(connection)

        def losers() -> tuple[Rejected, ...]:
            return tuple(Rejected(c.ref, _why_not(c, seen)) for c in chains.chains if c is not chosen)

    if found is not None:
        telling.step("filter chain", found.ref, _with_name(found, why), name, losers=losers)
    elif chosen is not None:
        telling.step("filter chain", chosen.ref, "the default filter chain: no other matches", losers=losers)
    else:
        telling.step("filter chain", chains.ref, "no filter chain matches: `filter_chain_not_found`", losers=losers)
    return chosen


def _with_name(chain: FilterChain, why: str) -> str:
    name = chain.name.replace("{", "{{").replace("}", "}}")
    return f"`{name}`, {why}" if name else why


def find(tree: Level, connection: DownstreamConnection) -> FilterChain | None:
    """Walk the tree: each criterion takes its most specific branch, and there is no way back."""
    level: Level | None = tree.get(connection.local.port) or tree.get(0)
    level = _longest(level, connection.local.ip) if level else None
    level = _server_name(level, connection.server_name) if level else None
    level = (level.get(connection.transport_protocol) or level.get("")) if level else None
    if not level:
        return None
    offered = (level[p] for p in connection.application_protocols if p in level)
    level = next(offered, None) or level.get("")
    level = _longest(level, connection.direct_remote.ip) if level else None
    level = _source_type(level, connection) if level else None
    level = _longest(level, connection.remote.ip) if level else None
    if not level:
        return None
    chain: FilterChain | None = level.get(connection.remote.port) or level.get(0)
    return chain


def _longest(level: Level, ip: str) -> Level | None:
    """Longest prefix match; the keys are (version, host bits, network)."""
    address = ipaddress.ip_address(ip)
    number = int(address)
    best: tuple[int, int, int] | None = None
    for key in level:
        version, shift, network = key
        if version == address.version and number >> shift == network and (best is None or shift < best[1]):
            best = key
    return None if best is None else level[best]


def _server_name(level: Level, name: str) -> Level | None:
    if name in level:
        return level[name]  # type: ignore[no-any-return]  # the tree's values are levels
    position = name.find(".")
    while position > 0:
        wildcard = "*" + name[position:]
        if wildcard in level:
            return level[wildcard]  # type: ignore[no-any-return]  # as above
        position = name.find(".", position + 1)
    return level.get("")


def _source_type(level: Level, connection: DownstreamConnection) -> Level | None:
    if LOCAL in level or EXTERNAL in level:
        kind = LOCAL if is_local(connection) else EXTERNAL
        if kind in level:
            return level[kind]  # type: ignore[no-any-return]  # as above
    return level.get(ANY)


def is_local(connection: DownstreamConnection) -> bool:
    """``Network::Utility::isSameIpOrLoopback``: the source is 127.0.0.1 or ::1 (no other loopback), or the destination."""
    return connection.remote.ip in LOOPBACKS or connection.remote.ip == connection.local.ip


def _ambiguous(chains: tuple[FilterChain, ...]) -> bool:
    """Tell whether some port has both an explicit whole range and chains without any."""
    whole: dict[int, set[bool]] = {}
    for chain in chains:
        for r in chain.match.prefix_ranges:
            if r.prefix_len == 0:
                whole.setdefault(chain.match.destination_port, set()).add(True)
        if not chain.match.prefix_ranges:
            whole.setdefault(chain.match.destination_port, set()).add(False)
    return any(len(kinds) == 2 for kinds in whole.values())


@dataclass(frozen=True, slots=True)
class Seen:
    """What a connection showed when the chain was chosen; kept for explaining."""

    port: int
    ip: str
    server_name: str
    transport: str
    alpn: tuple[str, ...]
    direct_ip: str
    local: bool
    source_ip: str
    source_port: int


def _seen(connection: DownstreamConnection) -> Seen:
    return Seen(
        connection.local.port,
        connection.local.ip,
        connection.server_name,
        connection.transport_protocol,
        connection.application_protocols,
        connection.direct_remote.ip,
        is_local(connection),
        connection.remote.ip,
        connection.remote.port,
    )


def _why_not(chain: FilterChain, seen: Seen) -> str:
    """Name the first criterion of a chain that the connection fails."""
    m, name = chain.match, f"chain `{chain.name}`: " if chain.name else ""
    if m.destination_port and m.destination_port != seen.port:
        return f"{name}destination_port {m.destination_port}, not {seen.port}"
    if m.prefix_ranges and not any(r.contains(seen.ip) for r in m.prefix_ranges):
        return f"{name}prefix_ranges {_texts(m.prefix_ranges)} do not contain {seen.ip}"
    if m.server_names and not any(_name_fits(n, seen.server_name) for n in m.server_names):
        return f"{name}server_names {', '.join(m.server_names)}, not `{seen.server_name}`"
    if m.transport_protocol and m.transport_protocol != seen.transport:
        return f"{name}transport_protocol {m.transport_protocol}, not {seen.transport}"
    if m.application_protocols and not set(m.application_protocols) & set(seen.alpn):
        return f"{name}application_protocols {', '.join(m.application_protocols)}, not {', '.join(seen.alpn) or 'none'}"
    if m.direct_source_prefix_ranges and not any(r.contains(seen.direct_ip) for r in m.direct_source_prefix_ranges):
        return (
            f"{name}direct_source_prefix_ranges {_texts(m.direct_source_prefix_ranges)} do not contain {seen.direct_ip}"
        )
    if m.source_type != ANY and (m.source_type == LOCAL) != seen.local:
        return f"{name}source_type {m.source_type}, but the source is {'local' if seen.local else 'external'}"
    if m.source_prefix_ranges and not any(r.contains(seen.source_ip) for r in m.source_prefix_ranges):
        return f"{name}source_prefix_ranges {_texts(m.source_prefix_ranges)} do not contain {seen.source_ip}"
    if m.source_ports and seen.source_port not in m.source_ports:
        return f"{name}source_ports {m.source_ports}, not {seen.source_port}"
    return f"{name}matches too, but another chain is more specific at an earlier criterion"


def _texts(ranges: tuple[CidrRange, ...]) -> str:
    return ", ".join(r.text for r in ranges)


def _name_fits(pattern: str, name: str) -> bool:
    return (
        not pattern
        or pattern == name
        or (pattern.startswith("*.") and name.endswith(pattern[1:]) and name != pattern[1:])
    )
