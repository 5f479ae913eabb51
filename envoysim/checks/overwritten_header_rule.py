"""Header value that a less specific level overwrites.

## What it finds
A header that a route sets and its virtual host or route configuration overwrites.

## Why it matters
The last writer wins, and by default that is the least specific level: the value of the route is lost.

## Example
`OVERWRITE_IF_EXISTS_OR_ADD` of `x-env` on the route and on the virtual host.

## When it is harmless
The values are the same.

## Fix
Set most_specific_header_mutations_wins on the route configuration, or set the header on one level only.

## Source
`HeaderParser::evaluateHeaders` in `source/common/router/header_parser.cc`.
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
        if route.host.table.msg.most_specific_header_mutations_wins:
            continue
        for side in ("request", "response"):
            for i, first in enumerate(levels):
                added = first.added(side)
                for later in levels[i + 1 :] if added else ():
                    for name in sorted(set(added) & set(later.overwritten(side))):
                        yield CHECK.finding(
                            first.ref.at(f"{side}_headers_to_add"),
                            f"{side} header `{name}` that the {first.name} sets is overwritten by the {later.name}",
                            related=(Related(later.ref.at(f"{side}_headers_to_add"), "overwritten here"),),
                            witness=route_request(route),
                            origin=origin_of(route.msg),
                        )


CHECK = Check(
    code="ESM316",
    name="overwritten-header-rule",
    severity="warning",
    title="Header value that a less specific level overwrites",
    fix="set most_specific_header_mutations_wins on the route configuration, or set the header on one level only",
    find=find,
)
