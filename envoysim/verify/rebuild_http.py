"""Connection managers for the real Envoy on loopback: route configurations inline, filters that run alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..load.dump import Dump
from .v3_json import holds_unknown, v3_json, with_content, without_unknown

if TYPE_CHECKING:
    from .rebuild import Rebuilt

Json = dict[str, Any]
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
}
# Kept HTTP filters, by package: in every public build, calling nobody, and modelled.
KEPT = frozenset(
    """router fault rbac cors csrf local_ratelimit buffer health_check header_mutation header_to_metadata set_metadata
    set_filter_state compressor grpc_web grpc_stats grpc_http1_bridge grpc_http1_reverse_bridge basic_auth api_key_auth
    jwt_authn stateful_session composite match_delegate cdn_loop custom_response decompressor on_demand""".split()
)
CALLERS = ("remote_jwks", "'sds_config'", "'http_service'", "'grpc_service'")
"""Fields that make a filter of ``KEPT`` call another service."""
GONE = (
    "access_log",
    "access_log_options",
    "request_id_extension",
    "http3_protocol_options",
    "typed_header_validation_config",
)


def package(entry: Json) -> str:
    """Return the package of an extension: ``rbac`` of ``envoy.extensions.filters.http.rbac.v3.RBAC``."""
    kind = str(entry.get("typed_config", {}).get("@type", "")).rsplit("/", 1)[-1]
    if kind == "envoy.extensions.common.matching.v3.ExtensionWithMatcher":
        return "match_delegate"
    parts = kind.split(".")
    return parts[4] if parts[:3] == ["envoy", "extensions", "filters"] and len(parts) > 5 else kind


def discovered(dump: Dump, entry: Json) -> Json:
    """Put an ECDS configuration in the place of its discovery."""
    if "config_discovery" not in entry:
        return entry
    resource = dump.extension_configs.get(entry.get("name", ""))
    inner = v3_json(resource).get("typed_config") if resource is not None else None
    config = inner or entry["config_discovery"].get("default_config", {})
    kept = {k: v for k, v in entry.items() if k != "config_discovery"}
    return {**kept, "typed_config": config}


def rebuild_manager(dump: Dump, hcm: Json, listener: str, made: Rebuilt) -> None:
    """Make a connection manager runnable, in place."""
    for gone in GONE:
        hcm.pop(gone, None)
    if hcm.pop("tracing", None) is not None:
        made.change(f"listener `{listener}`: tracing taken out")
    hcm["stat_prefix"] = hcm.get("stat_prefix") or "envoysim"
    hcm["delayed_close_timeout"] = "0.05s"
    _inline_routes(dump, hcm, listener, made)
    lost: list[str] = []
    files: list[str] = []
    cleaned = {key: value for key, value in hcm.items() if key not in ("http_filters", "upgrade_configs")}
    hcm.update(with_content(without_unknown(cleaned, lost), files))
    for key in set(cleaned) & set(lost):
        hcm.pop(key, None)
    for name in dict.fromkeys(lost):
        made.change(f"listener `{listener}`: `{name}` taken out: its type is unknown")
    for name in dict.fromkeys(files):
        made.change(f"listener `{listener}`: the content of `{name}` is made up")
    for table in tables(hcm):
        table.pop("@type", None)
        table.pop("vhds", None)
        table["validate_clusters"] = False
    hcm["http_filters"] = _filters(dump, hcm.get("http_filters", []), listener, made)
    for upgrade in hcm.get("upgrade_configs", []):
        if "filters" in upgrade:
            upgrade["filters"] = _filters(dump, upgrade["filters"], listener, made)
    _drop_overrides(hcm)


def _inline_routes(dump: Dump, hcm: Json, listener: str, made: Rebuilt) -> None:
    rds = hcm.pop("rds", None)
    if rds is not None:
        name = rds.get("route_config_name", "")
        resource = dump.route_configurations.get(name)
        if resource is None:
            made.change(f"listener `{listener}`: route configuration `{name}` is absent")
        hcm["route_config"] = v3_json(resource) if resource is not None else {"name": "absent"}
    scoped = hcm.get("scoped_routes")
    if scoped is not None and "scoped_rds" in scoped:
        del scoped["scoped_rds"]
        scoped["scoped_route_configurations_list"] = {"scoped_route_configurations": _scopes(dump, scoped)}
    if scoped is not None:
        scoped.pop("rds_config_source", None)
    if not any(kind in hcm for kind in ("route_config", "scoped_routes")):
        hcm["route_config"] = {"name": "absent"}


def _scopes(dump: Dump, scoped: Json) -> list[Json]:
    scopes = []
    for resource in dump.scoped_routes.get(scoped.get("name", ""), ()):
        scope = v3_json(resource)
        table = dump.route_configurations.get(scope.pop("route_configuration_name", ""))
        if "route_configuration" not in scope and table is not None:
            scope["route_configuration"] = v3_json(table)
        if "route_configuration" in scope:
            scopes.append(scope)
    return scopes


def _filters(dump: Dump, entries: list[Json], listener: str, made: Rebuilt) -> list[Json]:
    kept = []
    for raw in entries:
        entry = discovered(dump, raw)
        if _runs(entry):
            entry.pop("is_optional", None)
            kept.append(entry)
        else:
            made.change(f"listener `{listener}`: http filter `{entry.get('name')}` taken out")
    if not kept or package(kept[-1]) != "router":
        made.change(f"listener `{listener}`: a router put at the end of the http filters")
        kept = [*(entry for entry in kept if package(entry) != "router"), ROUTER]
    return kept


def _runs(entry: Json) -> bool:
    if package(entry) not in KEPT or holds_unknown(entry):
        return False
    text = str(entry)
    return "'filename'" not in text and not any(word in text for word in CALLERS)


def _drop_overrides(hcm: Json) -> None:
    """Per-route configurations of filters that are gone are never read, but Envoy would check them."""
    names = {entry.get("name") for entry in hcm["http_filters"]}
    for level in _levels(hcm):
        configs = level.get("typed_per_filter_config", {})
        for name in [n for n in configs if n not in names or holds_unknown(configs[n])]:
            del configs[name]


def tables(hcm: Json) -> Iterator[Json]:
    """The route configurations of a rebuilt connection manager."""
    if "route_config" in hcm:
        yield hcm["route_config"]
    listed = hcm.get("scoped_routes", {}).get("scoped_route_configurations_list", {})
    for scope in listed.get("scoped_route_configurations", []):
        if "route_configuration" in scope:
            yield scope["route_configuration"]


def _levels(value: Any) -> Iterator[Json]:
    """Every level that may carry ``typed_per_filter_config``, wherever it is."""
    if isinstance(value, list):
        for item in value:
            yield from _levels(item)
    elif isinstance(value, dict):
        if "typed_per_filter_config" in value:
            yield value
        for item in value.values():
            yield from _levels(item)
