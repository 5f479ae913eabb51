"""HTTP filters: the literal table of those that are modelled.

A row names the type of the filter's configuration and the module that has its ``FilterModule``; a module is imported
when a configuration first uses it. Two more tables
list the filters that change nothing (``passthrough``) and those that are not modelled (``unmodelled``).
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .base import FilterModule

PREFIX: Final = "envoy.extensions.filters.http."

FILTERS: Final[tuple[tuple[str, str], ...]] = (
    (PREFIX + "api_key_auth.v3.ApiKeyAuth", "api_key_auth"),
    (PREFIX + "basic_auth.v3.BasicAuth", "basic_auth"),
    (PREFIX + "buffer.v3.Buffer", "buffer"),
    (PREFIX + "cdn_loop.v3.CdnLoopConfig", "cdn_loop"),
    (PREFIX + "composite.v3.Composite", "composite"),
    (PREFIX + "compressor.v3.Compressor", "compressor"),
    (PREFIX + "cors.v3.Cors", "cors"),
    (PREFIX + "credential_injector.v3.CredentialInjector", "credential_injector"),
    (PREFIX + "csrf.v3.CsrfPolicy", "csrf"),
    (PREFIX + "custom_response.v3.CustomResponse", "custom_response"),
    (PREFIX + "decompressor.v3.Decompressor", "decompressor"),
    (PREFIX + "dynamic_forward_proxy.v3.FilterConfig", "dynamic_forward_proxy"),
    (PREFIX + "ext_authz.v3.ExtAuthz", "ext_authz"),
    (PREFIX + "ext_proc.v3.ExternalProcessor", "ext_proc"),
    (PREFIX + "fault.v3.HTTPFault", "fault"),
    (PREFIX + "filter_chain.v3.FilterChainConfig", "filter_chain"),
    (PREFIX + "grpc_http1_bridge.v3.Config", "grpc_http1_bridge"),
    (PREFIX + "grpc_http1_reverse_bridge.v3.FilterConfig", "grpc_http1_reverse_bridge"),
    (PREFIX + "grpc_web.v3.GrpcWeb", "grpc_web"),
    (PREFIX + "header_mutation.v3.HeaderMutation", "header_mutation"),
    (PREFIX + "header_to_metadata.v3.Config", "header_to_metadata"),
    (PREFIX + "health_check.v3.HealthCheck", "health_check"),
    (PREFIX + "ip_tagging.v3.IPTagging", "ip_tagging"),
    (PREFIX + "json_to_metadata.v3.JsonToMetadata", "json_to_metadata"),
    (PREFIX + "jwt_authn.v3.JwtAuthentication", "jwt_authn"),
    (PREFIX + "kill_request.v3.KillRequest", "kill_request"),
    (PREFIX + "local_ratelimit.v3.LocalRateLimit", "local_ratelimit"),
    (PREFIX + "ratelimit.v3.RateLimit", "ratelimit"),
    (PREFIX + "rbac.v3.RBAC", "rbac"),
    (PREFIX + "router.v3.Router", "router"),
    (PREFIX + "set_filter_state.v3.Config", "set_filter_state"),
    (PREFIX + "set_metadata.v3.Config", "set_metadata"),
    (PREFIX + "stateful_session.v3.StatefulSession", "stateful_session"),
    ("envoy.extensions.common.matching.v3.ExtensionWithMatcher", "match_delegate"),
)
"""(full name of the configuration's type, module below this package)."""

TABLES: Final = ("passthrough", "unmodelled")
"""Modules with a table of many filters each: those that change nothing, and those that are not modelled."""

_MODULES: Final = dict(FILTERS)


@cache
def find_filter(type_name: str) -> FilterModule | None:
    """Return the filter whose configuration is of type ``type_name``; ``None`` for one that is not known."""
    name = _MODULES.get(type_name)
    for candidate in TABLES if name is None else (name,):
        module = import_module(f"{__name__}.{candidate}")
        rows: tuple[FilterModule, ...] = getattr(module, "MODULES", None) or (module.MODULE,)
        for row in rows:
            if row.type_name == type_name:
                return row
    return None
