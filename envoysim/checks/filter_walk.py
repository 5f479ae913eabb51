"""Configurations of HTTP filters below the connection manager: on routes, virtual hosts and route configurations."""

from __future__ import annotations

from collections.abc import Iterator

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, any_type, unpack
from .subject import RouteItem, Subject, Table

WRAPPER = "envoy.config.route.v3.FilterConfig"


@dataclass(frozen=True, slots=True, eq=False)
class PerFilterItem:
    """One ``typed_per_filter_config`` entry; ``route`` where it stands on one."""

    table: Table
    route: RouteItem | None
    name: str
    config: Msg
    ref: Ref


def per_filter_configs(subject: Subject) -> list[PerFilterItem]:
    """Return every entry of every level."""
    found: list[PerFilterItem] | None = subject.memory.get("per_filter_configs")
    if found is None:
        found = subject.memory["per_filter_configs"] = list(_walk(subject))
    return found


def _walk(subject: Subject) -> Iterator[PerFilterItem]:
    for table in subject.tables:
        yield from _entries(table, None, table.msg, table.ref)
    for host in subject.hosts:
        yield from _entries(host.table, None, host.msg, host.ref)
    for route in subject.routes:
        yield from _entries(route.host.table, route, route.msg, route.ref)


def _entries(table: Table, route: RouteItem | None, msg: Msg, ref: Ref) -> Iterator[PerFilterItem]:
    configs = msg.typed_per_filter_config
    if configs:
        for name in sorted(configs):
            yield PerFilterItem(table, route, name, configs[name], ref.at("typed_per_filter_config", name))


def per_filter_messages(subject: Subject, type_name: str) -> Iterator[tuple[PerFilterItem, Msg]]:
    """Yield the entries of one type, taken out of their wrapper."""
    for item in per_filter_configs(subject):
        config = item.config
        if any_type(config) == WRAPPER:
            wrapper: Msg = unpack(config)
            if wrapper.disabled:
                continue
            config = wrapper.config
        if any_type(config) == type_name:
            yield item, unpack(config)
