"""Prefix rewrite that doubles or loses a slash.

## What it finds
A `prefix_rewrite` that ends with a slash where the matched prefix does not, or the reverse.

## Why it matters
The matched text alone is replaced. `/api` to `/` turns `/api/x` into `//x`; `/api/` to `/v2` turns `/api/x` into
`/v2x`.

## Example
`prefix: /api` with `prefix_rewrite: /`.

## When it is harmless
The backend takes `//` for `/`; or only the exact prefix is ever asked for.

## Fix
End prefix and prefix_rewrite alike: both with a slash, or both without.

## Source
`RouteEntryImplBase::finalizePathHeader` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per uneven rewrite."""
    for route in subject.routes:
        kind = route.msg.WhichOneof("action")
        if kind not in ("route", "redirect") or route.msg.match.WhichOneof("path_specifier") != "prefix":
            continue
        rewrite, prefix = getattr(route.msg, kind).prefix_rewrite, route.msg.match.prefix
        if not rewrite or not prefix or rewrite.endswith("/") == prefix.endswith("/"):
            continue
        path = prefix + ("x" if prefix.endswith("/") else "/x")
        yield CHECK.finding(
            route.ref.at(kind, "prefix_rewrite"),
            f"route `{route.label}` rewrites prefix `{prefix}` to `{rewrite}`: `{path}` becomes "
            f"`{rewrite}{path[len(prefix) :]}`",
            witness=route_request(route, path=path),
            origin=origin_of(route.msg),
        )


CHECK = Check(
    code="ESM314",
    name="rewrite-breaks-slash",
    severity="warning",
    title="Prefix rewrite that doubles or loses a slash",
    fix="end prefix and prefix_rewrite alike: both with a slash, or both without",
    find=find,
)
