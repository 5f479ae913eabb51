"""Policy on a path that cannot occur.

## What it finds
An RBAC permission whose `url_path` has a query or fragment, or does not begin with a slash.

## Why it matters
`url_path` compares the path without its query. A DENY on `/a?admin=1` never denies; an ALLOW on it never allows.

## Example
DENY `url_path: {path: {exact: "/report?type=all"}}`.

## When it is harmless
Never.

## Fix
Write the path without its query and with its slash; match the query through the header `:path`.

## Source
`source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .rbac_walk import denied_paths, rbac_filters
from .subject import Subject
from .witness import witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per path."""
    for item, rules in rbac_filters(subject):
        action = enum_name(rules, "action")
        for policy, path, ref in denied_paths(rules, item.ref.at("rules")):
            if "url_path" not in ref.path:
                continue
            why = "has a query" if "?" in path or "#" in path else "" if path.startswith("/") else "has no first slash"
            if why:
                yield CHECK.finding(
                    ref,
                    f"{action} policy `{policy}` names path `{path}`, which {why}: no request has such a path",
                    witness=witness(item.manager, "example.com", path)
                    if path.startswith("/") and "#" not in path
                    else None,
                )


CHECK = Check(
    code="ESM503",
    name="policy-path-cannot-match",
    severity="error",
    title="Policy on a path that cannot occur",
    fix="write the path without its query and with its slash; match the query through the header `:path`",
    find=find,
)
