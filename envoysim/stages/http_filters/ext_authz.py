"""External authorization (``source/extensions/filters/http/ext_authz/ext_authz.cc``).

An HTTP service is asked through its cluster, whose endpoints may be scripted like any other. What a gRPC service
decides has to be said (``verdicts``); else it is taken as allowing everything, and a note says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.value_matcher import MetadataMatcher, compile_metadata_matcher
from ...model.ref import Ref
from ...model.reply import Aborted, LocalReply, Response
from ...schema import Msg, new
from ..async_client import ask
from ..runtime import ALL, RuntimeFraction, compile_runtime_fraction
from .base import FilterModule, Verdict
from .buffer import MAX_FRAME
from .ext_authz_service import (
    DEFAULT_TIMEOUT_MS,
    ERROR,
    CheckResult,
    HttpService,
    NameTest,
    compile_http_service,
    compile_name_test,
)
from .grpc_service import GrpcService, compile_grpc_service
from .verdicts import assume, given_verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Story, Stream

CHECK: Final = "/envoy.service.auth.v3.Authorization/Check"
NAMESPACE: Final = "envoy.filters.http.ext_authz"
FAILURE_MODE_ALLOWED: Final = "x-envoy-auth-failure-mode-allowed"
TOO_LARGE: Final = LocalReply(413, "request_payload_too_large", "Payload Too Large")


@dataclass(frozen=True, slots=True)
class BodySettings:
    """How much of the body the service sees."""

    max_request_bytes: int
    allow_partial: bool


@dataclass(frozen=True, slots=True, eq=False)
class PerRoute:
    """A route's settings; the service and the body settings replace the filter's."""

    ref: Ref
    disabled: bool
    service: HttpService | None
    grpc: GrpcService | None
    body: BodySettings | None
    no_body: bool


@dataclass(frozen=True, slots=True, eq=False)
class ExtAuthz:
    """The compiled filter. ``service`` is ``None`` for a gRPC service, which is ``grpc``."""

    ref: Ref
    key: str
    service: HttpService | None
    grpc: GrpcService
    disallowed: NameTest
    body: BodySettings | None
    failure_mode_allow: bool
    failure_mode_allow_header_add: bool
    shadow_mode: bool
    clear_route_cache: bool
    status_on_error: int
    filter_enabled: RuntimeFraction
    enabled_metadata: MetadataMatcher | None
    deny_at_disable: tuple[str, bool] | None
    ingests_metadata: bool
    max_denied_body: int
    stat_prefix: str
    has_mutation_rules: bool

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Ask the service, unless there is no route or the filter is off for this request."""
        route = overrides[-1] if overrides else None
        if stream.route is None or (isinstance(route, PerRoute) and route.disabled):
            stream.telling.step("http filter", self.ref, "ext_authz is skipped: no route, or disabled on it")
            return None
        if not self._enabled(stream):
            return self._disabled(stream)
        return self._check(stream, route if isinstance(route, PerRoute) else None)

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Add what the service wants the client to get."""
        result = stream.facts.get(self.key)
        if isinstance(result, CheckResult):
            for name, value in result.response_headers_to_add:
                response.headers.add(name, value)
        return None

    def _enabled(self, stream: Stream) -> bool:
        drawn = self.filter_enabled
        if drawn is not ALL and not drawn.enabled(stream.proxy.runtime, stream.world, f"filter_enabled of {self.ref}"):
            return False
        return self.enabled_metadata is None or self.enabled_metadata.matches(stream.metadata)

    def _disabled(self, stream: Stream) -> LocalReply | None:
        self._count(stream, "disabled")
        deny = self.deny_at_disable
        if deny is None or not stream.proxy.runtime.boolean(*deny) or self.shadow_mode:
            stream.telling.step("http filter", self.ref, "ext_authz is not enabled for this request")
            return None
        stream.telling.step(
            "http filter", self.ref.at("deny_at_disable"), "ext_authz is not enabled for this request: deny_at_disable"
        )
        return LocalReply(self.status_on_error, "ext_authz_error", "", ("UAEX",))

    def _check(self, stream: Stream, route: PerRoute | None) -> Verdict:
        settings = self.body
        if route is not None:
            settings = None if route.no_body else route.body or settings
        body, partial = "", None
        if settings is not None and stream.body and not stream.upgrade:
            data = stream.body.encode()
            # HTTP/2: data that ends the request is never kept back, so no limit is met.
            whole = stream.protocol == "HTTP/2" and len(data) <= MAX_FRAME and not len(stream.trailers)
            if len(data) > settings.max_request_bytes and not settings.allow_partial and not whole:
                at, words = self.ref.at("with_request_body", "max_request_bytes"), "body of {} bytes, at most {}: 413"
                stream.telling.step("http filter", at, "ext_authz: " + words, len(data), settings.max_request_bytes)
                return TOO_LARGE
            body = data[: settings.max_request_bytes].decode("utf-8", "replace")
            partial = "true" if len(data) > settings.max_request_bytes else "false"
        given = given_verdict(stream, "ext_authz")
        if given is not None:
            word = {"allow": "ok", "deny": "denied"}.get(given.word, "error")
            return self._apply(stream, CheckResult(word, given.status or 403))
        service, grpc = self.service, self.grpc
        if route is not None and route.service is not None:
            service = route.service
        elif route is not None and route.grpc is not None:
            service, grpc = None, route.grpc
        cluster = grpc.cluster if service is None else service.service.cluster
        if cluster and stream.proxy.cluster(cluster) is None:
            stream.telling.step("http filter", self.ref, "ext_authz: there is no cluster `{}`", cluster)
            return self._apply(stream, ERROR)
        if service is None:
            return self._ask_grpc(stream, grpc)
        return self._ask(stream, service, body, partial)

    def _ask_grpc(self, stream: Stream, grpc: GrpcService) -> Story[LocalReply | Aborted | Response | None]:
        failure = yield from grpc.failure(stream)
        return self._apply(stream, CheckResult("ok", assumed=True) if failure is None else ERROR)

    def _ask(
        self, stream: Stream, service: HttpService, body: str, partial: str | None
    ) -> Story[LocalReply | Aborted | Response | None]:
        headers = service.check_headers(stream, self.disallowed, body, partial)
        stream.telling.step("http filter", service.ref, "ext_authz asks cluster `{}`", service.service.cluster)
        started_ms = stream.state.now_ms
        response = yield from ask(stream, service.service, headers, body)
        result = CheckResult("ok", assumed=True) if response is None else service.read_answer(response)
        if result.dynamic_metadata and result.word == "ok":
            result.dynamic_metadata["ext_authz_duration"] = int(stream.state.now_ms - started_ms)
        return self._apply(stream, result)

    def _apply(self, stream: Stream, result: CheckResult) -> LocalReply | None:
        telling = stream.telling
        if result.assumed:
            assume(stream, self.ref, "what the authorization service decides is not known: taken as allowing")
        if result.dynamic_metadata and self.ingests_metadata:
            stream.metadata.setdefault(NAMESPACE, {}).update(result.dynamic_metadata)
        self._count(stream, result.word)
        if result.word == "ok":
            telling.step("http filter", self.ref, "ext_authz allows the request")
            self._allow(stream, result)
            return None
        if self.shadow_mode:
            telling.step(
                "http filter", self.ref, "ext_authz would not allow the request (shadow_mode): {}", result.word
            )
            return None
        if result.word == "denied":
            telling.step("http filter", self.ref, "ext_authz denies the request: {}", result.status)
            body = result.body.encode()[: self.max_denied_body].decode() if self.max_denied_body else result.body
            return LocalReply(result.status, "ext_authz_denied", body, ("UAEX",), tuple(result.headers_to_set))
        return self._on_error(stream)

    def _on_error(self, stream: Stream) -> LocalReply | None:
        if not self.failure_mode_allow:
            words = "ext_authz got no decision, and failure_mode_allow is off: {}"
            stream.telling.step("http filter", self.ref.at("failure_mode_allow"), words, self.status_on_error)
            return LocalReply(self.status_on_error, "ext_authz_error", "", ("UAEX",))
        self._count(stream, "failure_mode_allowed")
        at = self.ref.at("failure_mode_allow")
        stream.telling.step("http filter", at, "ext_authz got no decision: allowed by failure_mode_allow")
        if self.failure_mode_allow_header_add:
            stream.headers.add(FAILURE_MODE_ALLOWED, "true")
        return None

    def _allow(self, stream: Stream, result: CheckResult) -> None:
        headers = stream.headers
        if self.has_mutation_rules and (result.headers_to_set or result.headers_to_add or result.headers_to_remove):
            stream.telling.note(self.ref.at("decoder_header_mutation_rules"), "mutation rules are not modelled")
        if self.clear_route_cache and (result.headers_to_set or result.headers_to_remove):
            stream.clear_route_cache()
        for name, value in result.headers_to_set:
            headers.set(name, value)
        for name, value in result.headers_to_add:
            headers.add(name, value)
        for name in result.headers_to_remove:
            if name[0] != ":" and name != "host":
                headers.remove(name)
        if result.response_headers_to_add:
            stream.facts[self.key] = result

    def _count(self, stream: Stream, name: str) -> None:
        stream.telling.count(f"http.{stream.hcm.stat_prefix}.ext_authz.{self.stat_prefix}{name}")


def _compile_body(msg: Msg) -> BodySettings:
    return BodySettings(msg.max_request_bytes, msg.allow_partial_message)


def _compile(msg: Msg, ref: Ref, proxy: Proxy) -> ExtAuthz:
    http = msg.WhichOneof("services") == "http_service"
    deny = msg.deny_at_disable
    return ExtAuthz(
        ref,
        f"ext_authz:{ref}",
        compile_http_service(
            msg.http_service, msg.allowed_headers, ref.at("http_service"), ref.at("allowed_headers"), proxy
        )
        if http
        else None,
        compile_grpc_service(msg.grpc_service, CHECK, DEFAULT_TIMEOUT_MS, ref.at("grpc_service"), proxy),
        compile_name_test(msg.disallowed_headers, ref.at("disallowed_headers")),
        _compile_body(msg.with_request_body) if msg.HasField("with_request_body") else None,
        msg.failure_mode_allow,
        msg.failure_mode_allow_header_add,
        getattr(msg, "shadow_mode", False),
        msg.clear_route_cache,
        msg.status_on_error.code or 403,
        compile_runtime_fraction(msg.filter_enabled, ref.at("filter_enabled"))
        if msg.HasField("filter_enabled")
        else ALL,
        compile_metadata_matcher(msg.filter_enabled_metadata, ref.at("filter_enabled_metadata"))
        if msg.HasField("filter_enabled_metadata")
        else None,
        (deny.runtime_key, deny.default_value.value) if msg.HasField("deny_at_disable") else None,
        msg.enable_dynamic_metadata_ingestion.value if msg.HasField("enable_dynamic_metadata_ingestion") else True,
        getattr(msg, "max_denied_response_body_bytes", 0),
        f"{msg.stat_prefix}." if msg.stat_prefix else "",
        msg.HasField("decoder_header_mutation_rules"),
    )


def _compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> PerRoute:
    settings, at = msg.check_settings, ref.at("check_settings")
    kind = settings.WhichOneof("service_override")
    service = None
    if kind == "http_service":
        # Which headers are sent is the override's own business: it does not see the filter's lists.
        no_list = new("envoy.type.matcher.v3.ListStringMatcher")
        service = compile_http_service(settings.http_service, no_list, at.at(kind), at, proxy)
    return PerRoute(
        ref,
        msg.disabled,
        service,
        compile_grpc_service(settings.grpc_service, CHECK, DEFAULT_TIMEOUT_MS, at.at(kind), proxy)
        if kind == "grpc_service"
        else None,
        _compile_body(settings.with_request_body) if settings.HasField("with_request_body") else None,
        settings.disable_request_body_buffering,
    )


MODULE: Final = FilterModule(
    "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    _compile,
    ("envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",),
    _compile_per_route,
)
