"""An ALLOW policy by identity on a chain where clients have none.

## What it finds
An RBAC ALLOW policy all of whose principals need a client certificate (`authenticated`, a SPIFFE identity), in a
filter chain that takes plaintext.

## Why it matters
A principal's identity comes from the client certificate of an mTLS connection. On plaintext there is none, the
principal never matches, and the request ends as 403 `rbac_access_denied_matched_policy[none]`, whoever sends it.

## Example
Istio: an AuthorizationPolicy with `principals` while the caller has no sidecar, in PERMISSIVE mode.

## When it is harmless
Callers without a certificate are meant to be refused.

## Fix
Give the caller a sidecar (mTLS), or allow it by something a plaintext request has: source address, namespace by IP
block, a header.

## Source
`AuthenticatedMatcher` in `source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import enum_name
from .base import Check
from .rbac_walk import identities
from .subject import Subject
from .witness import witness

RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy that no plaintext caller can meet."""
    for item in subject.http_filters:
        if item.type_name != RBAC or item.config is None or item.manager.chain.msg.HasField("transport_socket"):
            continue
        rules = item.config.rules
        if enum_name(rules, "action") != "ALLOW":
            continue
        for name in sorted(rules.policies):
            policy, place = rules.policies[name], item.ref.at("rules", "policies", name)
            found = list(identities(policy, place))
            if found and len(found) == len(policy.principals):
                yield CHECK.finding(
                    found[0][1],
                    f"ALLOW policy `{name}` asks for a principal (client certificate identity), but the "
                    "chain takes plaintext "
                    "(no mTLS): there is none, and callers get 403 rbac_access_denied_matched_policy[none]",
                    witness=witness(item.manager, "example.com"),
                )


CHECK = Check(
    code="ESM502",
    name="principal-on-plaintext",
    severity="warning",
    title="ALLOW by identity on a plaintext chain",
    fix="use mTLS for the caller (a sidecar), or allow it by its address or another property a plaintext request has",
    find=find,
)
