"""API keys (``source/extensions/filters/http/api_key_auth/api_key_auth.cc``).

Admin dumps redact keys and clients: then a key that is there is taken as valid, unless the user says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.cookie_matcher import iterate_cookies, parse_cookies
from ...match.query_parameter_matcher import parse_and_decode_query
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg
from .base import DecoderOnly, FilterModule, Verdict
from .data_source import REDACTED
from .query_params import remove_param
from .verdicts import assume, given_verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

BEARER: Final = "Bearer "
FAILED: Final = "Client authentication failed."


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a key may be: ``kind`` is ``header``, ``query`` or ``cookie``."""

    kind: str
    name: str

    def read(self, headers: HeaderMap) -> str:
        """Return the key, "" for none."""
        if self.kind == "header":
            return (headers.get(self.name) or "").removeprefix(BEARER)
        if self.kind == "query":
            return parse_and_decode_query(headers.get(":path") or "").get(self.name, "")
        return parse_cookies(headers).get(self.name, "")

    def remove(self, headers: HeaderMap) -> None:
        """Take the key out of the request."""
        if self.kind == "header":
            headers.remove(self.name)
        elif self.kind == "query":
            headers.set(":path", remove_param(headers.get(":path") or "", self.name))
        else:
            kept = [f"{name}={value}" for name, value in iterate_cookies(headers) if name != self.name]
            headers.remove("cookie")
            if kept:
                headers.set("cookie", "; ".join(kept))


@dataclass(frozen=True, slots=True)
class ApiKeyConfig:
    """The filter's settings or a route's; ``None`` where a field is not set: the filter's counts then."""

    ref: Ref
    credentials: Mapping[str, str] | None
    key_sources: tuple[KeySource, ...] | None
    forwarding: tuple[str, bool] | None
    """The header for the client's name, and whether keys are taken out of the request."""
    allowed_clients: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ApiKeyAuth(DecoderOnly):
    """The compiled filter."""

    config: ApiKeyConfig

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Find the key, its client, and whether the route lets the client in."""
        route = overrides[-1] if overrides else None
        default, headers = self.config, stream.headers
        credentials, sources, forwarding = default.credentials, default.key_sources, default.forwarding
        ref = default.ref
        if isinstance(route, ApiKeyConfig):
            ref = route.ref
            credentials = credentials if route.credentials is None else route.credentials
            sources = route.key_sources or sources
            forwarding = route.forwarding or forwarding
        if not sources:
            return _deny(stream, ref, 401, "missing_key_sources", "there are no key sources")
        if credentials is None:
            return _deny(stream, ref, 401, "missing_credentials", "there are no credentials")
        key = next((found for source in sources if (found := source.read(headers))), "")
        if not key:
            return _deny(stream, ref, 401, "missing_api_key", "the request has no key")
        client = _unknown_client(stream, ref, credentials) if REDACTED in credentials else credentials.get(key)
        if client is None:
            return _deny(stream, ref, 401, "unknown_api_key", "no client has the key")
        if isinstance(route, ApiKeyConfig) and route.allowed_clients and client not in route.allowed_clients:
            if client != REDACTED:
                return _deny(stream, ref, 403, "client_not_allowed", f"client `{client}` is not among the allowed ones")
            assume(stream, ref, "the key's client is not in the dump: taken as one of the allowed ones")
        if forwarding is not None:
            header, hide = forwarding
            if header:
                headers.set(header, client)
            if hide:
                for source in sources:
                    source.remove(headers)
        stream.telling.count(f"http.{stream.hcm.stat_prefix}.api_key_auth.allowed")
        stream.telling.step("http filter", ref, "api_key_auth: client `{}`", client)
        return None


def _unknown_client(stream: Stream, ref: Ref, credentials: Mapping[str, str]) -> str | None:
    """The keys are redacted: the user decides, else the key counts as valid."""
    given = given_verdict(stream, "api_key_auth")
    if given is None:
        assume(stream, ref, "the credentials are redacted in the dump: the key is taken as valid")
        return credentials[REDACTED]
    return (given.rest or credentials[REDACTED]) if given.word == "allow" else None


def _deny(stream: Stream, ref: Ref, status: int, details: str, why: str) -> LocalReply:
    telling = stream.telling
    word = "unauthorized" if status == 401 else "forbidden"
    telling.count(f"http.{stream.hcm.stat_prefix}.api_key_auth.{word}")
    telling.step("http filter", ref, "api_key_auth refuses the request: {}", why)
    return LocalReply(status, details, FAILED if status == 401 else "Client is forbidden.")


def _compile_config(msg: Msg, ref: Ref, allowed_clients: Sequence[str] = ()) -> ApiKeyConfig:
    sources = tuple(_compile_source(source) for source in msg.key_sources)
    return ApiKeyConfig(
        ref,
        {c.key: c.client for c in msg.credentials} or None,
        sources or None,
        (msg.forwarding.header.lower(), msg.forwarding.hide_credentials) if msg.HasField("forwarding") else None,
        frozenset(allowed_clients),
    )


def _compile_source(msg: Msg) -> KeySource:
    if msg.header:
        return KeySource("header", msg.header.lower())
    return KeySource("query", msg.query) if msg.query else KeySource("cookie", msg.cookie)


def _compile(msg: Msg, ref: Ref, proxy: Proxy) -> ApiKeyAuth:
    return ApiKeyAuth(_compile_config(msg, ref))


def _compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> ApiKeyConfig:
    return _compile_config(msg, ref, msg.allowed_clients)


MODULE: Final = FilterModule(
    "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
    _compile,
    ("envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",),
    _compile_per_route,
)
