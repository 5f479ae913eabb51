"""Clients without a known server name are cut off.

## What it finds
A listener whose filter chains all ask for server names, without a default chain.

## Why it matters
A client that sends no server name (an IP address in the URL, a health check, plain HTTP) or another one is closed
without an answer: flag `NR`, details `filter_chain_not_found`.

## Example
An ingress gateway with one chain per host.

## When it is harmless
Only known hosts are meant to be served.

## Fix
Add a default_filter_chain, or a chain without server_names.

## Source
`source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Chain, Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per listener."""
    chains: dict[int, list[Chain]] = {}
    for chain in subject.chains:
        chains.setdefault(id(chain.listener), []).append(chain)
    for group in chains.values():
        listener = group[0].listener
        if listener.msg.HasField("filter_chain_matcher"):
            continue
        if all(not c.default and c.msg.filter_chain_match.server_names for c in group):
            yield CHECK.finding(
                listener.ref.at("default_filter_chain"),
                f"listener `{listener.name}` has no chain for clients without (or with another) server name: their "
                "connection is closed, filter_chain_not_found",
            )


CHECK = Check(
    code="ESM208",
    name="no-chain-without-sni",
    severity="info",
    title="Clients without a known server name are cut off",
    fix="add a default_filter_chain, or a chain without server_names",
    find=find,
)
