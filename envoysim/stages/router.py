"""The router: from a matched route to the answer (``Filter::decodeHeaders`` in ``source/common/router/router.cc``).

This module holds the way in, in Envoy's order; ``attempts`` plays the attempts themselves. ``forward`` is a
story in virtual time: everything that can happen next has a due time, and the story sleeps until the earliest.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ..model.reply import Aborted, LocalReply
from .attempts import NEVER, Attempts, End
from .circuit_breakers import UNLIMITED, resource_manager
from .cluster_specifier import HeaderCluster, NamedCluster
from .connect_udp import UPGRADE as UDP_UPGRADE
from .exchange import Exchange
from .load_balancer import Host
from .mirror import send_mirrors
from .retry import NO_RETRY, parse_uint
from .retry_state import make_retry_state
from .route import DirectResponse, Forward, Redirect
from .route_action import choose_cluster, direct_reply, finalize_request, redirect_reply
from .route_configuration import ROUTES_UNKNOWN
from .timeouts import StreamTimers, Timeouts, final_timeouts, is_grpc, stream_deadline_ms, stream_idle_ms
from .upstream_script import Script
from .upstream_tls import NO_OPTIONS, TransportOptions

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .cluster import Cluster
    from .cluster_specifier import ClusterChoice
    from .http_filters.router import RouterFilter
    from .stream import Story, Stream

NO_ROUTE: Final = LocalReply(404, "route_not_found", "", ("NR",))
CONNECTION_BUFFER: Final = 1 << 20
ATTEMPT_HEADERS: Final = frozenset({"x-envoy-upstream-stream-duration-ms", "x-envoy-upstream-rq-timeout-alt-response"})
SCRIPT: Final = "upstream_script"
POOLS_NOTE: Final = "max_connection_pools {} is not applied: a host whose pool would be one more is 503 UH in Envoy"
"""``Stream.facts`` key: the request's script goes on over internal redirects."""


def forward(stream: Stream, config: RouterFilter) -> Story[End]:
    """Answer the request as its route says."""
    route = stream.route
    if route is None:
        unknown = stream.facts.get(ROUTES_UNKNOWN)
        if unknown is not None:
            return Aborted("unknown", details=str(unknown))
        stream.telling.step("route action", None, "no route: 404 `route_not_found`")
        return NO_ROUTE
    action = route.action
    if isinstance(action, Redirect):
        return redirect_reply(stream, action, envoy_headers=not config.suppress_envoy_headers)
    if isinstance(action, DirectResponse):
        return direct_reply(stream, action)
    begun = _begin(stream, action, config)
    if isinstance(begun, (LocalReply, Aborted)):
        return begun
    return (yield from play_attempts(begun))


def play_attempts(begun: Attempts) -> Story[End]:
    """Let happen what happens to the attempts, until one answers or nothing is left."""
    stream = begun.stream
    state = stream.state
    leaves_ms = stream.start_ms + stream.world.patience_ms
    end = begun.handle(state.now_ms)
    while end is None:
        due = begun.next_ms()
        if due >= leaves_ms:
            if leaves_ms != NEVER:
                yield max(leaves_ms, state.now_ms)
            return begun.client_left()
        if due > state.now_ms:
            yield due
            stream.telling.now_ms = state.now_ms
        end = begun.handle(state.now_ms)
    return end


def _begin(stream: Stream, action: Forward, config: RouterFilter) -> Attempts | LocalReply | Aborted:
    """Send the first attempt, or answer where the request ends before it."""
    attempts = prepare_attempts(stream, action, config)
    if not isinstance(attempts, Attempts):
        return attempts
    host = attempts.exchange.choose_host(None)
    if not isinstance(host, Host):
        return attempts.no_host(host)
    send_first(attempts, config, host)
    return attempts


def prepare_attempts(stream: Stream, action: Forward, config: RouterFilter) -> Attempts | LocalReply | Aborted:
    """Do everything up to the choice of a host, or answer where the request ends before it."""
    choice = choose_cluster(stream, action)
    cluster = stream.proxy.cluster(choice.name) if choice.name else None
    if choice.unknown:
        return Aborted("unknown", details=choice.unknown)
    if action.connect_config is not None and (stream.headers.get("upgrade") or "").lower() == UDP_UPGRADE:
        return Aborted("unknown", details="what CONNECT-UDP gets where `connect_config` ends it")
    if cluster is None:
        at, words = _named_at(action, choice)
        stream.telling.step("cluster", at, "no cluster `{}`" + words, choice.name)
        return LocalReply(action.cluster_not_found_status, "cluster_not_found", "", ("NC",))
    stream.cluster = cluster.name
    stream.telling.step("cluster", cluster.ref, "cluster `{}`", cluster.name)
    refusal = _refuse_early(stream, config, cluster)
    if refusal is not None:
        return refusal
    headers, policy = stream.headers, action.retry_policy or NO_RETRY
    grpc = is_grpc(headers.get("content-type"))
    deadline_ms = stream_deadline_ms(stream, action, grpc=grpc)
    timeouts = final_timeouts(
        action,
        policy,
        headers,
        grpc=grpc,
        respect_expected=config.respect_expected_rq_timeout,
        envoy_headers=not config.suppress_envoy_headers,
    )
    if action.include_request_attempt_count:
        headers.set("x-envoy-attempt-count", "1")
    finalize_request(stream, action, cluster.name, envoy_headers=not config.suppress_envoy_headers)
    exchange = _exchange(stream, action, config, cluster, timeouts, choice.metadata_match, grpc=grpc)
    idle_ms = stream_idle_ms(stream, action)
    timers = StreamTimers(deadline_ms, idle_ms, stream.state.now_ms + idle_ms, exchange.complete)
    return Attempts(exchange, timers)


def _named_at(action: Forward, choice: ClusterChoice) -> tuple[Ref, str]:
    """Return the field that names the cluster, and words for it where the request fills it."""
    specifier, entry = action.cluster_specifier, choice.entry
    if entry is not None:
        return entry.ref.at("cluster_header" if entry.cluster_header else "name"), ""
    if isinstance(specifier, HeaderCluster):
        return action.ref.at("cluster_header"), f", which header `{specifier.header}` names"
    return action.ref.at("cluster") if isinstance(specifier, NamedCluster) else action.ref, ""


def send_first(attempts: Attempts, config: RouterFilter, host: Host) -> None:
    """Send the first attempt to ``host``, and the shadow requests (``continueDecodeHeaders``)."""
    stream, action, cluster = attempts.stream, attempts.forward, attempts.cluster
    headers = stream.headers
    _take_router_headers(stream, attempts.timeouts)
    policy = cluster.retry_policy or action.retry_policy or NO_RETRY
    attempts.retry = make_retry_state(policy, headers)
    for text in policy.notes:
        stream.telling.note(policy.ref, text)
    limits = attempts.exchange.resources.limits
    if limits.max_connection_pools < UNLIMITED:
        stream.telling.note(limits.ref, POOLS_NOTE.format(limits.max_connection_pools))
    for name in config.upstream_http_filters:
        stream.telling.note(config.ref, f"upstream HTTP filter `{name}` is not modelled")
    if len(stream.body) > min(action.request_body_buffer_limit, CONNECTION_BUFFER):
        attempts.give_up_buffering()
    mirrors = cluster.mirrors or action.mirrors
    copied = headers.copy() if mirrors and headers.get(":method") != "CONNECT" else None
    attempts.start(host)
    if copied is not None and not attempts.overflowed:  # an answer that is there already is not mirrored
        send_mirrors(stream, mirrors, copied)


def _refuse_early(stream: Stream, config: RouterFilter, cluster: Cluster) -> LocalReply | None:
    """Strict header checks, maintenance mode, overload drops - in this order."""
    if config.strict_check_headers:
        bad = config.first_invalid_header(stream.headers)
        if bad is not None:
            name, value = bad
            body = f"invalid header '{name}' with value '{value}'"
            at = config.ref.at("strict_check_headers")
            stream.telling.step("route action", at, "strict_check_headers refuses `{}`: `{}`", name, value)
            return LocalReply(400, f"request_headers_failed_strict_check{{{name}}}", body, ("IH",))
    stream.headers.remove("x-envoy-upstream-alt-stat-name")
    if stream.proxy.runtime.enabled_percent(cluster.maintenance_key, 0, stream.world):
        stream.telling.count(f"cluster.{cluster.name}.upstream_rq_maintenance_mode")
        words = "maintenance mode: runtime `{}` is on"
        stream.telling.step("cluster", cluster.ref, words, cluster.maintenance_key)
        headers = () if config.suppress_envoy_headers else (("x-envoy-overloaded", "true"),)
        return LocalReply(503, "maintenance_mode", "maintenance mode", ("UO",), headers)
    return _drop_overload(stream, config, cluster, cluster.drop_overload) if cluster.drop_overload else None


def _drop_overload(stream: Stream, config: RouterFilter, cluster: Cluster, ratio: float) -> LocalReply | None:
    def reply(words: str, flag: str) -> LocalReply:
        at = (cluster.endpoints.ref or cluster.ref).at("policy", "drop_overloads")
        stream.telling.step("cluster", at, "{}: drop_overloads drop {:g} % of the requests", words, ratio * 100)
        name = "x-envoy-" + words.replace(" ", "-")
        headers = () if config.suppress_envoy_headers else ((name, "true"),)
        return LocalReply(503, words.replace(" ", "_"), words, (flag,), headers)

    if ratio >= 1.0:
        return reply("unconditional drop overload", "UDO")
    if stream.world.chance.fraction(round(ratio * 1_000_000), 1_000_000, "drop_overload"):
        return reply("drop overload", "DO")
    return None


def _take_router_headers(stream: Stream, timeouts: Timeouts) -> None:
    """Honour and remove what is left of the x-envoy-* request headers (``continueDecodeHeaders``)."""
    headers = stream.headers
    if not headers.has_any(ATTEMPT_HEADERS):
        return
    duration = headers.get("x-envoy-upstream-stream-duration-ms")
    if duration is not None:
        timeouts.max_stream_duration_ms = parse_uint(duration)
        headers.remove("x-envoy-upstream-stream-duration-ms")
    if headers.remove("x-envoy-upstream-rq-timeout-alt-response"):
        timeouts.response_code = 204


def _exchange(
    stream: Stream,
    action: Forward,
    config: RouterFilter,
    cluster: Cluster,
    timeouts: Timeouts,
    metadata_match: dict[str, object] | None,
    *,
    grpc: bool,
) -> Exchange:
    script = stream.facts.get(SCRIPT)
    if not isinstance(script, Script):
        script = stream.facts[SCRIPT] = Script(stream.request, stream.world, stream.state)
    connect, method = action.connect_config, stream.headers.get(":method")
    return Exchange(
        stream,
        cluster,
        action,
        resource_manager(stream.state, cluster.name, cluster.circuit_breakers, action.priority),
        script,
        timeouts,
        metadata_match,
        tls_options(stream, cluster) if cluster.auto_sni or cluster.auto_san_validation else NO_OPTIONS,
        grpc,
        connect is not None and (method == "CONNECT" or (connect.allow_post and method == "POST")),
        not stream.upgrade,
        not config.suppress_envoy_headers,
    )


def _host_of(authority: str) -> str:
    """Return the host of an authority, without port and brackets."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    name, _, port = authority.rpartition(":")
    return name if name and port.isdigit() else authority


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def tls_options(stream: Stream, cluster: Cluster) -> TransportOptions:
    """Take SNI and expected names from the request (``auto_sni``, ``auto_san_validation``)."""
    value = stream.headers.get(":authority") or ""
    if cluster.override_auto_sni_header:
        value = stream.headers.get(cluster.override_auto_sni_header) or value
    host = _host_of(value)
    return TransportOptions(
        host if cluster.auto_sni and not _is_ip(host) else "",
        (host,) if cluster.auto_san_validation else (),
    )
