"""A route: what it asks of a request, and what it does with it (``RouteEntryImplBase``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, message_class
from .cluster_specifier import PerFilterConfig, compile_level, per_filter_config
from .headers import HeaderMutations
from .metadata import filter_metadata
from .redirect import DirectResponse, Redirect, compile_direct_response, compile_redirect
from .route_forward import Forward, Inherited, compile_forward
from .route_match import RouteMatch, compile_route_match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .proxy import Proxy

Action = Redirect | DirectResponse | Forward


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A compiled ``Route``; ``metadata`` and ``typed_per_filter_config`` are keyed by filter name."""

    ref: Ref
    name: str
    match: RouteMatch | None
    """``None`` for the redirect that ``require_tls`` makes."""
    action: Action
    metadata: Mapping[str, object]
    typed_per_filter_config: PerFilterConfig
    request_mutations: HeaderMutations | None = None
    response_mutations: HeaderMutations | None = None
    stat_prefix: str = ""

    @property
    def rewrites_location(self) -> bool:
        """Tell redirects that come from configuration from the one of ``require_tls``."""
        return isinstance(self.action, Redirect) and not self.action.tls


def compile_route(msg: Msg, ref: Ref, inherited: Inherited, proxy: Proxy) -> Route:
    """Compile ``msg`` found at ``ref``; ``inherited`` is what its virtual host gives."""
    match = compile_route_match(msg.match, ref.at("match"))
    return Route(
        ref,
        msg.name,
        match,
        _compile_action(msg, ref, match, inherited, proxy),
        filter_metadata(msg),
        per_filter_config(msg, ref),
        compile_level(msg.request_headers_to_add, msg.request_headers_to_remove, ref, "request_headers_to_add"),
        compile_level(msg.response_headers_to_add, msg.response_headers_to_remove, ref, "response_headers_to_add"),
        msg.stat_prefix,
    )


def _compile_action(msg: Msg, ref: Ref, match: RouteMatch, inherited: Inherited, proxy: Proxy) -> Action:
    kind = msg.WhichOneof("action")
    if kind == "redirect":
        return compile_redirect(msg.redirect, match.path, ref.at("redirect"))
    if kind == "direct_response":
        return compile_direct_response(msg.direct_response, ref.at("direct_response"))
    # `non_forwarding_action` and `filter_action` make a forwarding route without cluster.
    action = msg.route if kind == "route" else message_class("envoy.config.route.v3.RouteAction")()
    return compile_forward(msg, action, ref.at(kind or "route"), match.path, inherited, proxy)


__all__ = ["Action", "DirectResponse", "Forward", "Redirect", "Route", "compile_route"]
