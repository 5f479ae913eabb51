"""Compare what the real Envoy did with what was simulated, field by field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..lazy_dataclass import dataclass
from ..model.outcome import Outcome
from .judge import Observed
from .upstreams import ECHO_BODY, ECHO_TEXT

Pair = tuple[str, str]
DROPPED = frozenset({"host", "content-length", "transfer-encoding", "connection", "date", "keep-alive"})
STARRED = frozenset({"x-request-id", "x-envoy-upstream-service-time", "x-envoy-expected-rq-timeout-ms"})
FIELDS = (
    "status",
    "response_flags",
    "response_code_details",
    "filter_chain",
    "route",
    "cluster",
    "endpoint",
    "attempts",
    "authority",
    "upstream_headers",
    "mirrors",
    "headers",
    "body",
    "trailers",
)
"""What is compared, in this order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field on which the two do not agree."""

    field: str
    envoy: Any
    envoysim: Any


def compare(observed: Observed, outcome: Outcome, clusters: dict[str, str]) -> list[Difference]:
    """Return the differences, empty when they agree; ``clusters`` names the cluster of each ``ip:port``."""
    real, simulated = _real(observed, clusters, {m.cluster for m in outcome.mirrors}), _simulated(outcome)
    return [Difference(f, real[f], simulated[f]) for f in FIELDS if f in real and not _same(f, real[f], simulated[f])]


def _real(observed: Observed, clusters: dict[str, str], shadows: set[str]) -> dict[str, Any]:
    answer, log = observed.answer, observed.log
    found: dict[str, Any] = {"status": answer.status}
    if log is not None:
        found["response_flags"] = sorted(f for f in (log.get("flags") or "-").split(",") if f != "-")
        found["response_code_details"] = log.get("details")
        found["filter_chain"] = log.get("filter_chain")
    if log is not None and observed.log_kind != "connection":
        found["route"], found["cluster"] = log.get("route"), log.get("cluster")
        found["endpoint"] = log.get("host")
    if answer.status == 101 or (observed.request.method == "CONNECT" and answer.status == 200):
        found.pop("response_flags", None)  # how the client leaves the tunnel is not the request's doing
        found.pop("response_code_details", None)
    if answer.status is not None:
        found["headers"] = _headers(answer.headers)
        if answer.error is None:
            if not any(n == "content-encoding" for n, _ in answer.headers):
                found["body"] = answer.body.replace(ECHO_TEXT.decode(), ECHO_BODY)
            found["trailers"] = sorted(answer.trailers)
    sightings = [s for s in observed.sightings if clusters.get(s.endpoint) not in shadows]
    mirrored = [s for s in observed.sightings if clusters.get(s.endpoint) in shadows]
    found["mirrors"] = sorted((clusters[s.endpoint], s.method, s.path, s.authority) for s in mirrored)
    found["attempts"] = [
        [clusters.get(s.endpoint, ""), s.endpoint, s.method, _path(s.method, s.path)] for s in sightings
    ]
    found["authority"] = [s.authority for s in sightings]
    found["upstream_headers"] = [_headers(s.headers) for s in sightings]
    return found


def _simulated(outcome: Outcome) -> dict[str, Any]:
    sent = [a for a in outcome.attempts if a.method is not None and a.result not in ("refused", "connect_timeout")]
    return {
        "status": outcome.status,
        "response_flags": sorted(outcome.response_flags),
        "response_code_details": outcome.response_code_details,
        "filter_chain": outcome.filter_chain,
        "route": outcome.route,
        "cluster": outcome.cluster,
        "endpoint": outcome.endpoint,
        "attempts": [[a.cluster, a.endpoint, a.method, _path(a.method, a.path)] for a in sent],
        "authority": [a.authority for a in sent],
        "upstream_headers": [_headers(a.headers) for a in sent],
        "mirrors": sorted((m.cluster, m.method or "", m.path or "", m.authority) for m in outcome.mirrors),
        "headers": _headers(outcome.headers),
        "body": outcome.body,
        "trailers": sorted(outcome.trailers),
    }


def _path(method: str | None, path: str | None) -> str:
    """The path; HTTP/1.1 writes CONNECT's authority in its place."""
    return "" if method == "CONNECT" else path or ""


def _headers(pairs: Iterable[Pair]) -> list[Pair]:
    # Space around a value is the wire's: HTTP/2 carries it, who reads HTTP/1 takes it off.
    kept = ((n.lower(), v.strip(" \t")) for n, v in pairs if n.lower() not in DROPPED and not n.startswith(":"))
    return sorted((n, "*" if n in STARRED else _default_as_word(v)) for n, v in kept)


def _default_as_word(value: str) -> str:
    """Write the default body, and the length of it that the compressor tells, as the simulation does."""
    return value.replace(ECHO_TEXT.decode(), ECHO_BODY).replace(f"OriginalLength={len(ECHO_TEXT)}", "OriginalLength=")


def _same(field: str, real: Any, simulated: Any) -> bool:
    if field in ("route", "filter_chain", "cluster", "response_code_details", "endpoint"):
        return ((real or "") in ("", "-") and (simulated or "") in ("", "-")) or bool(real == simulated)
    if field == "headers":
        return len(real) == len(simulated) and all(map(_same_header, real, simulated))
    if field == "upstream_headers":
        return len(real) == len(simulated) and all(map(_same_headers, real, simulated))
    return bool(real == simulated)


def _same_header(real: Pair, simulated: Pair) -> bool:
    """A session's cookie holds a time that the simulation leaves open (``*`` within the value)."""
    name, value = simulated
    if name == "grpc-message" and real[1].startswith("%1F%8B"):
        return real[0] == name  # a body that was compressed before it became the message: its bytes are not modelled
    if name != "set-cookie" or "*" not in value:
        return real == simulated
    before, _, after = value.partition("*")
    return real[0] == name and real[1].startswith(before) and real[1].endswith(after)


def _same_headers(real: list[Pair], simulated: list[Pair]) -> bool:
    """A value the simulation leaves open (``*``: it depends on the clock) is any value."""
    unknown = {name for name, value in simulated if value == "*"}
    return simulated == [(name, "*" if name in unknown else value) for name, value in real]
