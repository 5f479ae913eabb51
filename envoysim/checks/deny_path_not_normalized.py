"""A DENY policy on a path that a differently written path passes.

## What it finds
An RBAC filter with action DENY whose policy names a `url_path` (or `:path`), on a connection manager that does not
merge slashes or does not normalize paths.

## Why it matters
The policy compares the path as it arrives. `//data/secret`, `/data//secret` or `/data/./secret` is another text,
passes the policy, and many backends serve it as `/data/secret`.

## Example
DENY `/data/secret` with `merge_slashes` not set: `GET /data//secret` is answered 200.

## When it is harmless
The backend treats the spellings as different resources.

## Fix
Set `merge_slashes: true` and `normalize_path: true` (and `path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT`)
on the connection manager. In Istio: `meshConfig.pathNormalization.normalization: MERGE_SLASHES`.

## Source
`source/common/http/path_utility.cc`, `source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import Msg, enum_name
from .base import Check
from .rbac_walk import denied_paths
from .subject import FilterItem, Subject
from .witness import witness

RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter and per normalization that is missing."""
    for item in subject.http_filters:
        if item.type_name == RBAC and item.config is not None and item.config.HasField("rules"):
            yield from _in_filter(item, item.config.rules)


def _in_filter(item: FilterItem, rules: Msg) -> Iterator[Finding]:
    if enum_name(rules, "action") != "DENY":
        return
    hcm = item.manager.msg
    lacks = [
        (field, words)
        for field, words, there in (
            ("merge_slashes", "doubled slashes (merge_slashes)", hcm.merge_slashes),
            ("normalize_path", "dot segments and escapes (normalize_path)", hcm.normalize_path.value),
        )
        if not there
    ]
    if not lacks:
        return
    for policy, path, ref in denied_paths(rules, item.ref.at("rules")):
        field = lacks[0][0]
        yield CHECK.finding(
            item.manager.ref.at(field),
            f"DENY policy `{policy}` (RBAC) on path `{path}` is passed by another spelling: the connection "
            "manager does not "
            f"resolve {' nor '.join(w for _, w in lacks)}",
            related=(Related(ref, "the path the policy compares"), *_others(item, lacks)),
            witness=witness(item.manager, "example.com", _spelled(path, field)),
        )


def _others(item: FilterItem, lacks: list[tuple[str, str]]) -> tuple[Related, ...]:
    return tuple(Related(item.manager.ref.at(field), f"{field} is not set") for field, _ in lacks[1:])


def _spelled(path: str, field: str) -> str:
    return "/" + path if field == "merge_slashes" else "/." + path


CHECK = Check(
    code="ESM501",
    name="deny-path-not-normalized",
    severity="error",
    title="DENY on a path that another spelling passes",
    fix="set merge_slashes and normalize_path on the connection manager (Istio: pathNormalization MERGE_SLASHES)",
    find=find,
)
