"""Reachability of a virtual host's routes, computed once for all rules that ask."""

from __future__ import annotations

from functools import cached_property

from ..lazy_dataclass import dataclass
from ..model.finding import Witness
from .reach import Empty, Paths, Reach, Reachability, solve
from .route_condition import CONNECT, PATH, Condition, Value, asks_whole_path, condition
from .subject import HostItem, RouteItem, Subject
from .witness import request_for

REACHED = Reach(example={})


@dataclass(eq=False)
class HostReach:
    """The routes of one virtual host with their conditions."""

    host: HostItem
    routes: list[RouteItem]
    conditions: list[Condition]
    paths: Paths

    @cached_property
    def reachability(self) -> Reachability:
        """The decision procedure over the conditions."""
        return Reachability(self.conditions, self.paths)

    @cached_property
    def results(self) -> list[Reach]:
        """What became of each route; examples are made empty, thousands of them would fill memory."""
        reachability = self.reachability
        found = (reachability.decide(i) for i in range(len(self.routes)))
        return [REACHED if reach.example is not None else reach for reach in found]

    def path_beyond(self, position: int, other: int) -> bool:
        """Tell whether a route's path condition takes a path that another's does not."""
        mine = [x for x in self.conditions[position].literals if x.dimension == PATH]
        theirs = [x for x in self.conditions[other].literals if x.dimension == PATH]
        try:
            for literal in theirs:
                solve(PATH, frozenset((*mine, literal.negation)), self.paths)
                return True
        except Empty:
            return False
        return False

    def witness(self, values: dict[str, Value], *positions: int) -> Witness | None:
        """Make a request of an example; ``None`` where a request alone cannot show it."""
        asked = {x.dimension for i in positions for x in self.conditions[i].literals}
        path = values.get(PATH)
        beyond = any(d.startswith(("draw", "certificate")) for d in asked) or CONNECT in asked
        if beyond or not isinstance(path, str) or any(self.conditions[i].unknown for i in positions):
            return None
        query = [(n.removeprefix("query "), v) for n, v in values.items() if n.startswith("query ") and v is not None]
        if query and self.paths.whole:
            return None
        if query:
            path += "?" + "&".join(f"{name}={value}" for name, value in query)
        authority = values["header :authority"] if "header :authority" in asked else None
        method = values["header :method"]
        assert isinstance(method, str)
        return request_for(
            self.host,
            path=path,
            method=method,
            headers=tuple(_headers({d: v for d, v in values.items() if d in asked})),
            authority=authority if isinstance(authority, str) else None,
        )


def _headers(values: dict[str, Value]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    cookies: list[str] = []
    for dimension, value in values.items():
        kind, _, name = dimension.partition(" ")
        if value is None or name.startswith(":"):
            continue
        if kind == "header":
            found += [(name, v) for v in ((value,) if isinstance(value, str) else value)]
        elif kind == "cookie":
            cookies.append(f"{name}={value}")
    return [*found, *([("cookie", "; ".join(cookies))] if cookies else [])]


def host_reaches(subject: Subject) -> list[HostReach]:
    """Return every virtual host that has routes."""
    found: list[HostReach] | None = subject.memory.get("host_reaches")
    if found is None:
        found = subject.memory["host_reaches"] = _all(subject)
    return found


def _all(subject: Subject) -> list[HostReach]:
    known: dict[tuple[bytes, bool], Condition] = {}
    runtime = subject.proxy.runtime
    found: list[HostReach] = []
    for host, routes in subject.routes_by_host:
        whole = any(asks_whole_path(r.msg.match) for r in routes)
        conditions: list[Condition] = []
        for route in routes:
            match = route.msg.match
            key = (match.SerializeToString(deterministic=True), whole)
            if key not in known:
                known[key] = condition(match, runtime, whole_path=whole)
            conditions.append(known[key])
        managers = host.table.managers
        merged = bool(managers) and all(m.msg.merge_slashes for m in managers)
        found.append(HostReach(host, routes, conditions, Paths(whole, merged, _cuts(host, routes))))
    return found


def _cuts(host: HostItem, routes: list[RouteItem]) -> bool:
    """Path parameters are cut off before matching: paths with and without them are matched alike."""
    templates = any(r.msg.match.WhichOneof("path_specifier") == "path_match_policy" for r in routes)
    return bool(host.table.msg.ignore_path_parameters_in_path_matching) and not templates
