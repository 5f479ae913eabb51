"""Local rate limits: whose bucket, over time, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from envoysim.model.request import Connection, Request
from envoysim.model.world import World
from envoysim.run import run

from .whole import HTTP, bootstrap, http_filter, make_proxy, routes

KIND = "local_ratelimit.v3.LocalRateLimit"
ON = {"default_value": {"numerator": 100}}


def limit(tokens: int, **fields: Any) -> dict[str, Any]:
    bucket = {"max_tokens": tokens, "tokens_per_fill": 1, "fill_interval": "1s"}
    return {"stat_prefix": "rl", "token_bucket": bucket, "filter_enabled": ON, "filter_enforced": ON, **fields}


def statuses(
    config: dict[str, Any],
    asked: Sequence[tuple[float, str]],
    overrides: dict[str, Any] | None = None,
    reuse: str | None = None,
    **fields: Any,
) -> list[int | None]:
    """Ask at the given times for the given paths."""
    per_route = {"rl": {"@type": HTTP + KIND, **overrides}} if overrides else {}
    own = {"match": {"prefix": "/own"}, "route": {"cluster": "c"}, "typed_per_filter_config": per_route}
    rest = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
    proxy = make_proxy(bootstrap([http_filter("rl", KIND, config)], routes(own, rest)))
    connection = Connection(listener="l", reuse=reuse)
    requests = [Request(authority="foo.com", path=p, at_ms=at, connection=connection, **fields) for at, p in asked]
    return [trace.outcome.status for trace in run(proxy, requests, World())]


def test_tokens_come_back_over_time() -> None:
    times = [(0, "/"), (0, "/"), (0, "/"), (999, "/"), (1000, "/"), (1000, "/"), (5000, "/"), (5000, "/"), (5000, "/")]
    assert statuses(limit(2), times) == [200, 200, 429, 429, 200, 429, 200, 200, 429]


@pytest.mark.parametrize(
    "config",
    [
        limit(0, filter_enabled={}),
        limit(0, filter_enforced={}),
        {"stat_prefix": "rl", "filter_enabled": ON, "filter_enforced": ON},
    ],
    ids=["not enabled", "not enforced", "no bucket"],
)
def test_what_never_limits(config: dict[str, Any]) -> None:
    assert statuses(config, [(0, "/")]) == [200]


def test_no_tokens_at_all_always_limit() -> None:
    assert statuses(limit(0), [(0, "/"), (9000, "/")]) == [429, 429]


def test_a_route_has_a_bucket_of_its_own() -> None:
    asked = [(0, "/own"), (0, "/own"), (0, "/"), (0, "/")]
    assert statuses(limit(1), asked, limit(1)) == [200, 429, 200, 429]


def test_a_bucket_for_each_connection() -> None:
    asked = [(0, "/"), (0, "/")]
    config = limit(1, local_rate_limit_per_downstream_connection=True)
    assert statuses(config, asked) == [200, 200]
    assert statuses(config, asked, reuse="same") == [200, 429]


def test_a_status_below_400_becomes_429() -> None:
    assert statuses(limit(0, status={"code": "OK"}), [(0, "/")]) == [429]
    assert statuses(limit(0, status={"code": "Forbidden"}), [(0, "/")]) == [403]


def test_descriptors_are_looked_up_and_the_default_bucket_pays_too() -> None:
    rate_limits = [{"actions": [{"request_headers": {"header_name": ":path", "descriptor_key": "p"}}]}]
    bucket = {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "1s"}
    descriptors = [{"entries": [{"key": "p", "value": "/a"}], "token_bucket": bucket}]
    config = limit(3, rate_limits=rate_limits, descriptors=descriptors)
    asked = [(0, "/a"), (0, "/a"), (0, "/b"), (0, "/b"), (0, "/b")]
    assert statuses(config, asked) == [200, 429, 200, 200, 429]
    config["always_consume_default_token_bucket"] = False
    assert statuses(config, asked) == [200, 429, 200, 200, 200]
