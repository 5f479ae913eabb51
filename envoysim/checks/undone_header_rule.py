"""Header rule that another level undoes.

## What it finds
A header that a route adds and its virtual host or route configuration removes afterwards.

## Why it matters
Levels are applied route first, route configuration last (unless `most_specific_header_mutations_wins`). What a
later level removes is gone.

## Example
A route adds `x-team`, the virtual host has `request_headers_to_remove: [x-team]`.

## When it is harmless
The later level is meant to win.

## Fix
Keep the rule on one level, or set most_specific_header_mutations_wins.

## Source
`RouteEntryImplBase::finalizeRequestHeaders` in `source/common/router/config_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .header_walk import mutation_levels
from .subject import Subject, origin_of
from .witness import route_request


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per header, side and pair of levels."""
    for route, levels in mutation_levels(subject):
        for side in ("request", "response"):
            for i, first in enumerate(levels):
                added = first.added(side)
                for later in levels[i + 1 :] if added else ():
                    for name in sorted(set(added) & set(later.removed(side))):
                        yield CHECK.finding(
                            first.ref.at(f"{side}_headers_to_add"),
                            f"{side} header `{name}` that the {first.name} adds is removed by the {later.name}",
                            related=(Related(later.ref.at(f"{side}_headers_to_remove"), "removed here"),),
                            witness=route_request(route),
                            origin=origin_of(route.msg),
                        )


CHECK = Check(
    code="ESM315",
    name="undone-header-rule",
    severity="warning",
    title="Header rule that another level undoes",
    fix="keep the rule on one level, or set most_specific_header_mutations_wins",
    find=find,
)
