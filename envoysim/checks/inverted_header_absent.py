"""An inverted header match does not take requests without the header.

## What it finds
A header matcher with `invert_match` on a value, without `treat_missing_header_as_empty`.

## Why it matters
"Not equal to `true`" reads as if a request without the header matched. It does not: when the header is missing, the
matcher fails, inverted or not. Such requests fall to later routes, or to 404 `NR`.

## Example
`headers: [{name: x-canary, string_match: {exact: "true"}, invert_match: true}]`.

## When it is harmless
A later route takes the requests without the header, and does the same.

## Fix
Set `treat_missing_header_as_empty: true`, or drop the condition from the last route.

## Source
`HeaderUtility::matchHeaders` in `source/common/http/header_utility.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg
from .base import Check
from .subject import RouteItem, Subject, origin_of
from .witness import route_request

PRESENCE = ("present_match", None)


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per inverted value matcher; an error where no later route takes what it misses."""
    for route in subject.routes:
        for i, header in enumerate(route.msg.match.headers):
            if not header.invert_match or header.treat_missing_header_as_empty or header.name.startswith(":"):
                continue
            if header.WhichOneof("header_match_specifier") in PRESENCE:
                continue
            caught = _caught_later(route)
            end = "they fall to a later route" if caught else "no later route takes them: 404 NR"
            yield CHECK.finding(
                route.ref.at("match", "headers", i),
                f"route `{route.label}` inverts (invert_match) header `{header.name}`: a request without the "
                "header does not match, "
                f"a missing header fails inverted or not; {end}",
                witness=route_request(route),
                origin=origin_of(route.msg),
                severity="info" if caught else "warning",
            )


def _caught_later(route: RouteItem) -> bool:
    return any(_takes_all(later.match, route.msg.match) for later in list(route.host.msg.routes)[route.index + 1 :])


def _takes_all(later: Msg, match: Msg) -> bool:
    if later.headers or later.query_parameters or later.HasField("grpc") or later.HasField("runtime_fraction"):
        return False
    return bool(later.WhichOneof("path_specifier") == "prefix" and later.prefix in ("/", "", match.prefix))


CHECK = Check(
    code="ESM305",
    name="inverted-match-on-absent-header",
    severity="warning",
    title="Inverted header match that misses requests without the header",
    fix="set treat_missing_header_as_empty: true on the header matcher, or drop the header condition from "
    "the last route",
    find=find,
)
