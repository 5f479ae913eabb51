"""Per-route filter configuration without its filter.

## What it finds
A `typed_per_filter_config` entry whose name is the name of no HTTP filter of the connection managers that use the
table.

## Why it matters
Entries are looked up by the filter's name in `http_filters`, not by its type. Under another name the entry does
nothing, without an error: a disabled check stays on, an enabled one stays off.

## Example
`typed_per_filter_config: {envoy.cors: ...}` while the filter is called `envoy.filters.http.cors`.

## When it is harmless
The filter is only in some chains (sidecars share route tables).

## Fix
Name the entry as the filter is named in http_filters, or add the filter.

## Source
`PerFilterConfigs` in `source/common/router/config_impl.cc`, `source/common/http/filter_manager.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .filter_walk import per_filter_configs
from .subject import Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per entry."""
    names: dict[int, set[str]] = {}
    for item in per_filter_configs(subject):
        table = item.table
        if not table.managers:
            continue
        if id(table) not in names:
            names[id(table)] = {f.name for m in table.managers for f in m.msg.http_filters}
            names[id(table)] |= {f.name for m in table.managers for u in m.msg.upgrade_configs for f in u.filters}
        if item.name not in names[id(table)]:
            yield CHECK.finding(
                item.ref,
                f"`{item.name}` is configured per route in `{table.name}`, but no HTTP filter has this name: it does "
                "nothing",
            )


CHECK = Check(
    code="ESM322",
    name="per-filter-config-without-filter",
    severity="warning",
    title="Per-route filter configuration without its filter",
    fix="name the entry as the filter is named in http_filters, or add the filter",
    find=find,
)
