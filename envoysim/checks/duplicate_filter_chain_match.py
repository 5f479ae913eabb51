"""Two filter chains with one match.

## What it finds
Two filter chains of a listener with the same `filter_chain_match`.

## Why it matters
Envoy refuses the listener: `multiple filter chains with the same matching rules are defined`.

## Example
Two gateways for one host and port.

## When it is harmless
Never; with `filter_chain_matcher` the matches are not read and nothing is reported.

## Fix
Make the matches differ, or merge the chains.

## Source
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .subject import Chain, Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per chain that repeats an earlier one's match."""
    first: dict[tuple[int, bytes], Chain] = {}
    for chain in subject.chains:
        if chain.default or chain.listener.msg.HasField("filter_chain_matcher"):
            continue
        key = (id(chain.listener), chain.msg.filter_chain_match.SerializeToString(deterministic=True))
        other = first.setdefault(key, chain)
        if other is not chain:
            yield CHECK.finding(
                chain.ref.at("filter_chain_match"),
                f"two filter chains of listener `{chain.listener.name}` have the same match: Envoy "
                "rejects the listener",
                related=(Related(other.ref.at("filter_chain_match"), "the first one"),),
            )


CHECK = Check(
    code="ESM207",
    name="duplicate-filter-chain-match",
    severity="error",
    title="Two filter chains with one match",
    fix="make the matches differ, or merge the chains",
    find=find,
)
