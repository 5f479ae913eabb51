"""JWT rule that never applies.

## What it finds
A rule of the JWT filter whose every request an earlier rule takes (decided exactly, as for routes).

## Why it matters
The first rule that matches decides. A rule behind `prefix: /` is dead: requests get the earlier rule's requirement,
or none.

## Example
`rules: [{match: {prefix: /}}, {match: {prefix: /admin}, requires: ...}]`.

## When it is harmless
Both rules require the same.

## Fix
Put the rule with the closer match first.

## Source
`source/extensions/filters/http/jwt_authn/filter_config.h`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import Msg
from .base import Check
from .reach import Reachability
from .route_condition import condition
from .subject import Subject

JWT = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per dead rule."""
    for item in subject.http_filters:
        if item.type_name != JWT or item.config is None or len(item.config.rules) < 2:
            continue
        rules = item.config.rules
        reach = Reachability([condition(rule.match, subject.proxy.runtime) for rule in rules])
        for i in range(1, len(rules)):
            result = reach.decide(i)
            if not result.shadowed or not result.blockers:
                continue
            alike = all(_same(rules[b], rules[i]) for b in result.blockers)
            yield CHECK.finding(
                item.ref.at("rules", i, "match"),
                f"JWT rule {i} of filter `{item.name}` never applies: rule {result.blockers[0]} takes "
                "its requests before",
                related=tuple(Related(item.ref.at("rules", b, "match"), "stands before it") for b in result.blockers),
                severity="info" if alike else None,
            )


def _same(first: Msg, second: Msg) -> bool:
    one: Msg = type(first)()
    one.CopyFrom(first)
    one.match.CopyFrom(second.match)
    return bool(one == second)


CHECK = Check(
    code="ESM505",
    name="jwt-rule-shadowed",
    severity="error",
    title="JWT rule that never applies",
    fix="put the rule with the closer match first",
    find=find,
)
