"""Fault injection (``source/extensions/filters/http/fault/fault_filter.cc``, ``filters/common/fault/fault_config.cc``).

A delay comes first and may be followed by an abort; each is drawn for itself. A route's configuration replaces the
filter's as a whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.fraction import Fraction, compile_fraction
from ...match.header_matcher import HeaderMatcher, compile_header_matchers, parse_uint64
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg, duration_ms, to_python
from ..route import Forward
from ..route_action import routed_cluster
from ..timeouts import NEVER, STREAM_IDLE, stream_idle_ms
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Story, Stream

TYPE: Final = "envoy.extensions.filters.http.fault.v3.HTTPFault"
UNLIMITED: Final = (1 << 64) - 1
PREFIX: Final = "x-envoy-fault-"


@dataclass(frozen=True, slots=True)
class Part:
    """What delay, abort and rate limit have in common: a share, lowered by a header, replaced by a runtime key.

    ``value`` is what is configured; ``headers`` name the request headers that say it instead, where configured so.
    """

    ref: Ref
    share: Fraction
    runtime_key: str
    cluster_key: str
    percentage_header: str | None
    value: int | None
    value_header: str | None

    def given(self, headers: HeaderMap) -> int | None:
        """Return the configured number, or the one in the header."""
        if self.value_header is None:
            return self.value
        text = headers.get(self.value_header)
        return parse_uint64(text) if text is not None else None

    def drawn(self, stream: Stream, what: str) -> bool:
        """Tell whether this request gets it."""
        share = self.share
        if self.percentage_header is not None:
            text = stream.headers.get(self.percentage_header)
            lowered = parse_uint64(text) if text is not None else None
            if lowered is not None and lowered < 1 << 32:
                share = Fraction(min(lowered, share.numerator), share.denominator)
        key = _for_cluster(stream, self.cluster_key) or self.runtime_key
        numerator, denominator = stream.proxy.runtime.fraction(key, share)
        if numerator <= 0:
            return False
        return numerator >= denominator or stream.world.chance.fraction(numerator, denominator, what)


@dataclass(frozen=True, slots=True)
class Abort(Part):
    """``abort``: an HTTP status, else a gRPC status (``grpc_value``, or its header)."""

    grpc_value: int | None = None
    grpc_header: str | None = None
    grpc_runtime_key: str = ""


@dataclass(slots=True)
class ActiveFaults:
    """The gauge ``fault.active_faults`` of one connection manager."""

    count: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Fault(DecoderOnly):
    """A compiled ``HTTPFault``: the filter's own, or a route's."""

    ref: Ref
    upstream_cluster: str
    headers: tuple[HeaderMatcher, ...]
    downstream_nodes: frozenset[str]
    max_active_faults: int
    max_active_faults_key: str
    delay: Part | None
    delay_key: str
    abort: Abort | None
    abort_key: str
    rate_limit: Part | None
    metadata: dict[str, object]
    cluster_stats: bool
    name: str = ""
    """As configured: the namespace of what is written into dynamic metadata."""

    def with_name(self, name: str) -> Fault:
        """Return the filter that knows its name."""
        return replace(self, name=name)

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Delay, abort, or let pass."""
        fault = overrides[-1] if overrides else self
        assert isinstance(fault, Fault)
        if fault.abort is fault.delay is fault.rate_limit is None and not fault._is_limited:
            return None  # a mesh has the filter everywhere, for routes with faults of their own
        if not fault._concerns(stream):
            return None
        fault._note_rate_limit(stream)
        delay_ms = fault._delay_ms(stream)
        if delay_ms and fault._start(stream):
            return fault._hold(stream, delay_ms, self.name)
        reply = fault._abort(stream)
        if reply is None or not fault._start(stream):
            return None
        fault._end(stream)
        return fault._aborted(stream, reply, self.name)

    @property
    def _is_limited(self) -> bool:
        return bool(self.upstream_cluster or self.headers or self.downstream_nodes)

    def _concerns(self, stream: Stream) -> bool:
        telling = stream.telling
        if self.upstream_cluster:
            cluster = routed_cluster(stream)
            if cluster != self.upstream_cluster:
                telling.step(
                    "http filter", self.ref, "no fault: only for cluster `{}`, not `{}`", self.upstream_cluster, cluster
                )
                return False
        if self.downstream_nodes:
            node = stream.headers.get("x-envoy-downstream-service-node")
            if node not in self.downstream_nodes:
                telling.step("http filter", self.ref, "no fault: downstream node `{}` is not listed", node)
                return False
        for matcher in self.headers:
            if not matcher.matches(stream.headers):
                reason = matcher.explain(stream.headers) if telling.explain else f"header `{matcher.name}` differs"
                telling.step("http filter", self.ref, "no fault: {}", reason)
                return False
        return True

    def _delay_ms(self, stream: Stream) -> int:
        delay = self.delay
        if delay is None:
            return 0
        wanted = delay.given(stream.headers)
        if wanted is None or not delay.drawn(stream, f"delay of {delay.ref}"):
            return 0
        runtime = stream.proxy.runtime
        wanted = runtime.integer(self.delay_key, wanted)
        return runtime.integer(_for_cluster(stream, "fault.http.{}.delay.fixed_duration_ms"), wanted)

    def _hold(self, stream: Stream, delay_ms: int, name: str) -> Story[LocalReply | None]:
        """Let time pass, then abort or go on."""
        prefix = f"http.{stream.hcm.stat_prefix}.fault."
        stream.flag("DI")
        stream.metadata[name] = dict(self.metadata)
        stream.telling.count(prefix + "delays_injected")
        self._count_cluster(stream, prefix, "delays_injected")
        assert self.delay is not None
        stream.telling.step("http filter", self.delay.ref, "delayed by {} ms (DI)", delay_ms)
        idle_ms = _idle_ms(stream)
        yield stream.state.now_ms + min(delay_ms, idle_ms)
        stream.telling.now_ms = stream.state.now_ms
        self._end(stream)
        if idle_ms < delay_ms:
            stream.telling.step("timeouts", self.delay.ref, "the stream was idle for {} ms: 504", idle_ms)
            return STREAM_IDLE
        reply = self._abort(stream)
        return None if reply is None else self._aborted(stream, reply, name)

    def _abort(self, stream: Stream) -> LocalReply | None:
        abort = self.abort
        if abort is None:
            return None
        status, grpc_status = self._abort_status(stream, abort)
        if status is None or not abort.drawn(stream, f"abort of {abort.ref}"):
            return None
        return LocalReply(status, "fault_filter_abort", "fault filter abort", ("FI",), grpc_status=grpc_status)

    def _abort_status(self, stream: Stream, abort: Abort) -> tuple[int | None, int | None]:
        """Return HTTP and gRPC status; an HTTP status makes the gRPC one count for nothing."""
        headers, runtime = stream.headers, stream.proxy.runtime
        status = abort.given(headers)
        if status is not None and (abort.value_header is None or 200 <= status < 600):
            key = _for_cluster(stream, "fault.http.{}.abort.http_status")
            return runtime.integer(key or self.abort_key, status), None
        grpc_status = abort.grpc_value
        if abort.grpc_header is not None:
            text = headers.get(abort.grpc_header)
            grpc_status = parse_uint64(text) if text is not None else None
        if grpc_status is None:
            return None, None
        key = _for_cluster(stream, "fault.http.{}.abort.grpc_status")
        return 200, runtime.integer(key or abort.grpc_runtime_key, grpc_status)

    def _aborted(self, stream: Stream, reply: LocalReply, name: str) -> LocalReply:
        prefix = f"http.{stream.hcm.stat_prefix}.fault."
        stream.telling.count(prefix + "aborts_injected")
        self._count_cluster(stream, prefix, "aborts_injected")
        stream.metadata[name] = dict(self.metadata)
        assert self.abort is not None
        stream.telling.step("http filter", self.abort.ref, "aborted: {} `fault_filter_abort` (FI)", reply.status)
        return reply

    def _note_rate_limit(self, stream: Stream) -> None:
        limit = self.rate_limit
        if limit is None:
            return
        rate = limit.given(stream.headers)
        if not rate or not limit.drawn(stream, f"response rate limit of {limit.ref}"):
            return
        stream.telling.count(f"http.{stream.hcm.stat_prefix}.fault.response_rl_injected")
        stream.telling.note(limit.ref, f"the response is slowed to {rate} KiB/s: its duration is not modelled")

    def _start(self, stream: Stream) -> bool:
        """Count an active fault, unless there are too many."""
        active = stream.state.slot(("fault", stream.hcm.stat_prefix), ActiveFaults)
        limit = stream.proxy.runtime.integer(self.max_active_faults_key, self.max_active_faults)
        if active.count >= limit:
            stream.telling.count(f"http.{stream.hcm.stat_prefix}.fault.faults_overflow")
            stream.telling.step("http filter", self.ref, "no fault: {} of at most {} are active", active.count, limit)
            return False
        active.count += 1
        return True

    def _end(self, stream: Stream) -> None:
        stream.state.slot(("fault", stream.hcm.stat_prefix), ActiveFaults).count -= 1

    def _count_cluster(self, stream: Stream, prefix: str, counter: str) -> None:
        cluster = stream.headers.get("x-envoy-downstream-service-cluster")
        if cluster and self.cluster_stats:
            stream.telling.count(f"{prefix}{cluster}.{counter}")


def _idle_ms(stream: Stream) -> float:
    """Return how long the stream may be idle while the filter holds it."""
    route = stream.route
    if route is not None and isinstance(route.action, Forward):
        return stream_idle_ms(stream, route.action)
    return stream.hcm.stream_idle_timeout_ms or NEVER


def _for_cluster(stream: Stream, key: str) -> str:
    """Return the runtime key of the calling cluster; "" where the request does not name one."""
    cluster = stream.headers.get("x-envoy-downstream-service-cluster")
    return "" if cluster is None or not key else key.format(cluster)


def compile_fault(msg: Msg, ref: Ref, proxy: Proxy) -> Fault:
    """Compile ``envoy.extensions.filters.http.fault.v3.HTTPFault``."""
    return Fault(
        ref,
        msg.upstream_cluster,
        compile_header_matchers(msg.headers, ref.at("headers")),
        frozenset(msg.downstream_nodes),
        msg.max_active_faults.value if msg.HasField("max_active_faults") else UNLIMITED,
        msg.max_active_faults_runtime or "fault.http.max_active_faults",
        _compile_delay(msg, ref.at("delay")) if msg.HasField("delay") else None,
        msg.delay_duration_runtime or "fault.http.delay.fixed_duration_ms",
        _compile_abort(msg, ref.at("abort")) if msg.HasField("abort") else None,
        msg.abort_http_status_runtime or "fault.http.abort.http_status",
        _compile_rate_limit(msg, ref.at("response_rate_limit")) if msg.HasField("response_rate_limit") else None,
        to_python(msg.filter_metadata),
        not msg.disable_downstream_cluster_stats,
    )


def _compile_delay(msg: Msg, ref: Ref) -> Part:
    delay = msg.delay
    by_header = delay.WhichOneof("fault_delay_secifier") == "header_delay"
    return Part(
        ref,
        compile_fraction(delay.percentage),
        msg.delay_percent_runtime or "fault.http.delay.fixed_delay_percent",
        "fault.http.{}.delay.fixed_delay_percent",
        PREFIX + "delay-request-percentage" if by_header else None,
        int(duration_ms(delay.fixed_delay)),
        PREFIX + "delay-request" if by_header else None,
    )


def _compile_abort(msg: Msg, ref: Ref) -> Abort:
    abort = msg.abort
    kind = abort.WhichOneof("error_type")
    by_header = kind == "header_abort"
    return Abort(
        ref,
        compile_fraction(abort.percentage),
        msg.abort_percent_runtime or "fault.http.abort.abort_percent",
        "fault.http.{}.abort.abort_percent",
        PREFIX + "abort-request-percentage" if by_header else None,
        abort.http_status if kind == "http_status" else None,
        PREFIX + "abort-request" if by_header else None,
        abort.grpc_status if kind == "grpc_status" else None,
        PREFIX + "abort-grpc-request" if by_header else None,
        msg.abort_grpc_status_runtime or "fault.http.abort.grpc_status",
    )


def _compile_rate_limit(msg: Msg, ref: Ref) -> Part:
    limit = msg.response_rate_limit
    by_header = limit.WhichOneof("limit_type") == "header_limit"
    return Part(
        ref,
        compile_fraction(limit.percentage),
        msg.response_rate_limit_percent_runtime or "fault.http.rate_limit.response_percent",
        "",
        PREFIX + "throughput-response-percentage" if by_header else None,
        limit.fixed_limit.limit_kbps,
        PREFIX + "throughput-response" if by_header else None,
    )


MODULE: Final = FilterModule(TYPE, compile_fault, (TYPE,), compile_fault)
