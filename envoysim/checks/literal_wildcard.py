"""A `*` in a path that is compared literally.

## What it finds
A route's `prefix`, `path` or `path_separated_prefix`, or an RBAC path by exact text or prefix, that contains `*`.

## Why it matters
Only regexes and path templates know wildcards. A prefix or an exact path with `*` matches paths that contain a
star, which nobody asks for: the route or policy never acts.

## Example
`match: {prefix: "/api/*"}`: `/api/users` is not matched, 404 `NR route_not_found`.

## When it is harmless
Clients do send a `*` in the path.

## Fix
Leave the star out of the prefix, or use safe_regex or a path template.

## Source
`PrefixRouteEntryImpl::matches` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .rbac_walk import denied_paths, rbac_filters
from .subject import Subject, origin_of
from .witness import route_request

KINDS = ("prefix", "path", "path_separated_prefix")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route and per policy."""
    for route in subject.routes:
        kind = route.msg.match.WhichOneof("path_specifier")
        text = getattr(route.msg.match, kind) if kind in KINDS else ""
        if "*" in text:
            yield CHECK.finding(
                route.ref.at("match", kind),
                f"route `{route.label}` matches {kind} `{text}` literally: `*` is no wildcard there (regex)",
                witness=route_request(route, path=text.replace("*", "any")),
                origin=origin_of(route.msg),
            )
    for item, rules in rbac_filters(subject):
        for policy, text, ref in denied_paths(rules, item.ref.at("rules")):
            if "*" in text:
                yield CHECK.finding(
                    ref,
                    f"{enum_name(rules, 'action')} policy `{policy}` names path `{text}` literally: `*` is no wildcard "
                    "there (prefix, suffix or regex)",
                )


CHECK = Check(
    code="ESM328",
    name="literal-wildcard",
    severity="warning",
    title="Wildcard in a path that is taken literally",
    fix="leave the star out of the prefix, or use safe_regex or a path template",
    find=find,
)
