"""What a trace blames: the field that decided how a request ended, whether it is there or its default counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from envoysim.model.behaviour import Behaviour, Upstream
from envoysim.model.request import Connection, Request
from envoysim.model.trace import Step, Trace
from envoysim.model.world import World
from envoysim.simulate import simulate

from .test_router import A, B, Json, cluster, do, endpoint, proxy

COMMON = "typed_config/common_http_protocol_options"
HTTP1 = "typed_config/http_protocol_options"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
FILTERS = "type.googleapis.com/envoy.extensions.filters.http."
SLOW = do("reply", delay_ms=20_000.0)

Protocol = Literal["HTTP/1.1", "HTTP/1.0", "HTTP/2", "HTTP/3", "TCP"]


@dataclass(frozen=True)
class Case:
    """A proxy, a request, and the last step that has a place: the end of that place, and words of it."""

    name: str
    details: str
    ref: str
    words: str
    hcm: Json = field(default_factory=dict)
    route: Json = field(default_factory=dict)
    cluster: Json = field(default_factory=dict)
    request: Json = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    health: dict[str, str] = field(default_factory=dict)
    speaks: Protocol = "HTTP/1.1"
    losers: tuple[str, ...] = ()
    """What ``-v`` shows below it, in order: "end of the place: words"."""


def headers(*pairs: tuple[str, str]) -> Json:
    return {"headers": pairs}


def http_filter(kind: str, config: Json) -> Json:
    router = {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
    return {
        "http_filters": [
            {"name": kind, "typed_config": {"@type": FILTERS + kind, **config}},
            {"name": "router", "typed_config": router},
        ]
    }


def labelled(version: str) -> Json:
    return {"lb_endpoints": [{**endpoint(A), "metadata": {"filter_metadata": {"envoy.lb": {"version": version}}}}]}


def common(**fields: Any) -> Json:
    return {"common_http_protocol_options": fields}


def retry(**fields: Any) -> Json:
    return {"retry_policy": {"retry_on": "5xx", **fields}}


def thresholds(**fields: Any) -> Json:
    return {"circuit_breakers": {"thresholds": [fields]}}


EVERYWHERE = {
    "lb_subset_config": {"subset_selectors": [{"keys": ["version"]}, {"keys": ["zone"]}]},
    "load_assignment": {"cluster_name": "c", "endpoints": [labelled("v1")]},
}
WANTS_V2 = {"metadata_match": {"filter_metadata": {"envoy.lb": {"version": "v2"}}}}
WANTS_STAGE = {"metadata_match": {"filter_metadata": {"envoy.lb": {"stage": "x"}}}}
TLS_SOCKET = {"transport_socket": {"name": "tls", "typed_config": {"@type": TLS}}}
SANS = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "b.com"}}]}
CHECKED_TLS = {
    "transport_socket": {
        "name": "tls",
        "typed_config": {"@type": TLS, "common_tls_context": {"validation_context": SANS}},
    }
}
PLAIN = {"*": Upstream(tls=False, protocol="HTTP/1.1")}
NO_HOST = "no_healthy_upstream"
PATH = "path_normalization_failed"
EARLY = "upstream_reset_before_response_started"
WRONG_VERSION = "TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
OTHER_NAME = (
    "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify_cert_failed:_"
    "SAN_matcher,_certificate_SANs_are_[*.lab,_oracle.lab]:TLS_error_end"
)
CSRF = {"filter_enabled": {"default_value": {"numerator": 100}}}

CASES = [
    # ---- the codec
    Case(
        "headers too large",
        "http1.headers_too_large",
        "typed_config/max_request_headers_kb",
        "max_request_headers_kb 1 ",
        hcm={"max_request_headers_kb": 1},
        request=headers(("x", "y" * 2000)),
    ),
    Case(
        "headers too large by default",
        "http1.headers_too_large",
        "typed_config/max_request_headers_kb",
        "max_request_headers_kb 60 (60 by default)",
        request=headers(("x", "y" * 70_000)),
    ),
    Case(
        "too many headers",
        "http2.too_many_headers",
        f"{COMMON}/max_headers_count",
        "max_headers_count 100 (100 by default)",
        request=headers(*((f"x{i}", "") for i in range(120))),
        speaks="HTTP/2",
    ),
    Case(
        "an underscore",
        "http1.unexpected_underscore",
        f"{COMMON}/headers_with_underscores_action",
        "headers_with_underscores_action is REJECT_REQUEST",
        hcm=common(headers_with_underscores_action="REJECT_REQUEST"),
        request=headers(("x_y", "1")),
    ),
    Case("HTTP/1.0", "low_version", f"{HTTP1}/accept_http_10", "only with accept_http_10", speaks="HTTP/1.0"),
    Case(
        "an unknown method",
        "http1.codec_error",
        f"{HTTP1}/allow_custom_methods",
        "method `BREW`",
        request={"method": "BREW"},
    ),
    Case(
        "a websocket over HTTP/2",
        "http2.invalid.header.field",
        "typed_config/http2_protocol_options/allow_connect",
        "without allow_connect",
        hcm={"upgrade_configs": [{"upgrade_type": "websocket"}]},
        request={"method": "CONNECT", "path": "/ws", **headers((":protocol", "websocket"))},
        speaks="HTTP/2",
    ),
    Case(
        "HTTP/1.0 without host",
        "missing_host_header",
        f"{HTTP1}/default_host_for_http_10",
        "there is no default host",
        hcm={"http_protocol_options": {"accept_http_10": True}},
        request={"authority": None},
        speaks="HTTP/1.0",
    ),
    Case(
        "HTTP/1 to an HTTP/2 codec",
        "",
        "typed_config/codec_type",
        "codec_type HTTP2 refuses what the client sends: it speaks HTTP/1.1",
        hcm={"codec_type": "HTTP2"},
    ),
    # ---- the connection manager
    Case(
        "an escaped slash",
        PATH,
        "typed_config/path_with_escaped_slashes_action",
        "path_with_escaped_slashes_action is REJECT_REQUEST",
        hcm={"path_with_escaped_slashes_action": "REJECT_REQUEST"},
        request={"path": "/a%2Fb"},
    ),
    Case(
        "an escaped slash is redirected",
        PATH,
        "typed_config/path_with_escaped_slashes_action",
        "UNESCAPE_AND_REDIRECT",
        hcm={"path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"},
        request={"path": "/a%2Fb"},
    ),
    Case(
        "a path that cannot be normalized",
        PATH,
        "typed_config/normalize_path",
        "normalize_path",
        hcm={"normalize_path": True},
        request={"path": "/a%00b"},
    ),
    Case(
        "an upgrade nobody allows",
        "upgrade_failed",
        "typed_config/upgrade_configs",
        "not enabled in upgrade_configs of the connection manager",
        request=headers(("connection", "upgrade"), ("upgrade", "websocket")),
    ),
    Case(
        "an upgrade the route forbids",
        "upgrade_failed",
        "route/upgrade_configs",
        "not enabled in upgrade_configs of the route",
        hcm={"upgrade_configs": [{"upgrade_type": "websocket"}]},
        route={"upgrade_configs": [{"upgrade_type": "websocket", "enabled": False}]},
        request=headers(("connection", "upgrade"), ("upgrade", "websocket")),
    ),
    # ---- clusters and hosts
    Case("no cluster", "cluster_not_found", "route/cluster", "no cluster `nope`", route={"cluster": "nope"}),
    Case("no hosts", NO_HOST, "/load_assignment", "has no hosts", cluster={"load_assignment": {"cluster_name": "c"}}),
    Case(
        "no healthy host",
        NO_HOST,
        "common_lb_config/healthy_panic_threshold",
        "none of 1 hosts is healthy, and healthy_panic_threshold 0 turns panic mode off",
        cluster={"common_lb_config": {"healthy_panic_threshold": {"value": 0}}},
        health={A: "unhealthy"},
        losers=(f"/lb_endpoints/0: {A}: unhealthy (failed eds health), priority 0, weight 1",),
    ),
    Case(
        "no subset has the value",
        NO_HOST,
        "route/metadata_match",
        "subset version=v2: no such subset, and the fallback policy is NO_FALLBACK",
        route=WANTS_V2,
        cluster=EVERYWHERE,
        losers=(
            "/subset_selectors/1: the selector's keys are `zone`, the route's `version`",
            f"/lb_endpoints/0/metadata: {A}: `version` is `v1`, not `v2`",
            "/lb_subset_config/fallback_policy: fallback_policy is NO_FALLBACK (NO_FALLBACK by default)",
        ),
    ),
    Case(
        "no host has the key",
        NO_HOST,
        "route/metadata_match",
        "subset stage=x: no such subset",
        route=WANTS_STAGE,
        cluster=EVERYWHERE,
        losers=(
            "/subset_selectors/0: the selector's keys are `version`, the route's `stage`",
            "/subset_selectors/1: the selector's keys are `zone`, the route's `stage`",
            f"/lb_endpoints/0/metadata: {A}: no `stage` in its `envoy.lb` metadata",
            "/lb_subset_config/fallback_policy: fallback_policy is NO_FALLBACK (NO_FALLBACK by default)",
        ),
    ),
    Case(
        "a route without criteria",
        NO_HOST,
        "/lb_subset_config/fallback_policy",
        "the route has no metadata_match",
        cluster=EVERYWHERE,
    ),
    # ---- attempts
    Case(
        "TLS to plaintext",
        f"{EARLY}{{remote_connection_failure|{WRONG_VERSION}}}",
        "/transport_socket/typed_config",
        "the transport_socket speaks TLS, the endpoint plaintext: TLS_error",
        cluster=TLS_SOCKET,
        upstreams=PLAIN,
    ),
    Case(
        "a certificate of another name",
        f"{EARLY}{{remote_connection_failure|{OTHER_NAME}}}",
        "/typed_config/common_tls_context/validation_context/match_typed_subject_alt_names",
        "certificate SANs are [*.lab, oracle.lab]",
        cluster=CHECKED_TLS,
        upstreams={"*": Upstream(tls=True)},
    ),
    Case(
        "plaintext to TLS",
        f"{EARLY}{{connection_termination}}",
        "/transport_socket",
        "the endpoint speaks TLS, and the cluster sends plaintext",
        upstreams={"*": Upstream(tls=True)},
    ),
    Case(
        "the other HTTP",
        f"{EARLY}{{protocol_error}}",
        "/typed_extension_protocol_options",
        "the endpoint speaks HTTP/2, and the cluster is set to HTTP/1.1",
        upstreams={"*": Upstream(protocol="HTTP/2")},
    ),
    Case(
        "refused",
        f"{EARLY}{{remote_connection_failure|delayed_connect_error:_Connection_refused}}",
        "/lb_endpoints/0/endpoint/address/socket_address",
        "Connection refused",
        upstreams={"*": Upstream(behaviours=(do("refuse"),))},
    ),
    Case(
        "never connected",
        f"{EARLY}{{connection_timeout}}",
        "/connect_timeout",
        "not connected within connect_timeout, 5000 ms (5000 by default)",
        upstreams={"*": Upstream(behaviours=(do("connect_timeout"),))},
    ),
    Case(
        "the breaker of requests",
        f"{EARLY}{{overflow}}",
        "/circuit_breakers/thresholds/0/max_requests",
        "as many as max_requests allows",
        cluster=thresholds(max_requests=0),
    ),
    Case(
        "the breaker of waiting requests",
        f"{EARLY}{{overflow}}",
        "/circuit_breakers/thresholds/0/max_pending_requests",
        "as many as max_pending_requests allows",
        cluster=thresholds(max_pending_requests=0),
    ),
    Case(
        "the breaker of retries",
        "via_upstream",
        "/circuit_breakers/thresholds/0/max_retries",
        "no retry, only 0 at once (max_retries",
        route=retry(),
        cluster=thresholds(max_retries=0),
        request={"upstream": (do("reply", status=503),)},
    ),
    Case(
        "retries are spent",
        "via_upstream",
        "/retry_policy/num_retries",
        "none is left (num_retries",
        route=retry(),
        upstreams={"*": Upstream(behaviours=(do("reply", status=503),))},
    ),
    Case(
        "an answer nobody wants retried",
        "via_upstream",
        "/retry_policy/retry_on",
        "after 503: retry_on does not ask for a retry",
        route=retry(retry_on="connect-failure"),
        request={"upstream": (do("reply", status=503),)},
    ),
    Case(
        "one redirect too many",
        "via_upstream",
        "/internal_redirect_policy/max_internal_redirects",
        "max_internal_redirects 1 are made (1 by default)",
        route={"internal_redirect_policy": {}},
        request={"upstream": (do("reply", status=302, headers=(("location", "http://a.com/b"),)),)},
    ),
    # ---- time
    Case("the route's timeout", "response_timeout", "/route/timeout", "1000 ms is over", {}, {"timeout": "1s"}),
    Case("the default timeout", "response_timeout", "/route/timeout", "the default, the route sets none"),
    Case(
        "one try",
        "upstream_per_try_timeout",
        "/retry_policy/per_try_timeout",
        "200 ms per try",
        route={"retry_policy": {"per_try_timeout": "0.2s"}},
    ),
    Case(
        "tries as long as the request",
        "response_timeout",
        "/route/timeout",
        "1000 ms is over",
        route={"timeout": "1s", "retry_policy": {"retry_on": "reset", "per_try_timeout": "2s"}},
    ),
    Case(
        "the cluster's duration",
        "upstream_max_stream_duration_reached",
        "/common_http_protocol_options/max_stream_duration",
        "max_stream_duration of 300 ms",
        cluster={"common_http_protocol_options": {"max_stream_duration": "0.3s"}},
    ),
    # ---- filters
    Case(
        "a body over the buffer",
        "request_payload_too_large",
        "typed_config/max_request_bytes",
        "body of 5 bytes, max_request_bytes is 2",
        hcm=http_filter("buffer.v3.Buffer", {"max_request_bytes": 2}),
        request={"method": "POST", "body": "hello"},
    ),
    Case(
        "a foreign origin",
        "csrf_origin_mismatch",
        "typed_config/additional_origins",
        "`evil.com` is not `a.com`",
        hcm=http_filter("csrf.v3.CsrfPolicy", CSRF),
        request={"method": "POST", **headers(("origin", "http://evil.com"))},
    ),
]
TIMED = {"response_timeout", "upstream_per_try_timeout", "upstream_max_stream_duration_reached"}


def told(case: Case) -> Trace:
    behaviours: tuple[Behaviour, ...] = (SLOW,) if case.details in TIMED else ()
    fields = {"authority": "a.com", "upstream": behaviours, **case.request}
    request = Request(connection=Connection(destination="127.0.0.1:80", protocol=case.speaks), **fields)
    under = proxy(case.route, {**cluster(), **case.cluster}, hcm=case.hcm)
    return simulate(under, request, World(upstreams=case.upstreams, health=case.health, explain=True))


def blamed(trace: Trace) -> Step:
    """The last step that decided something: not the choice of a route for the log, nor the answer itself."""
    passed = {"response", "virtual host", "route", "access log"}
    return [step for step in trace.steps if step.stage not in passed and step.ref is not None][-1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_trace_points_at_the_field_that_decided(case: Case) -> None:
    trace = told(case)

    step = blamed(trace)

    assert (trace.outcome.response_code_details or "") == case.details
    assert str(step.ref).endswith(case.ref)
    assert case.words in step.reason
    if case.losers:
        assert step.losers is not None
        shown = [f"{lost.ref!s}: {lost.reason}" for lost in step.losers()]
        assert [a.endswith(b) for a, b in zip(shown, case.losers, strict=True)] == [True] * len(shown), shown


def test_headers_dropped_for_an_underscore_are_told() -> None:
    case = Case("", "", "", "", hcm=common(headers_with_underscores_action="DROP_HEADER"), request=headers(("x_y", "")))

    step = next(step for step in told(case).steps if "underscore" in step.template)

    assert str(step.ref).endswith(f"{COMMON}/headers_with_underscores_action")
    assert step.reason.endswith("`x_y`")


def test_a_request_refused_early_is_not_said_to_lack_a_scheme() -> None:
    case = next(case for case in CASES if case.name == "an escaped slash")

    assert not [step for step in told(case).steps if "x-forwarded-proto" in step.template]


def test_a_try_that_may_last_longer_than_the_request_is_told() -> None:
    case = next(case for case in CASES if case.name == "tries as long as the request")

    step = next(step for step in told(case).steps if "never ends a try" in step.template)

    assert str(step.ref).endswith("/retry_policy/per_try_timeout")
    assert step.reason == "per_try_timeout 2000 ms is not below the timeout of 1000 ms: it never ends a try"


def test_panic_names_its_threshold() -> None:
    under = proxy({}, cluster(A, B))
    request = Request(connection=Connection(destination="127.0.0.1:80"), authority="a.com")
    trace = simulate(under, request, World(health={A: "unhealthy", B: "unhealthy"}, explain=True))

    losers = next(step.losers for step in trace.steps if step.stage == "load balancer" and step.losers)

    assert str(losers()[0].ref).endswith("/common_lb_config/healthy_panic_threshold")
