"""Which other xDS resources a resource names: what must arrive before it serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..lazy_dataclass import dataclass
from ..schema import Msg, duration_ms, enum_name, is_map, unpack

DEFAULT_FETCH_TIMEOUT_MS: Final = 15_000.0
SKIPPED: Final = frozenset({"virtual_hosts", "load_assignment", "metadata", "access_log", "filter_chain_match"})
"""Fields under which nothing is discovered, and which may be large."""
WILDCARD: Final = "*"
"""Stands for all resources of a kind: scoped routes are not asked by name."""

ON_DEMAND: Final = "on demand"
"""The source of what only a request asks for."""


@dataclass(frozen=True, slots=True)
class Reference:
    """``kind`` and ``name`` of a resource that is discovered, and where it is to be asked for.

    ``source`` is ``ads``, or words for another place; ``patient`` when nothing goes on without it, however long it
    takes (``initial_fetch_timeout`` is 0).
    """

    kind: str
    name: str
    source: str = "ads"
    patient: bool = False


def references(kind: str, message: Msg) -> Iterator[Reference]:
    """Yield what ``message`` names. Raises DecodeError when an Any inside does not hold what it says."""
    if kind == "cluster":
        if enum_name(message, "type") == "EDS":
            name = message.eds_cluster_config.service_name or message.name
            yield _reference("endpoint", name, message.eds_cluster_config.eds_config)
        yield from _inside(message, message.name)
    elif kind == "scoped_route":
        if message.route_configuration_name:
            source = ON_DEMAND if message.on_demand else "ads"
            yield Reference("route_configuration", message.route_configuration_name, source)
    elif kind == "route_configuration":
        if message.HasField("vhds"):
            yield _reference("virtual_host", f"{message.name}/*", message.vhds.config_source)
    elif kind in ("listener", "extension_config"):
        yield from _inside(message, message.name)


def _inside(message: Msg, name: str) -> Iterator[Reference]:
    """Walk a message for ``Rds``, ``ScopedRoutes``, ``SdsSecretConfig`` and ``ExtensionConfigSource``.

    ``name`` is that of the nearest message around that has one: a discovered extension is called like its filter.
    """
    full_name = message.DESCRIPTOR.full_name
    found = _FINDERS.get(full_name.rpartition(".")[2])
    if found is not None and full_name.startswith("envoy."):
        yield from found(message, name)
    if full_name == "google.protobuf.Any":
        inner = unpack(message)
        if inner is not None and inner.DESCRIPTOR.full_name != "google.protobuf.Any":
            yield from _inside(inner, name)
        return
    if full_name.startswith("google.protobuf."):
        return
    own = getattr(message, "name", "")
    name = own if isinstance(own, str) and own else name
    for field, value in message.ListFields():
        if field.message_type is None or field.name in SKIPPED:
            continue
        if is_map(field):
            if field.message_type.fields_by_name["value"].message_type is not None:
                for item in value.values():
                    yield from _inside(item, name)
        elif field.is_repeated:
            for item in value:
                yield from _inside(item, name)
        else:
            yield from _inside(value, name)


def _rds(rds: Msg, name: str) -> Iterator[Reference]:
    yield _reference("route_configuration", rds.route_config_name, rds.config_source)


def _scoped_routes(scoped: Msg, name: str) -> Iterator[Reference]:
    for scope in scoped.scoped_route_configurations_list.scoped_route_configurations:
        yield _reference("route_configuration", scope.route_configuration_name, scoped.rds_config_source)
    if scoped.HasField("scoped_rds"):
        yield _reference("scoped_route", WILDCARD, scoped.scoped_rds.scoped_rds_config_source)


def _secret(secret: Msg, name: str) -> Iterator[Reference]:
    if secret.HasField("sds_config"):
        yield _reference("secret", secret.name, secret.sds_config)


def _extension(discovery: Msg, name: str) -> Iterator[Reference]:
    if discovery.HasField("config_source"):
        default = discovery.HasField("default_config") and discovery.apply_default_config_without_warming
        found = _reference("extension_config", name, discovery.config_source)
        yield Reference(found.kind, found.name, found.source, found.patient and not default)


_FINDERS: Final[dict[str, Any]] = {
    "Rds": _rds,
    "ScopedRoutes": _scoped_routes,
    "SdsSecretConfig": _secret,
    "ExtensionConfigSource": _extension,
}


def _reference(kind: str, name: str, source: Msg) -> Reference:
    timeout = DEFAULT_FETCH_TIMEOUT_MS
    if source.HasField("initial_fetch_timeout"):
        timeout = duration_ms(source.initial_fetch_timeout)
    return Reference(kind, name, _place(source), timeout == 0)


def _place(source: Msg) -> str:
    which = source.WhichOneof("config_source_specifier")
    if which in ("ads", "self"):
        return "ads"
    if which == "path_config_source":
        return f"the file `{source.path_config_source.path}`"
    if which == "path":
        return f"the file `{source.path}`"
    for service in source.api_config_source.grpc_services:
        name = service.envoy_grpc.cluster_name or service.google_grpc.target_uri
        return f"the gRPC service `{name}`"
    names = list(source.api_config_source.cluster_names)
    return f"the service `{names[0]}`" if names else "an unnamed place"
