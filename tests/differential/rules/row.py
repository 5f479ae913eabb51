"""A rule as data: how one listener is configured, and the requests that show the rule.

The rows of a part share one Envoy; each row has a listener, and a connection manager, of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envoysim.model.behaviour import Behaviour

from ..build import Bench, Json, hcm, http_filter, route
from ..generate import Case

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule; ``manager``, ``table``, ``host`` and ``listener`` are fields of those messages."""

    name: str
    requests: Sequence[Json]
    manager: Json = field(default_factory=dict)
    routes: Sequence[Json] = ()
    filters: Sequence[Json] = ()
    host: Json = field(default_factory=dict)
    table: Json = field(default_factory=dict)
    listener: Json = field(default_factory=dict)
    chain: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that share an Envoy, and what else it needs; ``prepare`` makes clusters before the listeners."""

    name: str
    rows: Sequence[Row]
    runtime: Json = field(default_factory=dict)
    prepare: Callable[[Bench], None] | None = None


def ask(path: str = "/", headers: Headers = (), /, **fields: Any) -> Json:
    """A request; ``up`` is what the upstream does with it."""
    pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
    behaviour = fields.pop("up", None)
    if behaviour is not None:
        fields["upstream"] = behaviour if isinstance(behaviour, tuple) else (behaviour,)
    return {"path": path, "headers": pairs, **fields}


def direct(name: str, match: Json, status: int = 200, /, **fields: Any) -> Json:
    """A route that answers with its own name."""
    return {
        "name": name,
        "match": match,
        "direct_response": {"status": status, "body": {"inline_string": name}},
        **fields,
    }


def redirect(name: str, match: Json, action: Json, /, **fields: Any) -> Json:
    """A route that redirects."""
    return {"name": name, "match": match, "redirect": action, **fields}


def option(name: str, value: str, action: str = "", **more: Any) -> Json:
    """A ``HeaderValueOption``."""
    made: Json = {"header": {"key": name, "value": value}, **more}
    return {**made, "append_action": action} if action else made


def make_case(part: Part) -> Case:
    """Give every row a listener; a request's id is the row's name and its number."""
    bench = Bench(random.Random(0), runtime=part.runtime)
    for name in ("c0", "c1") if part.rows else ():
        bench.cluster(name)
    if part.prepare is not None:
        part.prepare(bench)
    for row in part.rows:
        routes = [*row.routes, route("all", {"prefix": "/"})]
        host = {"name": "v", "domains": ["*"], "routes": routes, **row.host}
        table = {"name": "rc", "virtual_hosts": [host], **row.table}
        chain = {"name": "only", "filters": [hcm(table, list(row.filters), **row.manager)], **row.chain}
        place = bench.listener([chain], name=row.name, **row.listener)
        for number, request in enumerate(row.requests):
            bench.send(place, listener=row.name, **request)
            bench.requests[-1] = _named(bench.requests[-1], f"{row.name} #{number}")
    return bench.case(0, part.name)


def _named(request: Any, name: str) -> Any:
    from dataclasses import replace

    return replace(request, id=name)


__all__ = [
    "Behaviour",
    "Json",
    "Part",
    "Row",
    "ask",
    "direct",
    "http_filter",
    "make_case",
    "option",
    "redirect",
    "route",
]
