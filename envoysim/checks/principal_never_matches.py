"""Policy for an identity that no certificate here has.

## What it finds
An RBAC policy all of whose identities are spelled so that no client certificate carries them: without the `spiffe://`
in front, or of a trust domain that the chain's validation does not take, or (where it takes any) of one that looks
like, but is not, the trust domain of the other identities in the dump.

## Why it matters
A principal is compared with the certificate's URI name, character by character. An ALLOW policy lets nobody in: 403
`rbac_access_denied_matched_policy[none]`; a DENY policy denies nobody.

## Example
`exact: spiffe://cluster.local/ns/web/sa/shop` in a mesh whose trust domain is `prod.example`.

## When it is harmless
The policy is for callers that are to come from another trust domain.

## Fix
Write the principal as it stands in the certificate: spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT.

## Source
`AuthenticatedMatcher` in `source/extensions/filters/common/rbac/matchers.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg, any_type, enum_name, unpack
from .base import Check
from .rbac_walk import policies_of, rbac_filters
from .subject import Manager, Subject
from .tls_walk import downstream_tls, upstream_tls

SCHEME: Final = "spiffe://"
DEFAULT_DOMAIN: Final = "cluster.local"
"""What Istio takes for the trust domain where nothing else is set."""
VALIDATOR: Final = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig"
PEER: Final = "io.istio.peer_principal"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per policy none of whose identities can occur."""
    for item, rules in rbac_filters(subject):
        deny = enum_name(rules, "action") == "DENY"
        for name, policy, place in policies_of(item, rules):
            told = list(_identities(policy, place))
            reasons = [_reason(subject, item.manager, text) for text, _ in told]
            if reasons and all(reasons):
                comes = "it denies nobody" if deny else "it allows nobody, 403 rbac_access_denied_matched_policy[none]"
                yield CHECK.finding(
                    told[0][1],
                    f"policy `{name}` ({'DENY' if deny else 'ALLOW'}) asks for principal `{told[0][0]}`, which no "
                    f"client certificate has: {reasons[0]}; {comes}",
                )


def _reason(subject: Subject, manager: Manager, text: str) -> str:
    """Say why no certificate carries an identity; empty where one may."""
    if not text.startswith(SCHEME):
        spelled = "/ns/" in text and "/sa/" in text and "://" not in text and "=" not in text
        return f"identities begin with `{SCHEME}`" if spelled else ""
    domain = _domain(text)
    taken = _taken(subject, manager)
    if not domain:
        return ""
    if taken:
        return "" if domain in taken else f"the chain takes trust domain {_list(taken)} only"
    known = _known(subject)
    if not known or domain in known:
        return ""
    if domain != DEFAULT_DOMAIN and not get_close_matches(domain, known, cutoff=0.8):
        return ""
    return f"the trust domain of the other identities here is {_list(known)}, not `{domain}`"


def _identities(policy: Msg, ref: Ref) -> Iterator[tuple[str, Ref]]:
    for i, principal in enumerate(policy.principals):
        yield from _texts(principal, ref.at("principals", i))


def _texts(principal: Msg, ref: Ref) -> Iterator[tuple[str, Ref]]:
    """Yield each identity asked for; an empty text for a principal that something else may meet."""
    kind = principal.WhichOneof("identifier")
    if kind in ("and_ids", "or_ids"):
        parts = getattr(principal, kind).ids
        found = [list(_texts(inner, ref.at(kind, "ids", i))) for i, inner in enumerate(parts)]
        if kind == "and_ids":  # one identity that cannot be is enough
            found = [part for part in found if part and all(text for text, _ in part)][:1]
        if not found:
            yield "", ref
        for part in found:
            yield from part
        return
    matcher = None
    if kind == "authenticated" and principal.authenticated.HasField("principal_name"):
        matcher = principal.authenticated.principal_name
    elif kind == "filter_state" and principal.filter_state.key == PEER:
        matcher = principal.filter_state.string_match
    if matcher is None or matcher.ignore_case or matcher.WhichOneof("match_pattern") not in ("exact", "prefix"):
        yield "", ref
    else:
        yield getattr(matcher, matcher.WhichOneof("match_pattern")), ref.at(kind)


def _domain(text: str) -> str:
    """The trust domain of a SPIFFE identity; empty where it is cut off before its end."""
    domain, slash, _ = text.removeprefix(SCHEME).partition("/")
    return domain if slash else ""


def _names(validations: Iterator[Msg]) -> list[str]:
    """The trust domains asked for; an empty one for a name that is no SPIFFE identity."""
    found: list[str] = []
    for validation in validations:
        custom = validation.custom_validator_config.typed_config
        if any_type(custom) == VALIDATOR:
            validator: Msg = unpack(custom)
            found += [domain.name for domain in validator.trust_domains]
        for name in validation.match_typed_subject_alt_names:
            text = name.matcher.exact or name.matcher.prefix
            found.append(_domain(text) if text.startswith(SCHEME) else "")
    return found


def _validations(context: Msg) -> Iterator[Msg]:
    common = context.common_tls_context
    yield common.validation_context
    yield common.combined_validation_context.default_validation_context


def _taken(subject: Subject, manager: Manager) -> list[str]:
    """The trust domains that a chain's validation takes; none where it takes any."""
    for item in downstream_tls(subject):
        if item.chain is manager.chain:
            names = _names(_validations(item.context))
            return sorted(set(names)) if all(names) else []
    return []


def _known(subject: Subject) -> list[str]:
    """The trust domains of the identities that the proxy's TLS contexts ask for."""
    found: list[str] | None = subject.memory.get("trust_domains")
    if found is None:
        names = [n for item in downstream_tls(subject) for n in _names(_validations(item.context))]
        names += [n for _, context, _ in upstream_tls(subject) for n in _names(_validations(context))]
        found = subject.memory["trust_domains"] = sorted({name for name in names if name})
    return found


def _list(domains: list[str]) -> str:
    return ", ".join(f"`{domain}`" for domain in domains)


CHECK = Check(
    code="ESM527",
    name="principal-never-matches",
    severity="warning",
    title="Policy for an identity that no certificate here has",
    fix="write the principal as it stands in the certificate: spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT",
    find=find,
)
