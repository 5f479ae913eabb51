"""What a request must prove: the tree of requirements, and the check of the tokens found.

``source/extensions/filters/http/jwt_authn/verifier.cc`` and ``authenticator.cc``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...schema import Msg
from ..jwt.signature import CannotVerify, verify_signature
from ..jwt.status import Status
from ..jwt.token import MISSING, Token, claim, parse_token
from .jwt_provider import Extractor, Found, Provider, audience_set, bare_audience, compile_extractor
from .verdicts import assume, given_verdict

if TYPE_CHECKING:
    from ..stream import Stream

VERIFICATION_STATUS_HEADER: Final = "x-jwt-signature-verified"


@dataclass(slots=True, eq=False)
class Check:
    """The check of one request: what verifiers share, and what they extract into metadata."""

    stream: Stream
    now_s: float
    by_issuer: Mapping[str, Provider]
    single: Provider | None
    """The only provider, where there is only one."""
    extracted: dict[str, object] = field(default_factory=dict)


Verifier = Callable[[Check], Status]


@dataclass(frozen=True, slots=True, eq=False)
class Requirements:
    """Compiles requirements; ``messages`` are the providers as configured."""

    providers: Mapping[str, Provider]
    messages: Mapping[str, Msg]

    def compile(self, msg: Msg, ref: Ref) -> Verifier:
        """Compile a ``JwtRequirement``; one that asks for nothing accepts everything."""
        kind = msg.WhichOneof("requires_type")
        if kind == "requires_any":
            return self._any(msg.requires_any.requirements, ref.at(kind, "requirements"))
        if kind == "requires_all":
            return _all_of(
                [self.compile(m, ref.at(kind, "requirements", i)) for i, m in enumerate(msg.requires_all.requirements)]
            )
        if kind == "provider_name":
            return self._provider(msg.provider_name, frozenset())
        if kind == "provider_and_audiences":
            named = msg.provider_and_audiences
            return self._provider(named.provider_name, audience_set(named.audiences))
        if kind in ("allow_missing", "allow_missing_or_failed"):
            return self._whoever(allow_failed=kind == "allow_missing_or_failed")
        if kind == "extract_only_without_validation":
            header = msg.extract_only_without_validation.verification_status_header.lower()
            return _extract_only(self._whoever(allow_failed=False), header or VERIFICATION_STATUS_HEADER)
        return lambda check: Status.OK

    def _provider(self, name: str, audiences: frozenset[str]) -> Verifier:
        provider = self.providers.get(name)
        if provider is None:
            return lambda check: Status.UNKNOWN_ISSUER  # Envoy rejects such a configuration
        extractor = compile_extractor([self.messages[name]])
        return lambda check: _authenticate(check, extractor, provider, audiences or provider.audiences)

    def _whoever(self, *, allow_failed: bool) -> Verifier:
        """Tokens of all providers are looked for; a missing one is fine, a bad one only with ``allow_failed``."""
        extractor = compile_extractor(list(self.messages.values()))

        def verify(check: Check) -> Status:
            status = _authenticate(check, extractor, None, frozenset(), all_tokens=True)
            return Status.OK if allow_failed or status is Status.MISSED else status

        return verify

    def _any(self, msgs: Any, ref: Ref) -> Verifier:
        kinds = {m.WhichOneof("requires_type") for m in msgs}
        children = [
            self.compile(m, ref.at(i))
            for i, m in enumerate(msgs)
            if m.WhichOneof("requires_type") not in ("allow_missing", "allow_missing_or_failed")
        ]
        allow_failed, allow_missing = "allow_missing_or_failed" in kinds, "allow_missing" in kinds
        if not children and (allow_failed or allow_missing):
            children = [self._whoever(allow_failed=allow_failed)]

        def verify(check: Check) -> Status:
            final = Status.MISSED
            for child in children:
                status = child(check)
                if status is Status.OK:
                    return status
                # An error of a provider that knows the token says more than a missing token or an unknown issuer.
                if status not in (Status.MISSED, Status.UNKNOWN_ISSUER) or final is Status.MISSED:
                    final = status
            return Status.OK if allow_failed or (allow_missing and final is Status.MISSED) else final

        return verify


def _all_of(children: list[Verifier]) -> Verifier:
    def verify(check: Check) -> Status:
        for child in children:
            status = child(check)
            if status is not Status.OK:
                return status
        return Status.OK

    return verify


def _extract_only(inner: Verifier, header: str) -> Verifier:
    def verify(check: Check) -> Status:
        if inner(check) is not Status.OK:
            check.stream.headers.set(header, "false")
        return Status.OK

    return verify


def _authenticate(
    check: Check, extractor: Extractor, wanted: Provider | None, audiences: frozenset[str], *, all_tokens: bool = False
) -> Status:
    """Check the tokens, the last one first; every one has to be good unless ``all_tokens`` only looks on."""
    stream = check.stream
    extractor.sanitize(stream.headers)
    tokens = extractor.extract(stream.headers)
    if not tokens:
        _tell_failure(check, wanted, Status.MISSED)
        return Status.MISSED
    status, clear_route = Status.OK, False
    while tokens:
        found = tokens.pop()
        provider, status = wanted, Status.OK
        token = parse_token(found.token)
        if isinstance(token, Status):
            status = token
        else:
            if found.issuers is not None and token.issuer not in found.issuers:
                status = Status.UNKNOWN_ISSUER
            elif provider is None:
                provider = check.by_issuer.get(token.issuer) or check.by_issuer.get("")
            if status is Status.OK:
                status = _verify(check, provider, token, audiences if wanted is not None else None)
        if status is Status.OK:
            assert provider is not None
            assert isinstance(token, Token)
            clear_route |= _use(check, provider, token, found)
        else:
            _tell_failure(check, provider, status)
            if not all_tokens:
                break
    if clear_route:
        stream.clear_route_cache()
    return status


DECIDES: Final = {
    Status.UNKNOWN_ISSUER: "issuer",
    Status.AUDIENCE_NOT_ALLOWED: "audiences",
    Status.FETCH_FAIL: "remote_jwks",
}
"""The provider's field that refuses a token."""


def _tell_failure(check: Check, provider: Provider | None, status: Status) -> None:
    known = provider or check.single
    if known is not None and known.failed_status_in_metadata:
        check.extracted[known.failed_status_in_metadata] = {"code": status.code, "message": status.message}
    ref = None
    if provider is not None:
        ref = provider.ref.at(DECIDES[status]) if status in DECIDES else provider.ref
    name = provider.name if provider is not None else "any provider"
    check.stream.telling.step("http filter", ref, "jwt_authn, {}: {}", name, status.message)


def _verify(check: Check, provider: Provider | None, token: Token, audiences: frozenset[str] | None) -> Status:
    """Check times, audience, subject, lifetime and signature, in this order."""
    if provider is None:
        return Status.UNKNOWN_ISSUER
    status = token.time_status(check.now_s, provider.clock_skew_s)
    if status is not Status.OK:
        return status
    allowed = provider.audiences if audiences is None else audiences
    if allowed and not any(bare_audience(a) in allowed for a in token.audiences):
        return Status.AUDIENCE_NOT_ALLOWED
    if provider.subjects is not None and not provider.subjects.matches(token.subject):
        return Status.VERIFICATION_FAIL
    lifetime = provider.max_lifetime_s
    if lifetime is not None and (not token.expires or token.expires - check.now_s >= lifetime):
        return Status.VERIFICATION_FAIL
    if provider.keys is None:
        return _without_keys(check, provider)
    if not provider.keys:
        return Status.NO_VALID_KEYS
    try:
        return verify_signature(token, provider.keys)
    except CannotVerify:
        note = f"{token.alg} signatures are not checked without `envoysim[jwt]`: taken as valid"
        assume(check.stream, provider.ref, note)
        return Status.OK


def _without_keys(check: Check, provider: Provider) -> Status:
    """The keys are elsewhere: the user decides, else the signature counts as valid."""
    stream = check.stream
    if provider.remote_cluster and stream.proxy.cluster(provider.remote_cluster) is None:
        return Status.FETCH_FAIL
    given = given_verdict(stream, "jwt_authn")
    if given is None:
        assume(
            stream,
            provider.ref,
            f"the keys of provider `{provider.name}` are not in the dump: its tokens are taken as valid",
        )
        return Status.OK
    return {"allow": Status.OK, "error": Status.FETCH_FAIL}.get(given.word, Status.VERIFICATION_FAIL)


def _use(check: Check, provider: Provider, token: Token, found: Found) -> bool:
    """Pass on what the token says (``handleGoodJwt``); tell whether the route may change by it."""
    headers = check.stream.headers
    if provider.forward_payload_header:
        text = token.payload_text.rstrip("=") if not provider.pad_forward_payload_header else token.payload_text
        if provider.pad_forward_payload_header:
            text += "=" * (-len(text) % 4)
        headers.add(provider.forward_payload_header, text)
    added = False
    for header, path in provider.claim_to_headers:
        value = claim_text(claim(token.payload, path))
        if value:
            headers.add(header, value)
            added = True
    if not provider.forward:
        found.remove(headers)
    if provider.header_in_metadata:
        check.extracted[provider.header_in_metadata] = dict(token.header)
    if provider.payload_in_metadata:
        check.extracted[provider.payload_in_metadata] = _normalized(token.payload, provider.space_delimited_claims)
    check.stream.telling.step(
        "http filter", provider.ref, "jwt_authn, {}: the token of `{}` is good", provider.name, token.subject
    )
    return provider.clear_route_cache and (added or bool(provider.payload_in_metadata))


def _normalized(payload: Mapping[str, Any], claims: tuple[str, ...]) -> dict[str, Any]:
    split = {name: payload[name].split() for name in claims if isinstance(payload.get(name), str)}
    return {**payload, **split}


def claim_text(value: Any) -> str:
    """Write a claim as a header's value (``addJWTClaimToHeader``); lists and objects as base64 of their JSON."""
    if value is MISSING or value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        number = float(value)
        return str(int(number)) if 0 <= number < 2.0**64 and number.is_integer() else f"{number:f}"
    text = json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)
    # Protobuf's JSON printer escapes what could end a script element.
    text = text.replace("<", "\\u003c").replace(">", "\\u003e")
    return base64.b64encode(text.encode()).decode()


def _plain(value: Any) -> Any:
    """Numbers are doubles: whole ones are written without a fraction."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value
