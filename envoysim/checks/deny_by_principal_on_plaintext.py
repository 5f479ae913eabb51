"""A DENY policy by identity on a chain where clients have none.

## What it finds
An RBAC DENY policy all of whose principals need a client certificate (`authenticated`), in a filter chain that
takes plaintext.

## Why it matters
On plaintext there is no certificate, the principal never matches, and nobody is denied: the caller that the
policy names passes by speaking plaintext.

## Example
Istio: a DENY AuthorizationPolicy with `principals` in PERMISSIVE mode.

## When it is harmless
Callers without a certificate are refused by another policy.

## Fix
Require mTLS on the chain (Istio: PeerAuthentication STRICT), or deny by something a plaintext request has.

## Source
`AuthenticatedMatcher` in `source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .rbac_walk import identities, policies_of, rbac_filters
from .subject import Subject
from .witness import served_authority, witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy that denies nobody on plaintext."""
    for item, rules in rbac_filters(subject):
        if enum_name(rules, "action") != "DENY" or item.manager.chain.msg.HasField("transport_socket"):
            continue
        for name, policy, ref in policies_of(item, rules):
            found = list(identities(policy, ref))
            if found and len(found) == len(policy.principals):
                yield CHECK.finding(
                    found[0][1],
                    f"DENY policy `{name}` asks for a principal (client certificate identity), but the chain takes "
                    "plaintext (no mTLS): it never denies there",
                    witness=witness(item.manager, served_authority(subject, item.manager)),
                )


CHECK = Check(
    code="ESM518",
    name="deny-by-principal-on-plaintext",
    severity="warning",
    title="DENY by identity on a plaintext chain",
    fix="require mTLS on the chain (Istio: PeerAuthentication STRICT), or deny by something a plaintext request has",
    find=find,
)
