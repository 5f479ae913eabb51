"""External authorization: an HTTP service is a cluster with scripted answers; ext_proc as told."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.behaviour import Behaviour
from envoysim.model.outcome import Outcome
from envoysim.model.world import World

from .whole import HTTP, Json, answering, bootstrap, cluster, http_filter, make_proxy, play, routes

TO_C = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
SERVICE = {"server_uri": {"uri": "http://authz", "cluster": "authz", "timeout": "0.3s"}}


def ask(
    *behaviours: Behaviour,
    config: Json | None = None,
    service: Json | None = None,
    route: Json | None = None,
    **fields: Any,
) -> Outcome:
    """Send a request past ext_authz, whose service behaves so."""
    filter_ = http_filter(
        "authz", "ext_authz.v3.ExtAuthz", {"http_service": {**SERVICE, **(service or {})}, **(config or {})}
    )
    listed = {**TO_C, **(route or {})}
    proxy = make_proxy(bootstrap([filter_], routes(listed), cluster("c", 9001), cluster("authz", 9002)))
    return play(proxy, "/a", world=answering("authz", *behaviours) if behaviours else None, **fields).outcome


def reply(status: int, *headers: tuple[str, str], body: str = "", **more: Any) -> Behaviour:
    return Behaviour(status=status, headers=headers, body=body, **more)


ANSWERS = [
    ("allowed", reply(200), {}, (200, "via_upstream", ())),
    ("denied", reply(403), {}, (403, "ext_authz_denied", ("UAEX",))),
    ("redirected", reply(302), {}, (302, "ext_authz_denied", ("UAEX",))),
    ("server error", reply(500), {}, (403, "ext_authz_error", ("UAEX",))),
    ("status on error", reply(500), {"status_on_error": {"code": "BadGateway"}}, (502, "ext_authz_error", ("UAEX",))),
    ("too slow", reply(200, delay_ms=400), {}, (403, "ext_authz_error", ("UAEX",))),
    ("refused", Behaviour("refuse"), {}, (403, "ext_authz_error", ("UAEX",))),
    ("fails open", Behaviour("refuse"), {"failure_mode_allow": True}, (200, "via_upstream", ())),
    ("only watches", reply(403), {"shadow_mode": True}, (200, "via_upstream", ())),
    (
        "never enabled, denying",
        reply(200),
        {
            "filter_enabled": {"default_value": {"numerator": 0}},
            "deny_at_disable": {"default_value": True, "runtime_key": "k"},
        },
        (403, "ext_authz_error", ("UAEX",)),
    ),
]


@pytest.mark.parametrize(("name", "behaviour", "config", "expected"), ANSWERS, ids=[a[0] for a in ANSWERS])
def test_answers(name: str, behaviour: Behaviour, config: Json, expected: tuple[Any, ...]) -> None:
    outcome = ask(behaviour, config=config)
    assert (outcome.status, outcome.response_code_details, outcome.response_flags) == expected


def test_the_service_s_time_is_the_request_s_time() -> None:
    assert ask(reply(200, delay_ms=50)).duration_ms >= 50


def test_a_denial_passes_the_service_s_headers_on() -> None:
    answer = reply(401, ("www-authenticate", "x"), ("x-why", "because"), body="go away")
    outcome = ask(answer)
    assert outcome.body == "go away"
    assert {("www-authenticate", "x"), ("x-why", "because")} <= set(outcome.headers)
    only = {"authorization_response": {"allowed_client_headers": {"patterns": [{"exact": "x-other"}]}}}
    names = {name for name, _ in ask(answer, service=only).headers}
    assert "www-authenticate" in names
    assert "x-why" not in names


def test_an_allowed_request_takes_headers_along() -> None:
    answer = reply(
        200,
        ("x-set", "service"),
        ("x-more", "service"),
        ("x-client", "service"),
        ("x-envoy-auth-headers-to-remove", "x-gone, :path"),
    )
    service = {
        "authorization_response": {
            "allowed_upstream_headers": {"patterns": [{"exact": "x-set"}]},
            "allowed_upstream_headers_to_append": {"patterns": [{"exact": "x-more"}]},
            "allowed_client_headers_on_success": {"patterns": [{"exact": "x-client"}]},
        }
    }
    sent = (("x-set", "client"), ("x-more", "client"), ("x-gone", "client"))
    outcome = ask(answer, service=service, headers=sent)
    upstream = outcome.attempts[0].headers
    assert [v for n, v in upstream if n == "x-set"] == ["service"]
    assert [v for n, v in upstream if n == "x-more"] == ["client", "service"]
    assert not [v for n, v in upstream if n == "x-gone"]
    assert ("x-client", "service") in outcome.headers
    assert len(outcome.attempts) == 1


PER_ROUTE = HTTP + "ext_authz.v3.ExtAuthzPerRoute"


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ({}, 403),
        ({"typed_per_filter_config": {"authz": {"@type": PER_ROUTE, "disabled": True}}}, 200),
        (
            {
                "typed_per_filter_config": {
                    "authz": {
                        "@type": PER_ROUTE,
                        "check_settings": {
                            "http_service": {"server_uri": {"uri": "http://c", "cluster": "c", "timeout": "1s"}}
                        },
                    }
                }
            },
            200,
        ),
    ],
    ids=["plain", "disabled", "another service"],
)
def test_per_route(route: Json, status: int) -> None:
    assert ask(reply(403), route=route).status == status


BODIES = [
    ({"max_request_bytes": 3}, "abcd", 413),
    ({"max_request_bytes": 3, "allow_partial_message": True}, "abcd", 200),
    ({"max_request_bytes": 4}, "abcd", 200),
]


@pytest.mark.parametrize(("settings", "body", "status"), BODIES, ids=str)
def test_bodies(settings: Json, body: str, status: int) -> None:
    assert ask(reply(200), config={"with_request_body": settings}, method="POST", body=body).status == status


def test_a_service_nobody_scripted_is_taken_as_allowing() -> None:
    outcome = ask()
    assert outcome.status == 200
    assert any("authorization service" in note.text for note in outcome.notes)


@pytest.mark.parametrize(("verdict", "status"), [("allow", 200), ("deny", 403), ("deny 401", 401), ("error", 403)])
def test_verdicts(verdict: str, status: int) -> None:
    grpc = {"grpc_service": {"envoy_grpc": {"cluster_name": "c"}}}
    proxy = make_proxy(bootstrap([http_filter("a", "ext_authz.v3.ExtAuthz", grpc)], routes(TO_C)))
    assert play(proxy, world=World(verdicts={"ext_authz": verdict})).outcome.status == status


@pytest.mark.parametrize(
    ("verdict", "config", "status"),
    [
        (None, {}, 200),
        ("allow", {}, 200),
        ("deny 429", {}, 429),
        ("error", {}, 500),
        ("error", {"failure_mode_allow": True}, 200),
    ],
)
def test_ext_proc(verdict: str | None, config: Json, status: int) -> None:
    processor = {"grpc_service": {"envoy_grpc": {"cluster_name": "c"}}, **config}
    proxy = make_proxy(bootstrap([http_filter("p", "ext_proc.v3.ExternalProcessor", processor)], routes(TO_C)))
    world = World(verdicts={"ext_proc": verdict} if verdict else {})
    assert play(proxy, world=world).outcome.status == status
