"""Path regex that takes the exact path only.

## What it finds
A path regex that reads like a prefix: plain text, perhaps with `^` in front, and nothing that could match what
follows.

## Why it matters
Envoy matches a regex against the whole path (without its query). `^/api` takes `/api` and nothing below it.

## Example
`safe_regex: {regex: "^/api/v1"}`.

## When it is harmless
The exact path is meant.

## Fix
Append `.*` (or `(/.*)?`) to the regex, or use a prefix.

## Source
`RegexRouteEntryImpl::matches` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of
from .witness import route_request

SPECIAL = set("\\.[](){}*+?|$")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per regex that is plain text."""
    for route in subject.routes:
        match = route.msg.match
        if match.WhichOneof("path_specifier") != "safe_regex":
            continue
        pattern = match.safe_regex.regex
        if len(pattern) > 1 and not SPECIAL & set(pattern):
            path = pattern.removeprefix("^")
            yield CHECK.finding(
                route.ref.at("match", "safe_regex"),
                f"regex `{pattern}` of route `{route.label}` matches the path `{path}` as a whole "
                "only, nothing below it",
                witness=route_request(route, path=path.rstrip("/") + "/below") if path.startswith("/") else None,
                origin=origin_of(route.msg),
            )


CHECK = Check(
    code="ESM310",
    name="regex-without-rest",
    severity="warning",
    title="Path regex that takes the exact path only",
    fix="append `.*` (or `(/.*)?`) to the regex, or use a prefix",
    find=find,
)
