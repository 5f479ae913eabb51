"""Random HTTP filters and their per-route configurations."""

from __future__ import annotations

import random
from typing import Any

from . import words

Json = dict[str, Any]
T = "type.googleapis.com/envoy.extensions.filters.http."


def http_filters(rng: random.Random) -> list[Json]:
    """Return zero to three filters in any order."""
    made = [make(rng) for make in (_cors, _fault, _rbac, _header_mutation, _buffer) if rng.random() < 0.25]
    rng.shuffle(made)
    return made


def per_route(rng: random.Random) -> Json:
    """Return ``typed_per_filter_config`` for some filters (they may not be in the chain)."""
    found: Json = {}
    if rng.random() < 0.1:
        found["cors"] = {
            "@type": T + "cors.v3.CorsPolicy",
            "allow_origin_string_match": [{"exact": "http://good.com"}],
            "allow_methods": "GET,POST",
            "max_age": "10",
        }
    if rng.random() < 0.08:
        found["fault"] = {
            "@type": T + "fault.v3.HTTPFault",
            "abort": {"http_status": 418, "percentage": {"numerator": 100}},
        }
    if rng.random() < 0.08:
        found["rbac"] = {
            "@type": T + "rbac.v3.RBACPerRoute",
            **({"rbac": {"rules": _rules(rng)}} if rng.random() < 0.7 else {}),
        }
    return {"typed_per_filter_config": found} if found else {}


def _cors(rng: random.Random) -> Json:
    return {"name": "cors", "typed_config": {"@type": T + "cors.v3.Cors"}}


def _fault(rng: random.Random) -> Json:
    config: Json = {"@type": T + "fault.v3.HTTPFault"}
    if rng.random() < 0.7:
        config["abort"] = {"percentage": {"numerator": rng.choice((0, 100))}}
        config["abort"].update(rng.choice(({"http_status": 503}, {"grpc_status": 5}, {"header_abort": {}})))
        config["headers"] = [words.header_matcher(rng)]
    return {"name": "fault", "typed_config": config}


def _rbac(rng: random.Random) -> Json:
    return {"name": "rbac", "typed_config": {"@type": T + "rbac.v3.RBAC", "rules": _rules(rng)}}


def _rules(rng: random.Random) -> Json:
    policies = {
        f"p{i}": {"permissions": [_permission(rng)], "principals": [_principal(rng)]} for i in range(rng.randint(0, 2))
    }
    return {"action": rng.choice(("ALLOW", "DENY", "DENY", "LOG")), "policies": policies}


def _permission(rng: random.Random, depth: int = 0) -> Json:
    kind = rng.choice(
        ("any", "header", "url_path", "not", "and", "or", "port") if depth < 2 else ("any", "header", "url_path")
    )
    if kind == "any":
        return {"any": True}
    if kind == "header":
        return {"header": words.header_matcher(rng)}
    if kind == "url_path":
        return {"url_path": {"path": words.string_matcher(rng)}}
    if kind == "port":
        return {"destination_port": rng.choice((80, 8080))}
    if kind == "not":
        return {"not_rule": _permission(rng, depth + 1)}
    rules = {"rules": [_permission(rng, depth + 1) for _ in range(2)]}
    return {"and_rules": rules} if kind == "and" else {"or_rules": rules}


def _principal(rng: random.Random) -> Json:
    return rng.choice(
        (
            {"any": True},
            {"header": words.header_matcher(rng)},
            {"remote_ip": {"address_prefix": "127.0.0.0", "prefix_len": 8}},
            {"remote_ip": {"address_prefix": "10.0.0.0", "prefix_len": 8}},
            {"direct_remote_ip": {"address_prefix": "127.0.0.1", "prefix_len": 32}},
            {"not_id": {"header": words.header_matcher(rng)}},
        )
    )


def _header_mutation(rng: random.Random) -> Json:
    def mutation() -> Json:
        return rng.choice(({"remove": rng.choice(words.HEADERS)}, {"append": words.header_value_options(rng)[0]}))

    sides = {
        side: [mutation() for _ in range(rng.randint(1, 2))] for side in ("request_mutations", "response_mutations")
    }
    return {
        "name": "header_mutation",
        "typed_config": {"@type": T + "header_mutation.v3.HeaderMutation", "mutations": sides},
    }


def _buffer(rng: random.Random) -> Json:
    return {
        "name": "buffer",
        "typed_config": {"@type": T + "buffer.v3.Buffer", "max_request_bytes": rng.choice((2, 1000))},
    }
