"""Why a filter chain was not taken: the first criterion that shut it out, with what was wanted and what was there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.server_name import server_name_candidates
from ..model.trace import Rejected
from .filter_chain_tree import ANY, EXTERNAL, LOCAL, ChainMatch, is_local

if TYPE_CHECKING:
    from ..match.cidr_range import CidrRange
    from ..model.ref import Ref
    from .stream import DownstreamConnection


@dataclass(frozen=True, slots=True)
class Seen:
    """What the connection showed when its chain was chosen."""

    destination_port: int
    destination_ip: str
    server_name: str
    transport_protocol: str
    application_protocols: tuple[str, ...]
    direct_ip: str
    local: bool
    source_ip: str
    source_port: int


def seen(connection: DownstreamConnection) -> Seen:
    """Copy what filter chains are chosen by."""
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chain that was in the running."""

    ref: Ref
    name: str
    match: ChainMatch


Rank = Callable[[ChainMatch, Seen], int]
"""How specific a match is at one criterion: 0 without one, -1 where it fails."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One of the nine, in Envoy's order."""

    name: str
    wanted: Callable[[ChainMatch], object]
    actual: Callable[[Seen], object]
    rank: Rank


def _equal(wanted: object, actual: object) -> int:
    return 0 if not wanted else (1 if wanted == actual else -1)


def _range_rank(ranges: tuple[CidrRange, ...], ip: str) -> int:
    """A range counts by its length; no range is /0."""
    return max((r.prefix_len for r in ranges if r.contains(ip)), default=-1) if ranges else 0


def _listed(values: Iterable[str], most_specific_first: list[str]) -> int:
    ranks = [len(most_specific_first) - i for i, c in enumerate(most_specific_first) if c in values]
    return max(ranks, default=-1)


def _server_name_rank(match: ChainMatch, at: Seen) -> int:
    return _listed(match.server_names, list(server_name_candidates(at.server_name))) if match.server_names else 0


def _protocol_rank(match: ChainMatch, at: Seen) -> int:
    return _listed(match.application_protocols, list(at.application_protocols)) if match.application_protocols else 0


def _source_type_rank(match: ChainMatch, at: Seen) -> int:
    return 0 if match.source_type == ANY else (1 if (match.source_type == LOCAL) == at.local else -1)


def _source_port_rank(match: ChainMatch, at: Seen) -> int:
    return 0 if not match.source_ports else (1 if at.source_port in match.source_ports else -1)


def _texts(ranges: tuple[CidrRange, ...]) -> str:
    return ", ".join(r.text for r in ranges)


CRITERIA: Final = (
    Criterion(
        "destination_port",
        lambda m: m.destination_port,
        lambda s: s.destination_port,
        lambda m, s: _equal(m.destination_port, s.destination_port),
    ),
    Criterion(
        "prefix_ranges",
        lambda m: _texts(m.prefix_ranges),
        lambda s: s.destination_ip,
        lambda m, s: _range_rank(m.prefix_ranges, s.destination_ip),
    ),
    Criterion(
        "server_names",
        lambda m: ", ".join(m.server_names),
        lambda s: s.server_name or "no SNI",
        _server_name_rank,
    ),
    Criterion(
        "transport_protocol",
        lambda m: m.transport_protocol,
        lambda s: s.transport_protocol,
        lambda m, s: _equal(m.transport_protocol, s.transport_protocol),
    ),
    Criterion(
        "application_protocols",
        lambda m: ", ".join(m.application_protocols),
        lambda s: ", ".join(s.application_protocols) or "none known",
        _protocol_rank,
    ),
    Criterion(
        "direct_source_prefix_ranges",
        lambda m: _texts(m.direct_source_prefix_ranges),
        lambda s: s.direct_ip,
        lambda m, s: _range_rank(m.direct_source_prefix_ranges, s.direct_ip),
    ),
    Criterion(
        "source_type",
        lambda m: m.source_type,
        lambda s: LOCAL if s.local else EXTERNAL,
        _source_type_rank,
    ),
    Criterion(
        "source_prefix_ranges",
        lambda m: _texts(m.source_prefix_ranges),
        lambda s: s.source_ip,
        lambda m, s: _range_rank(m.source_prefix_ranges, s.source_ip),
    ),
    Criterion(
        "source_ports",
        lambda m: ", ".join(map(str, m.source_ports)),
        lambda s: s.source_port,
        _source_port_rank,
    ),
)


def rejections(candidates: Iterable[Candidate], at: Seen) -> tuple[Rejected, ...]:
    """Sieve the chains criterion by criterion and say of each where it fell, in the order of the configuration."""
    order = list(candidates)
    left, fallen = order, {}
    for criterion in CRITERIA:
        ranks = [criterion.rank(c.match, at) for c in left]
        best = max(ranks, default=-1)
        for candidate, rank in zip(left, ranks, strict=True):
            if rank < 0:
                fallen[candidate.ref] = _failed(criterion, candidate, at)
            elif rank < best:
                winner = left[ranks.index(best)]
                fallen[candidate.ref] = _outdone(criterion, candidate, winner)
        left = [c for c, rank in zip(left, ranks, strict=True) if rank == best >= 0]
    return tuple(Rejected(c.ref, fallen[c.ref]) for c in order if c.ref in fallen)


def _failed(criterion: Criterion, candidate: Candidate, at: Seen) -> str:
    wanted, actual = criterion.wanted(candidate.match), criterion.actual(at)
    return f"{_title(candidate)}: `{criterion.name}` {wanted}, the connection has {actual}"


def _outdone(criterion: Criterion, candidate: Candidate, winner: Candidate) -> str:
    wanted = criterion.wanted(candidate.match)
    own = f"`{criterion.name}` {wanted}" if wanted and wanted != ANY else f"no `{criterion.name}`"
    return f"{_title(candidate)}: {own} is less specific than {criterion.wanted(winner.match)} of {_title(winner)}"


def _title(candidate: Candidate) -> str:
    return f"`{candidate.name}`" if candidate.name else "a chain without a name"
