"""What a trace says where an attempt or a timer ends: the setting that decided, and its value.

Called where something has gone wrong, never on the way of a request that is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .circuit_breakers import limit_ref
from .timeouts import is_legacy_grpc, route_timeout_ms
from .upstream_connect import REFUSED

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .attempts import Attempts
    from .cluster import Cluster
    from .exchange import Reset
    from .upstream_request import UpstreamRequest
    from .upstream_tls import TransportSocket

HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
UNREADABLE: Final = "it hangs up (one that answers in plaintext: WRONG_VERSION_NUMBER)"
REQUIRED: Final = {
    "SAN matcher": "match_typed_subject_alt_names",
    "X509_verify_cert": "trusted_ca",
}
"""Words of a failed verification, and the field of the validation context they are about."""
PREFIX: Final = "attempt {} to {}: {}"


def tell_reset(attempts: Attempts, request: UpstreamRequest, reset: Reset) -> None:
    """Say why an attempt was reset, and where that is decided."""
    ref, template, more = _reset_words(attempts, request, reset)
    stage = "circuit breakers" if reset.reason == "overflow" else "upstream request"
    attempts.stream.telling.step(
        stage, ref, PREFIX + template, request.number, request.host.endpoint, reset.reason, *more
    )


def _reset_words(attempts: Attempts, request: UpstreamRequest, reset: Reset) -> tuple[Ref, str, tuple[object, ...]]:
    cluster, host = request.cluster, request.host
    if reset.reason == "overflow":
        return _overflow_words(attempts, request)
    if reset.reason == "connection timeout":
        words = ": not connected within connect_timeout, {} ms (5000 by default)"
        return cluster.ref.at("connect_timeout"), words, (round(cluster.connect_timeout_ms),)
    if reset.transport_failure.startswith(REFUSED):
        return host.ref.at("endpoint", "address", "socket_address"), ": {}", (reset.transport_failure,)
    socket = cluster.transport_sockets.resolve(host)
    speaks = attempts.exchange.script.nature(host.endpoint, cluster.name)
    if socket.tls and speaks.tls is False:
        words = ": the transport_socket speaks TLS, the endpoint plaintext: {}"
        return socket.ref, words, (reset.transport_failure or UNREADABLE,)
    if speaks.tls and not socket.tls:
        words = ": the endpoint speaks TLS, and the cluster sends plaintext, without a transport_socket for TLS"
        return cluster.ref.at("transport_socket"), words, ()
    if speaks.protocol is not None and speaks.protocol != request.protocol != "TCP":
        words = ": the endpoint speaks {}, and the cluster is set to {}"
        return cluster.ref.at("typed_extension_protocol_options"), words, (speaks.protocol, request.protocol)
    if reset.transport_failure:
        return _verification_ref(cluster, socket, reset.transport_failure), ": {}", (reset.transport_failure,)
    return cluster.ref, "", ()


def _verification_ref(cluster: Cluster, socket: TransportSocket, failure: str) -> Ref:
    """Return the field an endpoint's certificate did not satisfy."""
    for part, name in REQUIRED.items():
        if part in failure and socket.validation_ref is not None:
            return socket.validation_ref.at(name)
    if cluster.auto_san_validation:
        options = cluster.ref.at("typed_extension_protocol_options", HTTP_OPTIONS)
        return options.at("upstream_http_protocol_options", "auto_san_validation")
    return socket.ref


def _overflow_words(attempts: Attempts, request: UpstreamRequest) -> tuple[Ref, str, tuple[object, ...]]:
    """Name the breaker that was full; what waits for a connection waits because of another."""
    resources, cluster = attempts.exchange.resources, request.cluster.ref
    limits = resources.limits
    if not request.no_host:
        words = ": {} requests are active, as many as max_requests allows (1024 by default)"
        return limit_ref(limits, cluster, "max_requests"), words, (limits.max_requests,)
    at = limit_ref(limits, cluster, "max_pending_requests")
    if resources.connections >= limits.max_connections:
        words = ": max_connections {} are busy, and max_pending_requests {} wait (1024 by default)"
        return at, words, (limits.max_connections, limits.max_pending_requests)
    words = ": {} requests wait for a connection, as many as max_pending_requests allows (1024 by default)"
    return at, words, (limits.max_pending_requests,)


def tell_global_timeout(attempts: Attempts) -> None:
    """Say that the whole request's time is over: the route's timeout, its gRPC's, the default, or the request's own."""
    forward, limit = attempts.forward, attempts.timeouts.global_ms
    telling = attempts.stream.telling
    policy = forward.retry_policy
    if policy is not None and policy.ref is not None and policy.per_try_timeout_ms >= limit:
        words = "per_try_timeout {} ms is not below the timeout of {} ms: it never ends a try"
        telling.step("timeouts", policy.ref.at("per_try_timeout"), words, policy.per_try_timeout_ms, limit)
    if is_legacy_grpc(forward, grpc=attempts.exchange.grpc):
        telling.step("timeouts", forward.ref.at("max_grpc_timeout"), "the gRPC timeout of {} ms is over", limit)
    elif forward.using_new_timeouts or route_timeout_ms(forward) != limit:
        telling.step("timeouts", forward.ref, "the timeout of {} ms that the request's headers set is over", limit)
    elif forward.timeout_ms is None:
        words = "the timeout of {} ms is over: the default, the route sets none"
        telling.step("timeouts", forward.ref.at("timeout"), words, limit)
    else:
        telling.step("timeouts", forward.ref.at("timeout"), "the timeout of {} ms is over", limit)


def per_try_ref(attempts: Attempts, name: str) -> Ref:
    """Return where the time of one try is set; the request's own headers may have set it."""
    policy = attempts.forward.retry_policy
    return attempts.forward.ref if policy is None or policy.ref is None else policy.ref.at(name)


def tell_max_duration(attempts: Attempts, request: UpstreamRequest) -> None:
    """Say that an attempt has lasted as long as it may: by the cluster's options, or the request's own header."""
    asked, cluster = attempts.timeouts.max_stream_duration_ms, request.cluster
    telling = attempts.stream.telling
    if asked is not None:
        words = "attempt {}: x-envoy-upstream-stream-duration-ms, {} ms, is over"
        telling.step("timeouts", None, words, request.number, asked)
        return
    words = "attempt {}: the cluster's max_stream_duration of {} ms is over"
    telling.step("timeouts", cluster.max_stream_duration_ref, words, request.number, cluster.max_stream_duration_ms)
