"""A virtual host: which route of it a request gets (``VirtualHostImpl::getRouteFromEntries``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.header_matcher import HeaderMatcher, compile_header_matchers
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..model.trace import Rejected
from ..schema import Msg, any_type, enum_name, unpack
from .cluster_specifier import NO_CONFIG, PerFilterConfig, compile_level, per_filter_config
from .headers import HeaderMutations
from .matcher_inputs import HTTP_INPUTS
from .matcher_tree import MatcherTree, compile_matcher_tree
from .metadata import filter_metadata
from .mirror import MirrorPolicy, compile_mirror_policies
from .redirect import Redirect
from .retry import compile_retry_policy
from .route import Route
from .route_forward import Inherited, RateLimits, optional_uint
from .route_list import RouteList
from .route_match import remember

if TYPE_CHECKING:
    from .proxy import Proxy
    from .stream import Stream

ROUTE: Final = "envoy.config.route.v3.Route"
ROUTE_LIST: Final = "envoy.config.route.v3.RouteList"
NOT_ADMITTED: Final = "not_admitted"
"""``Stream.facts`` key: the connection manager refused the request before it completed the headers."""


@dataclass(frozen=True, slots=True)
class VirtualCluster:
    """A name for a class of requests: statistics only."""

    name: str
    headers: tuple[HeaderMatcher, ...]


@dataclass(frozen=True, slots=True, eq=False)
class VirtualHost:
    """A compiled ``VirtualHost``. ``require_tls`` is ``NONE``, ``EXTERNAL_ONLY`` or ``ALL``."""

    ref: Ref
    name: str
    require_tls: str
    routes: RouteList
    matcher: MatcherTree[RouteList] | None
    tls_redirect: Route
    metadata: Mapping[str, object]
    typed_per_filter_config: PerFilterConfig
    request_mutations: HeaderMutations | None
    response_mutations: HeaderMutations | None
    virtual_clusters: tuple[VirtualCluster, ...] = ()
    rate_limits: RateLimits | None = None
    cors: Msg | None = None
    cors_ref: Ref | None = None
    notes: tuple[tuple[Ref, str], ...] = field(default=())

    def find_route(self, stream: Stream) -> Route | None:
        """Choose the route; ``require_tls`` comes before all of them."""
        headers, telling = stream.headers, stream.telling
        for ref, note in self.notes:
            telling.note(ref, note)
        protocol = headers.get("x-forwarded-proto")
        if not protocol:
            if NOT_ADMITTED not in stream.facts:
                telling.step("route", self.ref, "no route: the request has no x-forwarded-proto")
            return None
        if self._redirects_to_tls(protocol, headers):
            telling.step("route", self.tls_redirect.ref, "require_tls {}: `{}`", self.require_tls, protocol)
            return self.tls_redirect
        routes = self.routes
        if self.matcher is not None:
            found = self.matcher.match(stream)
            if found is None:
                _tell_no_branch(self.matcher, stream)
                return None
            routes = found.action
        return _first(routes, self.ref, stream)

    def _redirects_to_tls(self, protocol: str, headers: HeaderMap) -> bool:
        if self.require_tls == "NONE" or protocol == "https":
            return False
        return self.require_tls == "ALL" or headers.get("x-envoy-internal") != "true"

    def virtual_cluster(self, headers: HeaderMap) -> str | None:
        """Name the request's virtual cluster; the catch-all one has no name."""
        for cluster in self.virtual_clusters:
            if all(matcher.matches(headers) for matcher in cluster.headers):
                return cluster.name
        return None


def _first(routes: RouteList, ref: Ref, stream: Stream) -> Route | None:
    found = routes.find(stream)
    telling = stream.telling
    asked = remember(stream) if telling.explain else None
    if found is None:
        telling.step(
            "route",
            ref,
            "none of {} routes matches",
            len(routes),
            losers=None if asked is None else lambda: routes.explain(asked, len(routes)),
        )
        return None
    position, route = found
    assert route.match is not None
    telling.step(
        "route",
        route.ref,
        "route `{}`: {}" if route.name else "{1}",
        route.name,
        route.match,
        losers=None if asked is None else lambda: routes.explain(asked, position),
    )
    return route


def _tell_no_branch(matcher: MatcherTree[RouteList], stream: Stream) -> None:
    asked = remember(stream) if stream.telling.explain else None

    def losers() -> tuple[Rejected, ...]:
        return tuple(Rejected(ref, reason) for ref, reason in matcher.explain(asked))

    stream.telling.step("route", matcher.ref, "no branch of the matcher leads to a route", losers=losers)


def compile_virtual_host(
    msg: Msg,
    ref: Ref,
    proxy: Proxy,
    *,
    mirrors: tuple[MirrorPolicy, ...] = (),
    plugins: Mapping[str, Msg] | None = None,
    cut_parameters: bool = False,
) -> VirtualHost:
    """Compile ``msg``; ``mirrors`` and ``plugins`` are the route configuration's."""
    inherited = _inherited(msg, ref, proxy, mirrors, plugins)
    refs = [ref.at("routes", i) for i in range(len(msg.routes))]
    routes = RouteList(msg.routes, refs, inherited, cut_parameters, proxy)

    def action(config: Msg, at: Ref) -> RouteList:
        return _compile_action(config, at.at("typed_config"), inherited, cut_parameters, proxy)

    matcher = (
        compile_matcher_tree(msg.matcher, ref.at("matcher"), HTTP_INPUTS, action) if msg.HasField("matcher") else None
    )
    notes = list(matcher.notes) if matcher is not None else []
    if "route_specifiers" in msg.DESCRIPTOR.fields_by_name and msg.route_specifiers:
        notes.append((ref.at("route_specifiers"), "route specifiers are not modelled"))
    redirect = Redirect(ref.at("require_tls"), 301, tls=True)
    return VirtualHost(
        ref,
        msg.name,
        enum_name(msg, "require_tls"),
        routes,
        matcher,
        Route(redirect.ref, "", None, redirect, {}, NO_CONFIG),
        filter_metadata(msg),
        per_filter_config(msg, ref),
        compile_level(msg.request_headers_to_add, msg.request_headers_to_remove, ref, "request_headers_to_add"),
        compile_level(msg.response_headers_to_add, msg.response_headers_to_remove, ref, "response_headers_to_add"),
        tuple(
            VirtualCluster(v.name, compile_header_matchers(v.headers, ref.at("virtual_clusters", i, "headers")))
            for i, v in enumerate(msg.virtual_clusters)
        ),
        RateLimits(ref.at("rate_limits"), tuple(msg.rate_limits)) if msg.rate_limits else None,
        msg.cors if msg.HasField("cors") else None,
        ref.at("cors") if msg.HasField("cors") else None,
        tuple(notes),
    )


def _inherited(
    msg: Msg, ref: Ref, proxy: Proxy, mirrors: tuple[MirrorPolicy, ...], plugins: Mapping[str, Msg] | None
) -> Inherited:
    own = compile_mirror_policies(msg.request_mirror_policies, ref.at("request_mirror_policies"))
    return Inherited(
        compile_retry_policy(msg.retry_policy, ref.at("retry_policy"), proxy) if msg.HasField("retry_policy") else None,
        msg.hedge_policy if msg.HasField("hedge_policy") else None,
        own or mirrors,
        optional_uint(msg, "request_body_buffer_limit"),
        optional_uint(msg, "per_request_buffer_limit_bytes"),
        msg.include_request_attempt_count,
        msg.include_attempt_count_in_response,
        msg.include_is_timeout_retry_header,
        plugins,
    )


def _compile_action(config: Msg, ref: Ref, inherited: Inherited, cut_parameters: bool, proxy: Proxy) -> RouteList:
    """A ``Route`` action is a list of one: its own match still counts."""
    inner, kind = unpack(config.typed_config), any_type(config.typed_config)
    if inner is not None and kind == ROUTE:
        return RouteList([inner], [ref], inherited, cut_parameters, proxy)
    if inner is not None and kind == ROUTE_LIST:
        refs = [ref.at("routes", i) for i in range(len(inner.routes))]
        return RouteList(list(inner.routes), refs, inherited, cut_parameters, proxy)
    return RouteList([], [], inherited, cut_parameters, proxy)
