"""The sections of ``/config_dump``: where each kind of resource stands, and in which state.

Source: api/envoy/admin/v3/config_dump.proto and config_dump_shared.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..lazy_dataclass import dataclass
from ..model.outcome import Note
from ..model.ref import Ref
from ..schema import type_name
from .lazy import Node, elements, expected, get, is_list, is_object, key_of, text
from .resource import Notes, Resource
from .shelf import Entry, Shelf


@dataclass(frozen=True, slots=True)
class Row:
    """A list in a section: each element holds the resource in ``field``; ``item`` names the element's own type."""

    section: str
    list: str
    item: str
    field: str
    kind: str
    state: str


ROWS: Final = (
    Row("ListenersConfigDump", "static_listeners", "StaticListener", "listener", "listener", "static"),
    Row("ListenersConfigDump", "dynamic_listeners", "DynamicListener", "listener", "listener", "dynamic"),
    Row("ListenersConfigDump", "dynamic_active_listeners", "", "listener", "listener", "active"),
    Row("ListenersConfigDump", "dynamic_warming_listeners", "", "listener", "listener", "warming"),
    Row("ListenersConfigDump", "dynamic_draining_listeners", "", "listener", "listener", "draining"),
    Row("ClustersConfigDump", "static_clusters", "StaticCluster", "cluster", "cluster", "static"),
    Row("ClustersConfigDump", "dynamic_active_clusters", "DynamicCluster", "cluster", "cluster", "active"),
    Row("ClustersConfigDump", "dynamic_warming_clusters", "", "cluster", "cluster", "warming"),
    Row(
        "RoutesConfigDump", "static_route_configs", "StaticRouteConfig", "route_config", "route_configuration", "static"
    ),
    Row(
        "RoutesConfigDump",
        "dynamic_route_configs",
        "DynamicRouteConfig",
        "route_config",
        "route_configuration",
        "active",
    ),
    Row(
        "EndpointsConfigDump",
        "static_endpoint_configs",
        "StaticEndpointConfig",
        "endpoint_config",
        "endpoint",
        "static",
    ),
    Row(
        "EndpointsConfigDump",
        "dynamic_endpoint_configs",
        "DynamicEndpointConfig",
        "endpoint_config",
        "endpoint",
        "active",
    ),
    Row("SecretsConfigDump", "static_secrets", "StaticSecret", "secret", "secret", "static"),
    Row("SecretsConfigDump", "dynamic_active_secrets", "DynamicSecret", "secret", "secret", "active"),
    Row("SecretsConfigDump", "dynamic_warming_secrets", "", "secret", "secret", "warming"),
    Row("EcdsConfigDump", "ecds_filters", "EcdsFilterConfig", "ecds_filter", "extension_config", "active"),
)
STATES: Final = (("active_state", "active"), ("warming_state", "warming"), ("draining_state", "draining"))
PROBLEMS: Final = {
    "warming": "not ready: it waits for something it depends on",
    "draining": "removed or replaced: it takes no new connections and ends those it has",
}
SCOPED: Final = (
    ("inline_scoped_route_configs", "InlineScopedRouteConfigs", "static"),
    ("dynamic_scoped_route_configs", "DynamicScopedRouteConfigs", "active"),
)


def section_resources(section: Node, ref: Ref, notes: Notes) -> Iterator[Entry]:
    """Yield the resources of one element of ``configs``: a section, or one item of a ``?resource=`` dump."""
    name = type_name(text(section, "@type"))
    parts = name.split(".")
    if parts[:3] not in (["envoy", "admin", "v3"], ["envoy", "admin", "v2alpha"]):
        yield from _bare(section, name, ref, notes)
        return
    if parts[3] == "BootstrapConfigDump":
        bootstrap = get(section, "bootstrap")
        if is_object(bootstrap):
            yield Resource("bootstrap", "bootstrap", ref.at("bootstrap"), "static", bootstrap, notes)
        return
    known = False
    for row in ROWS:
        if row.section != parts[3]:
            continue
        known = True
        if len(parts) == 4:
            yield from _row(section, row, ref, notes)
        elif row.item == parts[4]:
            yield from _item(section, row, ref, (), notes)
    if parts[3] == "ScopedRoutesConfigDump":
        yield from _scoped(section, parts, ref, notes)
    elif not known:
        notes.append(Note(ref, f"unknown section `{name}`"))


def _row(section: Node, row: Row, ref: Ref, notes: Notes) -> Iterator[Entry]:
    items = get(section, row.list)
    if not is_list(items) or not len(items):
        return

    def make(index: int, item: Node) -> Iterator[Resource]:
        return _item(item, row, ref, (row.list, index), notes)

    if row.state == "dynamic":  # the states differ from element to element
        rejected: set[str] = set()
        for index, item in enumerate(items):
            for resource in make(index, item):
                if resource.state == "error":  # Envoy lists the rejected update of a listener that it has twice
                    if resource.name in rejected:
                        continue
                    rejected.add(resource.name)
                yield resource
        return
    yield Shelf(row.kind, row.state, ref.source, items, _name_at(items[0], row), make)


def _name_at(item: Node, row: Row) -> tuple[str, str]:
    """Tell how a list's first element spells where its name is."""
    name = "cluster_name" if row.kind == "endpoint" else "name"
    if not is_object(item):
        return row.field, name
    resource = get(item, row.field)
    return key_of(item, row.field), key_of(resource, name) if is_object(resource) else name


def _bare(section: Node, name: str, ref: Ref, notes: Notes) -> Iterator[Resource]:
    """A masked or hand-made dump may hold resources themselves."""
    from .resource import TYPES

    for kind, full in TYPES.items():
        if full == name:
            yield Resource(kind, resource_name(section, kind), ref, "active", section, notes)
            return
    notes.append(Note(ref, f"unknown section `{name}`" if name else "a section without `@type`"))


def _item(item: Node, row: Row, ref: Ref, at: tuple[str | int, ...], notes: Notes) -> Iterator[Resource]:
    if not is_object(item):
        notes.append(Note(ref.at(*at), "not an object: skipped"))
        return
    if row.state != "dynamic":
        resource = expected(item, row.field)
        if is_object(resource):
            yield _made(resource, row.kind, ref.at(*at, row.field), row.state, item, item, notes)
    else:
        for field, state in STATES:
            part = get(item, field)
            if is_object(part) and is_object(resource := get(part, row.field)):
                yield _made(resource, row.kind, ref.at(*at, field, row.field), state, item, part, notes)
    error = get(item, "error_state")
    if is_object(error):
        failed = get(error, "failed_configuration")
        place = ref.at(*at, "error_state", "failed_configuration")
        problem = " ".join(text(error, "details").split()) or "rejected"
        rejected = failed if is_object(failed) else {}
        name = resource_name(rejected, row.kind) or text(item, "name")
        yield Resource(row.kind, name, place, "error", rejected, notes, around=error, problem=problem)


def _made(raw: Node, kind: str, ref: Ref, state: str, item: Node, part: Node, notes: Notes) -> Resource:
    raw = _unwrapped(raw)
    problem = PROBLEMS.get(state)
    name = resource_name(raw, kind) or text(item, "name")
    return Resource(kind, name, ref, state, raw, notes, around=part, problem=problem)


def _unwrapped(raw: Node) -> Node:
    """A resource given as a TypedStruct stands for its value."""
    kind = expected(raw, "@type")
    if isinstance(kind, str) and kind.endswith(".TypedStruct") and is_object(value := get(raw, "value")):
        return value
    return raw


def _scoped(section: Node, parts: list[str], ref: Ref, notes: Notes) -> Iterator[Resource]:
    for field, item_type, state in SCOPED:
        groups = elements(section, field) if len(parts) == 4 else [(0, section)] if parts[4] == item_type else []
        for index, group in groups:
            place = ref.at(field, index) if len(parts) == 4 else ref
            for i, scope in elements(group, "scoped_route_configs"):
                yield Resource(
                    "scoped_route",
                    text(scope, "name"),
                    place.at("scoped_route_configs", i),
                    state,
                    scope,
                    notes,
                    around=group,
                    group=text(group, "name"),
                )


def resource_name(raw: Node, kind: str) -> str:
    """Return the name a resource carries itself."""
    name = expected(raw, "cluster_name" if kind == "endpoint" else "name")
    return name if isinstance(name, str) else ""


def static_resources(bootstrap: Resource, notes: Notes) -> Iterator[Resource]:
    """Yield the listeners, clusters and secrets of a bootstrap's ``static_resources``."""
    static = get(bootstrap.raw, "static_resources")
    if not is_object(static):
        return
    for field, kind in (("listeners", "listener"), ("clusters", "cluster"), ("secrets", "secret")):
        for index, item in elements(static, field):
            if is_object(item):
                place = bootstrap.ref.at("static_resources", field, index)
                yield Resource(kind, resource_name(item, kind), place, "static", item, notes)
