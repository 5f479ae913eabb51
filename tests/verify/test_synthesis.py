"""Made requests: the same for the same seed, and every kind among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from envoysim.load import load
from envoysim.model.request import Request
from envoysim.verify.rebuild import rebuild
from envoysim.verify.rebuild_http import HCM, ROUTER
from envoysim.verify.synthesis import synthesize

Json = dict[str, Any]
FILTERS = "type.googleapis.com/envoy.extensions.filters.http."
RBAC = {
    "name": "envoy.filters.http.rbac",
    "typed_config": {
        "@type": FILTERS + "rbac.v3.RBAC",
        "rules": {
            "policies": {
                "p": {
                    "permissions": [{"url_path": {"path": {"prefix": "/admin"}}}],
                    "principals": [{"header": {"name": "x-role", "string_match": {"exact": "boss"}}}],
                }
            }
        },
    },
}
BUFFER = {
    "name": "envoy.filters.http.buffer",
    "typed_config": {"@type": FILTERS + "buffer.v3.Buffer", "max_request_bytes": 77},
}
MANAGER = {
    "@type": HCM,
    "stat_prefix": "s",
    "http_filters": [RBAC, BUFFER, ROUTER],
    "route_config": {
        "virtual_hosts": [
            {
                "name": "v",
                "domains": ["*.shop.example"],
                "routes": [
                    {
                        "match": {
                            "prefix": "/cart",
                            "headers": [{"name": "x-n", "range_match": {"start": 3, "end": 9}}],
                        },
                        "direct_response": {"status": 200},
                    }
                ],
            }
        ]
    },
}
LISTENER = {
    "name": "l",
    "address": {"socket_address": {"address": "0.0.0.0", "port_value": 80}},
    "filter_chains": [{"filters": [{"name": "hcm", "typed_config": MANAGER}]}],
}
BUILT = rebuild(load([{"static_resources": {"listeners": [LISTENER]}}]))


def made(count: int, seed: int = 1) -> list[Request]:
    return synthesize(BUILT, count, seed)


def test_the_seed_decides() -> None:
    assert made(60) == made(60)
    assert made(60) != made(60, seed=2)


def test_there_are_no_more_than_asked_for_and_they_are_numbered() -> None:
    assert [request.id for request in made(30)] == [str(i) for i in range(30)]


KINDS: dict[str, Callable[[Request], object]] = {
    "a hit": lambda q: q.authority == "any.shop.example" and q.path == "/cart" and q.headers == (("x-n", "3"),),
    "the range's end": lambda q: ("x-n", "9") in q.headers,
    "another domain": lambda q: q.authority == "nowhere.example",
    "trust": lambda q: any(name.startswith("x-forwarded-") for name, _ in q.headers),
    "a failing upstream": lambda q: any(b.status >= 500 or b.action == "reset" for b in q.upstream),
    "retries": lambda q: any(name == "x-envoy-retry-on" for name, _ in q.headers),
    "a preflight": lambda q: any(name == "access-control-request-method" for name, _ in q.headers),
    "a deadline": lambda q: any(name == "grpc-timeout" for name, _ in q.headers),
    "an upgrade": lambda q: any(name == "upgrade" for name, _ in q.headers),
    "a tunnel": lambda q: q.method == "CONNECT" and q.path == "",
    "HTTP/1.0": lambda q: q.connection.protocol == "HTTP/1.0",
    "HTTP/2": lambda q: q.connection.protocol == "HTTP/2",
    "a policy's header": lambda q: ("x-role", "boss") in q.headers,
    "a policy's path": lambda q: q.path == "/admin",
    "a body that just fits": lambda q: len(q.body) == 77,
    "a body too large": lambda q: len(q.body) == 78,
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_made(kind: str) -> None:
    assert any(KINDS[kind](request) for request in made(300))
