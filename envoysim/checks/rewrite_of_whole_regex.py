"""Prefix rewrite that replaces the whole path.

## What it finds
A route that matches by regex and has a `prefix_rewrite`.

## Why it matters
There is no prefix to cut: the whole matched path, which is the whole path, is replaced. Every request reaches the
backend with the same path.

## Example
`safe_regex: {regex: "/v[0-9]+/.*"}` with `prefix_rewrite: /`.

## When it is harmless
One fixed path is meant.

## Fix
Use regex_rewrite, or match by prefix.

## Source
`RegexRouteEntryImpl::rewritePathHeader` in `source/common/router/config_impl.h`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route."""
    for route in subject.routes:
        kind = route.msg.WhichOneof("action")
        if kind not in ("route", "redirect") or route.msg.match.WhichOneof("path_specifier") != "safe_regex":
            continue
        rewrite = getattr(route.msg, kind).prefix_rewrite
        if rewrite:
            yield CHECK.finding(
                route.ref.at(kind, "prefix_rewrite"),
                f"route `{route.label}` matches by regex and rewrites the whole path to `{rewrite}`, whatever follows",
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM326",
    name="rewrite-of-whole-regex",
    severity="warning",
    title="Prefix rewrite that replaces the whole path",
    fix="use regex_rewrite, or match by prefix",
    find=find,
)
