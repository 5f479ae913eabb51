"""Editing the query of ``:path`` (``Http::Utility::QueryParamsMulti``): parameters come out sorted by name."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

Params = dict[str, list[str]]


def parse(path: str, decode: Callable[[str], str] = str) -> Params:
    """Return the parameters of ``path``, repeats in order."""
    _, mark, query = path.partition("?")
    params: Params = {}
    if mark and query:
        # A trailing `&` ends the last parameter; it does not start an empty one.
        for parameter in query.removesuffix("&").split("&"):
            name, _, value = parameter.partition("=")
            params.setdefault(decode(name), []).append(decode(value))
    return params


def replace_query(path: str, params: Params) -> str:
    """Return ``path`` with ``params`` instead of its query."""
    query = "&".join(f"{name}={value}" for name in sorted(params) for value in params[name])
    bare = path.partition("?")[0]
    return f"{bare}?{query}" if query else bare


def remove_param(path: str, name: str) -> str:
    """Drop a parameter; what stays is percent-decoded (``parseAndDecodeQueryString``)."""
    params = parse(path, unquote)
    params.pop(name, None)
    return replace_query(path, params)
