"""A TLS match that no endpoint meets.

## What it finds
A cluster with `transport_socket_matches` one of whose criteria no endpoint's metadata
(`envoy.transport_socket_match`) meets, where every match but the empty ones is without an endpoint; or an
endpoint that no match takes, while others are taken.

## Why it matters
An endpoint that meets no match falls to the cluster's own transport socket: plaintext where none is set. A peer
that requires mTLS closes the connection: 503 `UC` or `UF`.

## Example
`match: {tlsMode: istio}` while the endpoints say `tlsMode: mtls`, or say nothing.

## When it is harmless
The endpoints do speak plaintext.

## Fix
Give the endpoints the metadata that the match asks for, or correct the match's criteria.

## Source
`TransportSocketMatcherImpl::resolve` in `source/common/upstream/transport_socket_match_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..load.lazy import Node, elements, get, plain, text
from ..model.finding import Finding, Related
from ..schema import Msg, to_python
from .base import Check
from .endpoint_walk import endpoints_of, known_hosts
from .subject import Subject, origin_of

KEY = "envoy.transport_socket_match"
RAW = "RawBuffer"
Match = tuple[str, dict[str, object], str]
"""Name, what it asks for, the type of its transport socket."""


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per match that nothing meets although the cluster has endpoints."""
    for cluster in subject.clusters.values():
        if not cluster.by_endpoint or not known_hosts(subject, cluster):
            continue
        endpoints = [(e, _metadata(e.msg) or _metadata(e.locality)) for e in endpoints_of(cluster)]
        matches = list(_matches(subject.dump.clusters[cluster.name].raw)) if endpoints else []
        own = cluster.msg.transport_socket
        spare = "its own transport socket" if own.HasField("typed_config") else "plaintext"
        for i, (name, wanted, kind) in enumerate(matches):
            if not wanted or kind.endswith(RAW):
                continue
            if any(_meets(said, wanted) for _, said in endpoints):
                continue
            lost = next((e for e, said in endpoints if not _taken(said, matches)), None)
            if lost is None:
                continue  # another match takes them all, as it is meant to
            asked = ", ".join(f"{k}: {v}" for k, v in sorted(wanted.items()))
            yield CHECK.finding(
                cluster.ref.at("transport_socket_matches", i, "match"),
                f"no endpoint of cluster `{cluster.name}` has the metadata `{asked}` that transport_socket_matches "
                f"`{name}` asks for: endpoint {lost.address} falls to {spare}, not to its TLS",
                related=(Related(lost.ref, "an endpoint without the metadata"),),
                origin=origin_of(cluster.msg),
            )


def _matches(cluster: Node) -> Iterator[Match]:
    """Read the matches as they stand: decoded, with their TLS contexts, they are most of a mesh's memory."""
    for _, entry in elements(cluster, "transport_socket_matches"):
        config = get(get(entry, "transport_socket") or {}, "typed_config")
        yield text(entry, "name"), plain(get(entry, "match")) or {}, text(config or {}, "@type")


def _metadata(msg: Msg) -> dict[str, object]:
    fields = msg.metadata.filter_metadata
    found: dict[str, object] = to_python(fields[KEY]) if KEY in fields else {}
    return found


def _meets(said: dict[str, object], wanted: dict[str, object]) -> bool:
    return all(said.get(key) == value for key, value in wanted.items())


def _taken(said: dict[str, object], matches: list[Match]) -> bool:
    return any(_meets(said, wanted) for _, wanted, _ in matches)


CHECK = Check(
    code="ESM429",
    name="transport-socket-match-unmet",
    severity="warning",
    title="Transport socket match that no endpoint meets",
    fix="give the endpoints the metadata that the match asks for, or correct the match's criteria",
    find=find,
)
