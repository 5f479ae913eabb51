"""One HTTP filter in front of a route table, without the rest of its chain."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from envoysim.model.ref import NOWHERE
from envoysim.model.reply import LocalReply, Response
from envoysim.stages.http_filters import PREFIX, find_filter
from envoysim.stages.stream import Stream

from ..routing import ask, decode, one_host, table

ROUTE = {"name": "r", "match": {"prefix": "/"}, "route": {"cluster": "c"}}


def request(path: str = "/", **fields: Any) -> Stream:
    """A request with its route (to cluster `c`, unless ``routes`` says something else)."""
    routes = fields.pop("routes", (ROUTE,))
    stream = ask(table(one_host(*routes)), path, **fields)
    manager: Any = stream.hcm
    manager.stat_prefix = "test"
    return stream


def compile_filter(kind: str, config: Mapping[str, Any]) -> Any:
    """Compile a filter; ``kind`` is its type below ``envoy.extensions.filters.http``."""
    module = find_filter(PREFIX + kind)
    assert module is not None, kind
    return module.compile(decode(PREFIX + kind, dict(config)), NOWHERE, None)  # type: ignore[arg-type]


def compile_override(kind: str, type_name: str, config: Mapping[str, Any]) -> Any:
    """Compile a per-route configuration of the filter ``kind``."""
    module = find_filter(PREFIX + kind)
    assert module is not None
    assert module.compile_override is not None
    assert PREFIX + type_name in module.override_types
    return module.compile_override(decode(PREFIX + type_name, dict(config)), NOWHERE, None)  # type: ignore[arg-type]


def run(filter_: Any, stream: Stream, *overrides: Any) -> Any:
    """Let the filter see the request and return its verdict."""
    verdict = filter_.decode(stream, overrides)
    assert not isinstance(verdict, Generator)
    return verdict


def details(verdict: Any) -> str | None:
    """Return the details of an answer, ``None`` for a request that goes on."""
    return verdict.details if isinstance(verdict, LocalReply | Response) else None
