"""What is hashed, and how several policies combine."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from envoysim.load.decode import decode_message
from envoysim.model.address import Address
from envoysim.model.headers import HeaderMap
from envoysim.model.ref import NOWHERE
from envoysim.stages.hash_policy import HashPolicies, compile_hash_policies, compute_connection_hash, compute_hash
from envoysim.stages.xx_hash import xx_hash64

MASK = 2**64 - 1


def policies(*fields: dict[str, Any], message: str = "envoy.config.route.v3.RouteAction.HashPolicy") -> HashPolicies:
    return compile_hash_policies([decode_message(message, f, NOWHERE, []) for f in fields], NOWHERE)


def stream(*headers: tuple[str, str], path: str = "/?q=v&q=w&e=") -> Any:
    connection = SimpleNamespace(
        remote=Address("127.0.0.1", 40000), local=Address("127.0.0.1", 80), filter_state={"wide": "fs"}
    )
    return SimpleNamespace(
        headers=HeaderMap([(":path", path), *headers]),
        remote=Address("1.2.3.4", 0),
        connection=connection,
        filter_state={},
        facts={},
    )


def both(first: int, second: int) -> int:
    """The first rotated left by one, with the second."""
    return ((first << 1 | first >> 63) & MASK) ^ second


HEADER = {"header": {"header_name": "X-A"}}
QUERY = {"query_parameter": {"name": "q"}}
SOURCE = {"connection_properties": {"source_ip": True}}
REWRITE = {
    "header": {
        "header_name": "x-a",
        "regex_rewrite": {"pattern": {"google_re2": {}, "regex": "^(\\w)\\w*$"}, "substitution": "\\1"},
    }
}
A, V, IP = xx_hash64("a"), xx_hash64("v"), xx_hash64("1.2.3.4")

# policies, headers, hash
CASES: list[tuple[list[dict[str, Any]], list[tuple[str, str]], int | None]] = [
    ([HEADER], [("x-a", "a")], A),
    ([HEADER], [], None),
    ([HEADER], [("x-a", "b"), ("x-a", "a")], xx_hash64("b", A)),
    ([REWRITE], [("x-a", "abc")], A),
    ([QUERY], [], V),
    ([{"query_parameter": {"name": "e"}}], [], xx_hash64("")),
    ([{"query_parameter": {"name": "none"}}], [], None),
    ([SOURCE], [], IP),
    ([{"connection_properties": {"source_ip": False}}], [], None),
    ([{"cookie": {"name": "c"}}], [("cookie", "b=1; c=a")], A),
    ([{"cookie": {"name": "c"}}], [], None),
    ([{"cookie": {"name": "c"}}], [("cookie", "c=")], None),
    ([{"filter_state": {"key": "wide"}}], [], xx_hash64("fs")),
    ([{"filter_state": {"key": "none"}}], [], None),
    ([HEADER, QUERY], [("x-a", "a")], both(A, V)),
    ([HEADER, QUERY], [], V),
    ([{**HEADER, "terminal": True}, QUERY], [("x-a", "a")], A),
    ([{**HEADER, "terminal": True}, QUERY], [], V),
    ([HEADER, {**QUERY, "terminal": True}, SOURCE], [("x-a", "a")], both(A, V)),
    ([HEADER, HEADER], [("x-a", "a")], both(A, A)),
]


@pytest.mark.parametrize(("fields", "headers", "wanted"), CASES)
def test_hash(fields: list[dict[str, Any]], headers: list[tuple[str, str]], wanted: int | None) -> None:
    assert compute_hash(stream(*headers), policies(*fields)) == wanted


# cookie fields, Set-Cookie
COOKIES = [
    ({"ttl": "0s"}, "{}; HttpOnly"),
    ({"ttl": "60s"}, "{}; Max-Age=60; HttpOnly"),
    ({"ttl": "60s", "path": "/p"}, "{}; Max-Age=60; Path=/p; HttpOnly"),
    (
        {"ttl": "0s", "attributes": [{"name": "SameSite", "value": "Strict"}, {"name": "Secure"}]},
        "{}; SameSite=Strict; Secure; HttpOnly",
    ),
]


@pytest.mark.parametrize(("fields", "wanted"), COOKIES)
def test_made_cookies(fields: dict[str, Any], wanted: str) -> None:
    """The value is the hash of both addresses; only a load balancer lets it be made."""
    asked, made = stream(), f"{xx_hash64('127.0.0.1:40000127.0.0.1:80'):016x}"
    compiled = policies({"cookie": {"name": "c", **fields}})

    assert compute_hash(asked, compiled) is None
    assert compute_hash(asked, compiled, generate_cookie=True) == xx_hash64(made)
    assert asked.facts["set_cookies"] == [wanted.format(f'c="{made}"')]


def test_connections() -> None:
    connection = stream().connection
    message = "envoy.type.v3.HashPolicy"

    assert compute_connection_hash(connection, policies({"source_ip": {}}, message=message)) == xx_hash64("127.0.0.1")
    assert compute_connection_hash(connection, policies({"filter_state": {"key": "x"}}, message=message)) is None
