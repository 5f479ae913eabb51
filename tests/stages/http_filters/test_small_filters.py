"""Filters with little to them, and those that only pass requests on."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.headers import ResponseHeaderMap
from envoysim.model.request import Connection, Request
from envoysim.model.world import World
from envoysim.run import run
from envoysim.stages.http_filters import FILTERS, find_filter
from envoysim.stages.http_filters.cdn_loop import parse_cdn_ids
from envoysim.stages.http_filters.compressor import choose_encoding
from envoysim.stages.http_filters.header_to_metadata import decode_base64, parse_number
from envoysim.stages.http_filters.passthrough import PASSTHROUGH
from envoysim.stages.http_filters.set_metadata import merge
from envoysim.stages.http_filters.stateful_session import parse_cookie
from envoysim.stages.http_filters.unmodelled import UNMODELLED

from .whole import bootstrap, http_filter, make_proxy, play, routes

ROUTE: dict[str, Any] = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}


def test_no_filter_is_listed_twice() -> None:
    listed = [row[0] for table in (FILTERS, PASSTHROUGH, UNMODELLED) for row in table]
    assert len(listed) == len(set(listed))
    assert all(find_filter(type_name) is not None for type_name in listed)


def test_filters_that_are_not_modelled_say_so() -> None:
    source = bootstrap([http_filter("l", "lua.v3.Lua"), http_filter("t", "tap.v3.Tap")], routes(ROUTE))
    outcome = play(make_proxy(source)).outcome
    assert outcome.status == 200
    assert [note.text.split(":")[0] for note in outcome.notes] == [
        "lua.v3.Lua is not modelled: the filter runs code of its own".split(":")[0]
    ]


BUFFERED = [(10, "HTTP/1.1", 200), (11, "HTTP/1.1", 413), (11, "HTTP/2", 200), (20_000, "HTTP/2", 413)]


@pytest.mark.parametrize(("size", "protocol", "status"), BUFFERED, ids=str)
def test_buffer(size: int, protocol: Any, status: int) -> None:

    proxy = make_proxy(bootstrap([http_filter("b", "buffer.v3.Buffer", {"max_request_bytes": 10})], routes(ROUTE)))
    connection = Connection(listener="l", protocol=protocol)
    asked = Request(method="POST", authority="foo.com", body="x" * size, connection=connection)
    assert [trace.outcome.status for trace in run(proxy, [asked], World())] == [status]


CDN = [
    ("cdn1", ["cdn1"]),
    ("a, b ; k=v,c:80", ["a", "b", "c:80"]),
    ('a;k="x,y"', ["a"]),
    (",, a ,", ["a"]),
    ("[::1]:8080", ["[::1]:8080"]),
    ("a b", None),
    ("a;k", None),
    ("", []),
]


@pytest.mark.parametrize(("value", "expected"), CDN, ids=str)
def test_cdn_loop(value: str, expected: list[str] | None) -> None:
    assert parse_cdn_ids(value) == expected


def test_metadata_is_merged_struct_by_struct() -> None:
    there = {"a": 1, "s": {"x": 1, "y": 2}, "l": [1], "k": "text"}
    added = {"a": 2, "s": {"y": {"z": 3}}, "l": [2], "k": [1]}
    assert merge(there, added) == {"a": 2, "s": {"x": 1, "y": {"z": 3}}, "l": [1, 2], "k": [1]}


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), (" 1.5\t", 1.5), ("1e3", 1000), ("1_0", None), ("", None), ("٣", None)]
)
def test_numbers(text: str, value: float | None) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(("text", "data"), [("aGk=", b"hi"), ("aGk", b"hi"), ("!", b""), ("", b""), ("aGk===", b"")])
def test_base64(text: str, data: bytes) -> None:
    assert decode_base64(text) == data


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (b"\n\x0b127.0.0.1:8", "127.0.0.1:8"),
        (b"\n\x011\x10\x05", "1"),
        (b"\x10\x05", ""),
        (b"\n\x7fx", None),
        (b"", ""),
    ],
)
def test_session_cookies(data: bytes, address: str | None) -> None:
    assert parse_cookie(data) == address


def test_without_an_offer_nothing_is_compressed() -> None:
    compressor: Any = None
    assert choose_encoding("gzip", ResponseHeaderMap(), [], compressor, "gzip") == "identity"
