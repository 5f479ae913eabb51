"""Policy by an address that clients can write.

## What it finds
An RBAC policy by `remote_ip` on a connection manager that takes the client address from `x-forwarded-for`
(`use_remote_address` off).

## Why it matters
Without `use_remote_address` the last entry of `x-forwarded-for` is believed. On a port that clients reach directly
they write it themselves.

## Example
ALLOW `remote_ip: 10.0.0.0/8` on an edge listener.

## When it is harmless
Only a trusted proxy reaches the listener.

## Fix
Set use_remote_address (and xff_num_trusted_hops for the proxies in front), or compare direct_remote_ip.

## Source
`ConnectionManagerUtility::mutateRequestHeaders` in `source/common/http/conn_manager_utility.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .rbac_walk import address_principals, policies_of, rbac_filters
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy."""
    for item, rules in rbac_filters(subject):
        hcm = item.manager.msg
        if hcm.use_remote_address.value or hcm.original_ip_detection_extensions:
            continue
        for name, policy, ref in policies_of(item, rules):
            place = next(address_principals(policy, ref), None)
            if place is not None:
                yield CHECK.finding(
                    place,
                    f"policy `{name}` of listener `{item.manager.listener.name}` goes by the client address, which any "
                    "client may write into x-forwarded-for (use_remote_address is off)",
                    related=(Related(item.manager.ref.at("use_remote_address"), "not set"),),
                )


CHECK = Check(
    code="ESM516",
    name="spoofable-client-address",
    severity="warning",
    title="Policy by an address that clients can write",
    fix="set use_remote_address (and xff_num_trusted_hops for the proxies in front), or compare direct_remote_ip",
    find=find,
)
