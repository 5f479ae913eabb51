"""RBAC: which rule matches whom, and what follows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.model.address import Address
from envoysim.model.ref import NOWHERE
from envoysim.model.request import Certificate
from envoysim.stages.rbac_engine import compile_rules_engine
from envoysim.stages.rbac_rules import compile_permission, compile_principal, request_subject

from ..routing import decode
from .filtering import compile_filter, compile_override, details, request, run

RBAC = "rbac.v3.RBAC"
ANY = [{"any": True}]
V3 = "envoy.config.rbac.v3."


def policy(permission: dict[str, Any] | None = None, principal: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"permissions": [permission] if permission else ANY, "principals": [principal] if principal else ANY}


def rules(action: str, **policies: dict[str, Any]) -> dict[str, Any]:
    return {"rules": {"action": action, "policies": policies}}


PERMISSIONS = [
    ({"any": True}, True),
    ({"header": {"name": "x-a", "string_match": {"exact": "1"}}}, True),
    ({"header": {"name": "x-b", "present_match": True}}, False),
    ({"url_path": {"path": {"exact": "/a/b"}}}, True),
    ({"url_path": {"path": {"exact": "/A/b"}}}, False),
    ({"url_path": {"path": {"suffix": "q=1"}}}, False),
    ({"destination_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}}, True),
    ({"destination_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}}, False),
    ({"destination_port": 80}, True),
    ({"destination_port": 81}, False),
    ({"destination_port_range": {"start": 80, "end": 81}}, True),
    ({"destination_port_range": {"start": 70, "end": 80}}, False),
    ({"requested_server_name": {"exact": ""}}, True),
    ({"requested_server_name": {"exact": "a.com"}}, False),
    ({"not_rule": {"any": True}}, False),
    ({"not_rule": {"destination_port": 81}}, True),
    ({"and_rules": {"rules": [{"any": True}, {"destination_port": 81}]}}, False),
    ({"and_rules": {"rules": [{"any": True}, {"destination_port": 80}]}}, True),
    ({"or_rules": {"rules": [{"destination_port": 81}, {"destination_port": 80}]}}, True),
    ({"or_rules": {"rules": [{"destination_port": 81}, {"destination_port": 82}]}}, False),
    (
        {"metadata": {"filter": "f", "path": [{"key": "k"}], "value": {"string_match": {"exact": "v"}}}},
        True,
    ),
    (
        {
            "sourced_metadata": {
                "metadata_matcher": {
                    "filter": "f",
                    "path": [{"key": "k"}],
                    "value": {"string_match": {"exact": "v"}},
                },
                "metadata_source": "ROUTE",
            }
        },
        False,
    ),
    (
        {
            "uri_template": {
                "name": "t",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
                    "path_template": "/a/{x}",
                },
            }
        },
        True,
    ),
]


@pytest.mark.parametrize(("permission", "expected"), PERMISSIONS, ids=str)
def test_permissions(permission: dict[str, Any], expected: bool) -> None:
    stream = request("/a/b?q=1", headers={"x-a": "1"})
    stream.metadata["f"] = {"k": "v"}
    notes: list[Any] = []
    rule = compile_permission(decode(V3 + "Permission", permission), NOWHERE, notes)
    subject = request_subject(stream)
    assert rule.matches(subject) is expected
    assert not notes
    if not expected:
        assert rule.explain(subject)[1]


PRINCIPALS = [
    ({"any": True}, True),
    ({"source_ip": {"address_prefix": "10.0.0.1", "prefix_len": 32}}, False),
    ({"direct_remote_ip": {"address_prefix": "9.9.9.0", "prefix_len": 24}}, False),
    ({"remote_ip": {"address_prefix": "9.9.9.0", "prefix_len": 24}}, True),
    ({"authenticated": {}}, True),
    ({"authenticated": {"principal_name": {"exact": "spiffe://a/b"}}}, True),
    ({"authenticated": {"principal_name": {"exact": "a.com"}}}, True),
    ({"authenticated": {"principal_name": {"exact": "CN=me"}}}, True),
    ({"authenticated": {"principal_name": {"exact": "other"}}}, False),
    ({"not_id": {"any": True}}, False),
    ({"and_ids": {"ids": [{"any": True}, {"authenticated": {}}]}}, True),
    ({"filter_state": {"key": "who", "string_match": {"exact": "me"}}}, True),
    ({"filter_state": {"key": "nobody", "string_match": {"exact": ""}}}, False),
]


@pytest.mark.parametrize(("principal", "expected"), PRINCIPALS, ids=str)
def test_principals(principal: dict[str, Any], expected: bool) -> None:
    stream = request()
    stream.remote = Address("9.9.9.9", 1)
    stream.filter_state["who"] = "me"
    stream.connection.tls = True
    stream.connection.peer_certificate = Certificate(("spiffe://a/b",), ("a.com",), "CN=me")
    rule = compile_principal(decode(V3 + "Principal", principal), NOWHERE, [])
    assert rule.matches(request_subject(stream)) is expected


def test_nobody_is_authenticated_without_tls() -> None:
    rule = compile_principal(decode(V3 + "Principal", {"authenticated": {}}), NOWHERE, [])
    subject = request_subject(request())
    assert not rule.matches(subject)
    assert rule.explain(subject)[1] == "the connection is plaintext, not TLS"


DECISIONS = [
    ("no rules", {}, None),
    ("allow, no policies", {"rules": {"action": "ALLOW"}}, "[none]"),
    ("allow, one matches", rules("ALLOW", a=policy()), None),
    ("allow, none matches", rules("ALLOW", a=policy({"destination_port": 81})), "[none]"),
    ("deny, one matches", rules("DENY", **{"a b": policy()}), "[a_b]"),
    ("deny, none matches", rules("DENY", a=policy({"destination_port": 81})), None),
    ("the first by name", rules("DENY", b=policy(), a=policy()), "[a]"),
    ("log never denies", rules("LOG", a=policy()), None),
    ("principal fails", rules("ALLOW", a=policy(None, {"not_id": {"any": True}})), "[none]"),
    ("no permissions: never", rules("DENY", a={"principals": ANY}), None),
    ("shadow rules only", {"shadow_rules": {"action": "DENY", "policies": {"a": policy()}}}, None),
]


@pytest.mark.parametrize(("name", "config", "expected"), DECISIONS, ids=[d[0] for d in DECISIONS])
def test_decisions(name: str, config: dict[str, Any], expected: str | None) -> None:
    verdict = run(compile_filter(RBAC, config), request())
    assert details(verdict) == (expected and f"rbac_access_denied_matched_policy{expected}")
    if verdict is not None:
        assert (verdict.status, verdict.body, verdict.flags) == (403, "RBAC: access denied", ())


def test_metadata_and_counters() -> None:
    config = {
        **rules("ALLOW", a=policy()),
        "shadow_rules": {"action": "DENY", "policies": {"s": policy()}},
        "shadow_rules_stat_prefix": "trial_",
    }
    stream = request()
    run(compile_filter(RBAC, config), stream)
    assert stream.metadata["envoy.filters.http.rbac"] == {
        "trial_shadow_effective_policy_id": "s",
        "trial_shadow_engine_result": "denied",
        "enforced_effective_policy_id": "a",
        "enforced_engine_result": "allowed",
    }
    assert stream.telling.stats == {"http.test.rbac.allowed": 1, "http.test.rbac.trial_.shadow_denied": 1}


def test_a_route_replaces_everything() -> None:
    deny = compile_filter(RBAC, rules("DENY", a=policy()))
    off = compile_override(RBAC, "rbac.v3.RBACPerRoute", {"rbac": {}})
    assert run(deny, request()) is not None
    assert run(deny, request(), off) is None


def test_matcher_form() -> None:
    def on_match(action: str) -> dict[str, Any]:
        typed = {"@type": "type.googleapis.com/envoy.config.rbac.v3.Action", "name": f"to-{action}", "action": action}
        return {"action": {"name": "a", "typed_config": typed}}

    tree = {
        "input": {
            "name": "path",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                "header_name": "x-a",
            },
        },
        "exact_match_map": {"map": {"yes": on_match("ALLOW"), "no": on_match("DENY")}},
    }
    filter_ = compile_filter(RBAC, {"matcher": {"matcher_tree": tree}})
    cases = [("yes", None), ("no", "[to-DENY]"), ("other", "[none]")]
    for value, expected in cases:
        verdict = run(filter_, request(headers={"x-a": value}))
        assert details(verdict) == (expected and f"rbac_access_denied_matched_policy{expected}")


def test_losers_name_the_condition_that_fails() -> None:
    config = rules("ALLOW", a=policy({"url_path": {"path": {"prefix": "/x"}}}), b=policy({"destination_port": 81}))
    stream = request("/a", explain=True)
    run(compile_filter(RBAC, config), stream)
    losers = stream.telling.steps[-1].losers
    assert losers is not None
    assert [loser.reason for loser in losers()] == [
        "policy `a`: path wants prefix `/x`, is `/a`",
        "policy `b`: destination port must be 81, is 80",
    ]
    assert str(losers()[1].ref) == "/rules/policies/b/permissions/0/destination_port"


@given(st.lists(st.booleans(), min_size=1, max_size=4), st.sampled_from(["ALLOW", "DENY"]))
def test_first_match_by_name_decides(matches: list[bool], action: str) -> None:
    named = {f"p{i}": policy({"destination_port": 80 if hit else 81}) for i, hit in enumerate(matches)}
    engine = compile_rules_engine(decode(V3 + "RBAC", rules(action, **named)["rules"]), NOWHERE)
    decision = engine.decide(request_subject(request()))
    assert decision.allowed == (any(matches) == (action == "ALLOW"))
    assert decision.policy == (f"p{matches.index(True)}" if any(matches) else "")
    assert len(engine.explain(request_subject(request()))) == [*matches, True].index(True)
