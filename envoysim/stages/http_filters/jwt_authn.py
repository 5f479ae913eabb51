"""JWT authentication (``source/extensions/filters/http/jwt_authn/filter.cc`` and ``filter_config.cc``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.query_parameter_matcher import parse_query
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...model.trace import Rejected
from ...schema import Msg
from ..jwt.status import Status
from ..retry_state import EPOCH_S
from ..route_match import RouteMatch, compile_route_match, is_connect
from .base import DecoderOnly, FilterModule, Verdict
from .jwt_provider import Provider, compile_extractor, compile_provider, providers_by_issuer
from .jwt_verifier import Check, Requirements, Verifier
from .original_uri import original_uri

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

NAMESPACE: Final = "envoy.filters.http.jwt_authn"
_BLANKS: Final = str.maketrans(dict.fromkeys(" \t\f\v\n\r", "_"))


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A requirement for the requests that ``match``; without a verifier they pass."""

    ref: Ref
    match: RouteMatch
    verifier: Verifier | None

    def failure(self, headers: HeaderMap, path: str) -> str:
        """Say what does not match; "" if everything does. Of a ``RouteMatch`` path, headers and query count."""
        match = self.match
        if match.path.kind == "connect_matcher":
            if not is_connect(headers):
                return "the request is not CONNECT"
        elif not match.path.matches(path.partition("?")[0].partition("#")[0]):
            return f"path `{path}` is not {match.path}"
        for header in match.headers:
            if not header.matches(headers):
                return header.explain(headers)
        if match.query_parameters:
            params = parse_query(path)
            for parameter in match.query_parameters:
                if not parameter.matches(params):
                    return parameter.explain(params)
        return ""


@dataclass(frozen=True, slots=True)
class PerRoute:
    """A route's choice among the named requirements: ``None`` switches the filter off."""

    ref: Ref
    requirement_name: str | None


@dataclass(frozen=True, slots=True, eq=False)
class JwtAuthn(DecoderOnly):
    """The compiled filter."""

    ref: Ref
    providers: Mapping[str, Provider]
    by_issuer: Mapping[str, Provider]
    rules: tuple[Rule, ...]
    named: Mapping[str, Verifier]
    filter_state_name: str
    by_filter_state: Mapping[str, Verifier]
    bypass_cors_preflight: bool
    strip_failure_response: bool
    stat_prefix: str
    sanitized: tuple[str, ...]
    """Headers only this filter may set: clients' own are dropped from every request, also where no token is needed."""

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Find what the request must prove, and check it."""
        headers = stream.headers
        for header in self.sanitized:
            headers.remove(header)
        if self.bypass_cors_preflight and _is_preflight(headers):
            self._count(stream, "cors_preflight_bypassed")
            return self._allow(stream, self.ref, "a CORS preflight needs no token")
        if overrides:
            route = overrides[-1]
            assert isinstance(route, PerRoute)
            ref, name = route.ref, route.requirement_name
            if name is None:
                return self._allow(stream, ref, "the route needs no token")
            verifier = self.named.get(name)
            if verifier is None:
                return self._unknown_requirement(stream, ref, name)
            return self._verify(stream, ref, verifier)
        rejected: list[Rejected] = []
        found = self._find_rule(stream, rejected)
        losers = partial(tuple[Rejected, ...], rejected)
        if found is None:
            return self._allow(stream, self.ref, "no rule matches, no token is needed", losers)
        ref, chosen = found
        if chosen is None:
            return self._allow(stream, ref, "the rule needs no token", losers)
        if stream.telling.explain:
            stream.telling.step("http filter", ref, "jwt_authn: the rule for this request", losers=losers)
        return self._verify(stream, ref, chosen)

    def _find_rule(self, stream: Stream, rejected: list[Rejected]) -> tuple[Ref, Verifier | None] | None:
        """Return the first rule that matches; ``rejected`` collects those that do not, if it is asked for."""
        headers, explain = stream.headers, stream.telling.explain
        path = headers.get(":path") or ""
        for rule in self.rules:
            failure = rule.failure(headers, path)
            if not failure:
                return rule.ref, rule.verifier
            if explain:
                rejected.append(Rejected(rule.ref, failure))
        if self.filter_state_name:
            name = self.filter_state_name
            value = stream.filter_state.get(name, stream.connection.filter_state.get(name))
            verifier = self.by_filter_state.get(str(value)) if value is not None else None
            if verifier is not None:
                return self.ref.at("filter_state_rules", "requires", str(value)), verifier
        return None

    def _verify(self, stream: Stream, ref: Ref, verifier: Verifier) -> Verdict:
        uri = original_uri(stream.headers)
        single = next(iter(self.providers.values())) if len(self.providers) == 1 else None
        check = Check(stream, EPOCH_S + stream.state.now_ms / 1000, self.by_issuer, single)
        status = verifier(check)
        if check.extracted:
            stream.metadata.setdefault(NAMESPACE, {}).update(check.extracted)
        if status is Status.OK:
            return self._allow(stream, ref, "the requirement is met")
        self._count(stream, "denied")
        stream.telling.step("http filter", ref, "jwt_authn refuses the request: {}", status.message)
        code = 403 if status is Status.AUDIENCE_NOT_ALLOWED else 401
        if self.strip_failure_response:
            return LocalReply(code, _details(status.message))
        challenge = f'Bearer realm="{uri}"' + ("" if status is Status.MISSED else ', error="invalid_token"')
        return LocalReply(code, _details(status.message), status.message, headers=(("www-authenticate", challenge),))

    def _unknown_requirement(self, stream: Stream, ref: Ref, name: str) -> LocalReply:
        self._count(stream, "denied")
        why = f"Wrong requirement_name: {name}. It should be one of [{','.join(sorted(self.named))}]"
        stream.telling.step("http filter", ref, "jwt_authn refuses the request: {}", why)
        return LocalReply(
            403, _details(why), "" if self.strip_failure_response else f"Failed JWT authentication: {why}"
        )

    def _allow(
        self, stream: Stream, ref: Ref, why: str, losers: Callable[[], tuple[Rejected, ...]] | None = None
    ) -> Verdict:
        self._count(stream, "allowed")
        stream.telling.step("http filter", ref, "jwt_authn: {}", why, losers=losers)
        return None

    def _count(self, stream: Stream, name: str) -> None:
        stream.telling.count(f"http.{stream.hcm.stat_prefix}.jwt_authn.{self.stat_prefix}{name}")


def _details(message: str) -> str:
    return f"jwt_authn_access_denied{{{message.translate(_BLANKS)}}}"


def _is_preflight(headers: HeaderMap) -> bool:
    return (
        headers.get(":method") == "OPTIONS"
        and bool(headers.get("origin"))
        and bool(headers.get("access-control-request-method"))
    )


def _compile(msg: Msg, ref: Ref, proxy: Proxy) -> JwtAuthn:
    names = sorted(msg.providers)
    providers = {name: compile_provider(name, msg.providers[name], ref.at("providers", name)) for name in names}
    messages = {name: msg.providers[name] for name in names}
    requirements = Requirements(providers, messages)
    named = {
        name: requirements.compile(msg.requirement_map[name], ref.at("requirement_map", name))
        for name in msg.requirement_map
    }
    rules = msg.filter_state_rules
    return JwtAuthn(
        ref,
        providers,
        providers_by_issuer(providers),
        tuple(_compile_rule(rule, ref.at("rules", i), requirements, named) for i, rule in enumerate(msg.rules)),
        named,
        rules.name,
        {
            key: requirements.compile(rules.requires[key], ref.at("filter_state_rules", "requires", key))
            for key in rules.requires
        },
        msg.bypass_cors_preflight,
        msg.strip_failure_response,
        msg.stat_prefix,
        compile_extractor(list(messages.values())).sanitized,
    )


def _compile_rule(rule: Msg, ref: Ref, requirements: Requirements, named: Mapping[str, Verifier]) -> Rule:
    kind = rule.WhichOneof("requirement_type")
    verifier: Verifier | None = None
    if kind == "requires":
        verifier = requirements.compile(rule.requires, ref.at("requires"))
    elif kind == "requirement_name":
        verifier = named.get(rule.requirement_name)
    return Rule(ref, compile_route_match(rule.match, ref.at("match")), verifier)


def _compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> PerRoute:
    return PerRoute(ref, None if msg.disabled else msg.requirement_name)


MODULE: Final = FilterModule(
    "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
    _compile,
    ("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig",),
    _compile_per_route,
)
