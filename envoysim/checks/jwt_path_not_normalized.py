"""Token check that a differently written path passes.

## What it finds
A JWT filter that asks for a token below some path and lets other paths pass without one, on a connection manager
that does not normalize paths or merge slashes.

## Why it matters
`//admin` or `/./admin` is not below `/admin`: no rule matches, no token is asked for, and many backends serve it as
`/admin`.

## Example
`rules: [{match: {prefix: /admin}, requires: ...}]` and no `merge_slashes`.

## When it is harmless
The backend treats the spellings as different resources.

## Fix
Set normalize_path and merge_slashes on the connection manager, or require a token for everything else too.

## Source
`source/common/http/path_utility.cc`, `source/extensions/filters/http/jwt_authn`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import Msg
from .base import Check
from .subject import Subject
from .witness import witness

JWT = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per rule that another spelling passes by."""
    for item in subject.http_filters:
        if item.type_name != JWT or item.config is None:
            continue
        hcm = item.manager.msg
        lacks = [
            n
            for n, there in (("merge_slashes", hcm.merge_slashes), ("normalize_path", hcm.normalize_path.value))
            if not there
        ]
        if not lacks:
            continue
        rules = item.config.rules
        if any(_all(rule.match) and (rule.HasField("requires") or rule.requirement_name) for rule in rules):
            continue  # what is not below a path needs a token as well
        for i, rule in enumerate(rules):
            match = rule.match
            path = match.prefix or match.path or match.path_separated_prefix
            if len(path) > 1 and (rule.HasField("requires") or rule.requirement_name):
                spelled = "/" + path if lacks[0] == "merge_slashes" else "/." + path
                yield CHECK.finding(
                    item.ref.at("rules", i, "match"),
                    f"JWT rule on `{path}` is passed by `{spelled}`: the connection manager lacks "
                    f"{' and '.join(lacks)}",
                    related=(Related(item.manager.ref.at(lacks[0]), "not set"),),
                    witness=witness(item.manager, "example.com", spelled),
                )
                break


def _all(match: Msg) -> bool:
    return match.WhichOneof("path_specifier") == "prefix" and match.prefix in ("", "/") and not match.headers


CHECK = Check(
    code="ESM506",
    name="jwt-path-not-normalized",
    severity="error",
    title="Token check that a differently written path passes",
    fix="set normalize_path and merge_slashes on the connection manager, or require a token for everything else too",
    find=find,
)
