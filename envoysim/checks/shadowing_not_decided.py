"""Whether a route can be reached was not decided.

## What it finds
A route for which the exact answer falls outside of what is compared: an earlier matcher of an unknown kind, a regex
with a word boundary or a Unicode class, an automaton that grows too large.

## Why it matters
The route may be dead without ESM301 saying so. Silence would look like an answer.

## Example
A route with a word boundary (`safe_regex` with a backslash and `b`) before one with `prefix: /api`.

## When it is harmless
The route is known to work.

## Fix
Write the matcher in a simpler way, or try a request with `envoysim trace`.

## Source
`RouteMatcher::getRouteFromEntries` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .host_reach import host_reaches
from .subject import Subject

OWN_CHOICE = ("dynamic_metadata", "filter_state", "runtime key")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per undecided route, less those that wait for a filter's or an operator's word."""
    for host in host_reaches(subject):
        for i, result in enumerate(host.results):
            if result.undecided and not any(word in result.undecided for word in OWN_CHOICE):
                route = host.routes[i]
                yield CHECK.finding(
                    route.ref.at("match"),
                    f"not decided whether a request can reach route `{route.label}`: {result.undecided}",
                )


CHECK = Check(
    code="ESM308",
    name="shadowing-not-decided",
    severity="info",
    title="Route whose reachability was not decided",
    fix="write the matchers before it in a simpler way, or try a request with `envoysim trace`",
    find=find,
)
