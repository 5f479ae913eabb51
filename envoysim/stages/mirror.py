"""Mirrors: copies of a request sent elsewhere, whose answers nobody sees (``shadow_writer_impl.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.outcome import Attempt
from ..model.ref import Ref
from ..schema import Msg
from .load_balancer import Host, LbContext, choose_host
from .runtime import RuntimeFraction, compile_runtime_fraction
from .upstream_connect import upstream_protocol
from .upstream_request import NOT_LISTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.headers import HeaderMap
    from .stream import Stream


@dataclass(frozen=True, slots=True)
class MirrorPolicy:
    """A compiled ``RequestMirrorPolicy``; the cluster is named, or named by a request header."""

    ref: Ref
    cluster: str
    cluster_header: str
    fraction: RuntimeFraction | None
    keep_host: bool
    has_mutations: bool
    host_rewrite: str


def compile_mirror_policies(msgs: Sequence[Msg], ref: Ref) -> tuple[MirrorPolicy, ...]:
    """Compile ``request_mirror_policies``; ``ref`` points to the list."""
    return tuple(_compile(m, ref.at(i)) for i, m in enumerate(msgs))


def _compile(msg: Msg, ref: Ref) -> MirrorPolicy:
    return MirrorPolicy(
        ref,
        msg.cluster,
        msg.cluster_header.lower(),
        compile_runtime_fraction(msg.runtime_fraction, ref.at("runtime_fraction"))
        if msg.HasField("runtime_fraction")
        else None,
        msg.disable_shadow_host_suffix_append,
        bool(getattr(msg, "request_headers_mutations", ())),
        getattr(msg, "host_rewrite_literal", ""),
    )


def send_mirrors(stream: Stream, policies: Sequence[MirrorPolicy], headers: HeaderMap) -> None:
    """Send a copy to the cluster of every policy whose fraction draws the request; ``headers`` are as sent upstream."""
    for policy in policies:
        if policy.fraction is None or policy.fraction.enabled(stream.proxy.runtime, stream.world, "mirror", "stream"):
            _send(stream, policy, headers.copy())


def _send(stream: Stream, policy: MirrorPolicy, headers: HeaderMap) -> None:
    name = policy.cluster or headers.get(policy.cluster_header) or ""
    cluster = stream.proxy.cluster(name) if name else None
    telling = stream.telling
    if cluster is None:
        telling.step("mirror", policy.ref, "no cluster `{}`: not mirrored", name)
        return
    if policy.has_mutations:
        telling.note(policy.ref, "request_headers_mutations of a mirror are not modelled")
    if policy.host_rewrite:
        headers.set(":authority", policy.host_rewrite)
    if not policy.keep_host:
        headers.set(":authority", shadow_host(headers.get(":authority") or ""))
    chosen = choose_host(cluster, LbContext(stream=stream, mirror=True), stream.world, stream.state, telling)
    if not isinstance(chosen, Host):
        telling.step("mirror", policy.ref, "cluster `{}` has no healthy host: not mirrored", name)
        return
    protocol = upstream_protocol(cluster, stream.protocol)
    stream.mirrors.append(
        Attempt(
            name,
            chosen.endpoint,
            stream.state.now_ms,
            "HTTP/1.1" if protocol == "auto" else protocol,
            headers.get(":method"),
            headers.get(":scheme"),
            headers.get(":path"),
            headers.get(":authority"),
            tuple(p for p in headers.items if p[0][0] != ":" and p[0] not in NOT_LISTED),
            "mirrored",
        )
    )
    telling.step("mirror", policy.ref, "mirrored to cluster `{}`, {}", name, chosen.endpoint)


def shadow_host(host: str) -> str:
    """Add ``-shadow`` before the port (``shadowAppendedHost``)."""
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit() and not name.endswith(":") and ("[" not in host or name.endswith("]")):
        return f"{name}-shadow:{port}"
    return f"{host}-shadow"
