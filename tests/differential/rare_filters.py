"""The filters that have a case of their own, in random company and order."""

from __future__ import annotations

from .build import Behaviour, Bench, Json, route
from .filter_cases import ROWS
from .filter_rows import Row


def _mixable(row: Row) -> bool:
    """Some rows need their manager's fields, or take time of their own."""
    return not row.manager and row.protocol == "HTTP/1.1"


def make(bench: Bench) -> None:
    """Filters, routes and requests of two or three rows together."""
    rows = bench.rng.sample([row for row in ROWS if _mixable(row)], bench.one(2, 2, 3))
    filters: dict[str, Json] = {}
    for row in rows:
        for entry in row.filters:
            filters.setdefault(entry["name"], entry)
    chosen = list(filters.values())
    bench.rng.shuffle(chosen)
    for i in range(3):
        bench.cluster(f"c{i}")
    host: Json = {}
    routes: list[Json] = []
    overrides: Json = {}
    for row in rows:
        host.update(row.host)
        routes += row.routes
        overrides.update({k: v for k, v in row.overrides.items() if k not in overrides})
    routes.append({"name": "none", "match": {"prefix": "/none"}, "direct_response": {"status": 404}})
    routes.append(route("r", {"prefix": "/"}, "c0", typed_per_filter_config=overrides))
    from .build import hcm

    table = {"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": routes, **host}]}
    destination = bench.listener([{"name": "only", "filters": [hcm(table, chosen)]}])
    asked = [request for row in rows for request in row.requests]
    for _ in range(30):
        method, path, headers, body, behaviour = bench.one(*asked)
        more = bench.one(*asked)[2] if bench.chance(0.4) else {}
        bench.send(
            destination,
            method=method,
            path=path,
            headers=tuple({**more, **headers}.items()),
            body=body,
            upstream=(Behaviour(**behaviour),) if behaviour else (),
            protocol=bench.one("HTTP/1.1", "HTTP/1.1", "HTTP/2"),
        )
