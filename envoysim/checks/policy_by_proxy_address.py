"""A policy by the address of the load balancer in front.

## What it finds
An RBAC policy by `direct_remote_ip` or `source_ip` on a connection manager that trusts proxies in front of it
(`xff_num_trusted_hops`).

## Why it matters
The connection comes from the proxy in front: its address is the same for every client. The client's own address
is in `x-forwarded-for`, which `remote_ip` reads.

## Example
Istio: `ipBlocks` instead of `remoteIpBlocks` behind a load balancer.

## When it is harmless
The policy is meant for the load balancer itself.

## Fix
Compare remote_ip (Istio: remoteIpBlocks).

## Source
`IPMatcher` in `source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..model.ref import Ref
from ..schema import Msg
from .base import Check
from .rbac_walk import policies_of, rbac_filters
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy."""
    for item, rules in rbac_filters(subject):
        hops = item.manager.msg.xff_num_trusted_hops
        for name, policy, ref in policies_of(item, rules) if hops else ():
            place = next(
                (p for i, x in enumerate(policy.principals) for p in _direct(x, ref.at("principals", i))), None
            )
            if place is not None:
                yield CHECK.finding(
                    place,
                    f"policy `{name}` goes by the address of the connection, but {hops} trusted proxies stand in "
                    "front (xff_num_trusted_hops): it sees the load balancer's address, not the client's (remote_ip)",
                    related=(Related(item.manager.ref.at("xff_num_trusted_hops"), "the proxies in front"),),
                )


def _direct(principal: Msg, ref: Ref) -> Iterator[Ref]:
    kind = principal.WhichOneof("identifier")
    if kind in ("and_ids", "or_ids"):
        for i, inner in enumerate(getattr(principal, kind).ids):
            yield from _direct(inner, ref.at(kind, "ids", i))
    elif kind in ("direct_remote_ip", "source_ip"):
        yield ref.at(kind)


CHECK = Check(
    code="ESM521",
    name="policy-by-proxy-address",
    severity="warning",
    title="Policy by the load balancer's address",
    fix="compare remote_ip (Istio: remoteIpBlocks)",
    find=find,
)
