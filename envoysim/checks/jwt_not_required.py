"""Requests without a token are let in.

## What it finds
A JWT requirement with `allow_missing` (or `allow_missing_or_failed`) on a connection manager without an RBAC
filter behind it.

## Why it matters
A token is verified if there is one; a request without one passes. In Istio a RequestAuthentication alone does
that: only an AuthorizationPolicy with `requestPrincipals` asks for a token.

## Example
`requires: {requires_any: {requirements: [{provider_name: me}, {allow_missing: {}}]}}`.

## When it is harmless
Anonymous requests are meant to pass.

## Fix
Take allow_missing out, or add an RBAC policy that asks for the token (Istio: AuthorizationPolicy
requestPrincipals).

## Source
`AllowMissingVerifierImpl` in `source/extensions/filters/http/jwt_authn/verifier.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg
from .base import Check
from .subject import Subject
from .witness import served_authority, witness

PREFIX = "envoy.extensions.filters.http."
JWT = PREFIX + "jwt_authn.v3.JwtAuthentication"
RBAC = PREFIX + "rbac.v3.RBAC"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter, at its first rule that lets everybody in."""
    guarded = {id(i.manager) for i in subject.http_filters if i.type_name == RBAC and _rules(i.config)}
    for item in subject.http_filters:
        if item.type_name != JWT or item.config is None or id(item.manager) in guarded:
            continue
        for i, rule in enumerate(item.config.rules):
            if _optional(rule.requires):
                yield CHECK.finding(
                    item.ref.at("rules", i, "requires"),
                    f"JWT rule {i} of listener `{item.manager.listener.name}` allows a missing token (allow_missing), "
                    "and no RBAC policy asks for one: requests without a token pass",
                    witness=witness(item.manager, served_authority(subject, item.manager)),
                )
                break


def _rules(config: Msg) -> bool:
    return config is not None and bool(config.HasField("rules") or config.HasField("matcher"))


def _optional(requirement: Msg) -> bool:
    kind = requirement.WhichOneof("requires_type")
    if kind == "requires_any":
        return any(_optional(r) for r in requirement.requires_any.requirements)
    return kind in ("allow_missing", "allow_missing_or_failed")


CHECK = Check(
    code="ESM520",
    name="jwt-not-required",
    severity="info",
    title="JWT that is not required",
    fix="take allow_missing out, or add an RBAC policy that asks for the token (Istio: AuthorizationPolicy "
    "requestPrincipals)",
    find=find,
)
