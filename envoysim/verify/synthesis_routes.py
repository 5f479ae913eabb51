"""Requests for a route: one meant to match it, and the same with one thing changed."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace

from ..model.request import Request
from .regex_members import member
from .synthesis_literals import OTHER_VALUE, Json, header_value, string_value


def matching(route: Json, authority: str) -> Request:
    """A request meant to match the route."""
    match = route.get("match", {})
    headers: list[tuple[str, str]] = []
    method, path = "GET", _path(match)
    for matcher in match.get("headers", []):
        name, value = matcher.get("name", "x"), header_value(matcher)
        if value is None:
            continue
        if name == ":method":
            method = value
        elif name == ":path":
            path = value if value.startswith("/") else path
        elif name == ":authority":
            authority = value
        elif not name.startswith(":"):
            headers.append((name, value))
    query = [
        f"{q.get('name', 'q')}={string_value(q.get('string_match', {}), 'v')}"
        for q in match.get("query_parameters", [])
    ]
    if query:
        path += "?" + "&".join(query)
    if "grpc" in match:
        headers.append(("content-type", "application/grpc"))
    if not re.fullmatch(r"[!-~]+", path):
        path = "/"
    return Request(method=method, authority=authority, path=path, headers=tuple(headers))


def _path(match: Json) -> str:
    if "path" in match:
        return str(match["path"])
    if "path_separated_prefix" in match:
        return str(match["path_separated_prefix"]) + "/x"
    if "safe_regex" in match:
        return member(match["safe_regex"].get("regex", "/"))
    if "path_match_policy" in match:
        template = match["path_match_policy"].get("typed_config", {}).get("path_template", "/")
        return re.sub(r"\{[^}]*\}|\*+", "x", str(template))
    return str(match.get("prefix", "/")) or "/"


def misses(hit: Request, route: Json, rng: random.Random) -> Iterator[Request]:
    """The same request with one thing changed."""
    path, _, query = hit.path.partition("?")
    tail = f"?{query}" if query else ""
    others = (path.rstrip("/") or "/", path + "/", path + "x", path.upper(), path + "/..", path.replace("/", "//"))
    for other in dict.fromkeys(others):
        if other != path and other.startswith("/"):
            yield replace(hit, path=other + tail)
    yield replace(hit, path=path + ("?a=b" if not query else ""))
    yield replace(hit, method=rng.choice(("POST", "HEAD", "OPTIONS", "DELETE")))
    for i, (name, value) in enumerate(hit.headers):
        rest = hit.headers[:i] + hit.headers[i + 1 :]
        yield replace(hit, headers=rest)
        yield replace(hit, headers=(*rest, (name, value + "x")))
        yield replace(hit, headers=(*hit.headers, (name, OTHER_VALUE)))
        if value.lstrip("-").isdigit():
            yield replace(hit, headers=(*rest, (name, str(int(value) - 1))))
    for matcher in route.get("match", {}).get("headers", []):
        if "range_match" in matcher:
            edge = (matcher.get("name", "x"), str(matcher["range_match"].get("end", 0)))
            yield replace(hit, headers=(*(h for h in hit.headers if h[0] != edge[0]), edge))
