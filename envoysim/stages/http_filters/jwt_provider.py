"""A provider of tokens: where they are looked for, and what is done with good ones.

``source/extensions/filters/http/jwt_authn/extractor.cc`` and ``jwks_cache.cc``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from ...lazy_dataclass import dataclass
from ...match.cookie_matcher import parse_cookies
from ...match.query_parameter_matcher import parse_and_decode_query
from ...match.string_matcher import StringMatcher, compile_string_matcher
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...schema import Msg, duration_ms
from ..jwt.jwks import Key, parse_jwks
from .data_source import read_data_source
from .query_params import remove_param

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_CLOCK_SKEW_S: Final = 60
_TOKEN_START: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """A compiled ``JwtProvider``. ``keys`` is ``None`` where the dump does not have them."""

    ref: Ref
    name: str
    issuer: str
    audiences: frozenset[str]
    subjects: StringMatcher | None
    max_lifetime_s: float | None
    keys: tuple[Key, ...] | None
    remote_cluster: str
    clock_skew_s: int
    forward: bool
    forward_payload_header: str
    pad_forward_payload_header: bool
    payload_in_metadata: str
    space_delimited_claims: tuple[str, ...]
    header_in_metadata: str
    failed_status_in_metadata: str
    claim_to_headers: tuple[tuple[str, str], ...]
    """(header, claim)."""
    clear_route_cache: bool


def compile_provider(name: str, msg: Msg, ref: Ref) -> Provider:
    """Compile ``msg``."""
    lifetime = math.inf if msg.require_expiration else None
    if msg.HasField("max_lifetime"):
        lifetime = duration_ms(msg.max_lifetime) / 1000
    remote = msg.WhichOneof("jwks_source_specifier") == "remote_jwks"
    text = None if remote else read_data_source(msg.local_jwks)
    return Provider(
        ref,
        name,
        msg.issuer,
        audience_set(msg.audiences),
        compile_string_matcher(msg.subjects, ref.at("subjects")) if msg.HasField("subjects") else None,
        lifetime,
        None if text is None else parse_jwks(text),
        msg.remote_jwks.http_uri.cluster if remote else "",
        msg.clock_skew_seconds or DEFAULT_CLOCK_SKEW_S,
        msg.forward,
        msg.forward_payload_header.lower(),
        msg.pad_forward_payload_header,
        msg.payload_in_metadata,
        tuple(msg.normalize_payload_in_metadata.space_delimited_claims),
        msg.header_in_metadata,
        msg.failed_status_in_metadata,
        tuple((c.header_name.lower(), c.claim_name) for c in msg.claim_to_headers),
        msg.clear_route_cache,
    )


def audience_set(audiences: Iterable[str]) -> frozenset[str]:
    """Reduce audiences to what is compared."""
    return frozenset(map(bare_audience, audiences))


def bare_audience(audience: str) -> str:
    """Cut scheme and one trailing slash off (``sanitizeAudience``)."""
    for scheme in ("http://", "https://"):
        if audience.startswith(scheme):
            audience = audience[len(scheme) :]
            break
    return audience.removesuffix("/")


class Found(NamedTuple):
    """A token in a request: where it was, and the issuers that may be there (``None``: any)."""

    token: str
    issuers: frozenset[str] | None
    kind: str
    place: str

    def remove(self, headers: HeaderMap) -> None:
        """Take the token out of the request; cookies stay."""
        if self.kind == "header":
            headers.remove(self.place)
        elif self.kind == "param":
            headers.set(":path", remove_param(headers.get(":path") or "", self.place))


@dataclass(frozen=True, slots=True, eq=False)
class Extractor:
    """Where tokens of one or several providers are; every place in the order of its name."""

    headers: tuple[tuple[str, str, frozenset[str] | None], ...]
    """(header, value prefix, issuers)."""
    params: tuple[tuple[str, frozenset[str] | None], ...]
    cookies: tuple[tuple[str, frozenset[str] | None], ...]
    sanitized: tuple[str, ...]
    """Headers that only this filter may set."""

    def sanitize(self, headers: HeaderMap) -> None:
        """Drop what a client may have forged."""
        for name in self.sanitized:
            headers.remove(name)

    def extract(self, headers: HeaderMap) -> list[Found]:
        """Return every token of the request."""
        tokens = []
        for name, prefix, issuers in self.headers:
            for value in headers.get_all(name):
                if prefix:
                    start = value.find(prefix)
                    if start < 0:
                        continue
                    value = _token_after(value, start + len(prefix))
                tokens.append(Found(value, issuers, "header", name))
        if self.params:
            query = parse_and_decode_query(headers.get(":path") or "")
            tokens += [Found(query[name], issuers, "param", name) for name, issuers in self.params if name in query]
        if self.cookies:
            cookies = parse_cookies(headers)
            tokens += [
                Found(cookies[name], issuers, "cookie", name) for name, issuers in self.cookies if name in cookies
            ]
        return tokens


def _token_after(value: str, start: int) -> str:
    """Skip what cannot begin a token; a value without one is taken whole."""
    for position in range(start, len(value)):
        if value[position] in _TOKEN_START:
            return value[position:]
    return value


Places = dict[tuple[str, str], list[str]]


def compile_extractor(providers: Sequence[Msg]) -> Extractor:
    """Collect the places of ``providers``; one without places of its own has the default ones."""
    headers: Places = {}
    params: Places = {}
    cookies: Places = {}
    sanitized: list[str] = []
    for msg in providers:
        if not (msg.from_headers or msg.from_params or msg.from_cookies):
            headers.setdefault(("authorization", "Bearer "), []).append(msg.issuer)
            params.setdefault(("access_token", ""), []).append(msg.issuer)
        for header in msg.from_headers:
            headers.setdefault((header.name.lower(), header.value_prefix), []).append(msg.issuer)
        for name in msg.from_params:
            params.setdefault((name, ""), []).append(msg.issuer)
        for name in msg.from_cookies:
            cookies.setdefault((name, ""), []).append(msg.issuer)
        if msg.forward_payload_header:
            sanitized.append(msg.forward_payload_header.lower())
        sanitized += [c.header_name.lower() for c in msg.claim_to_headers]
    return Extractor(
        tuple((*key, _issuers(headers[key])) for key in sorted(headers, key="".join)),
        tuple((key[0], _issuers(params[key])) for key in sorted(params)),
        tuple((key[0], _issuers(cookies[key])) for key in sorted(cookies)),
        tuple(sanitized),
    )


def _issuers(listed: list[str]) -> frozenset[str] | None:
    """A provider without issuer takes tokens of any."""
    return None if "" in listed else frozenset(listed)


def providers_by_issuer(providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
    """Index the providers; the first of several with one issuer counts."""
    found: dict[str, Provider] = {}
    for provider in providers.values():
        found.setdefault(provider.issuer, provider)
    return found
