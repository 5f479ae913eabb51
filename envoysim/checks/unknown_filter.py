"""Filter whose effect is not known.

## What it finds
HTTP filters that run code or ask a service of their own: Lua, Wasm, Golang, external processing, or a type this
version does not know.

## Why it matters
They may change or end any request. Whatever is said about requests behind them holds only as far as they let it be.

## Example
`envoy.filters.http.wasm` before the router.

## When it is harmless
The filter only observes.

## Fix
Check by hand what the filter does to requests, or tell the simulation with a world file.

## Source
`source/extensions/filters/http`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject

CODE = ("Lua", "LuaPerRoute", "Wasm", "Config", "DynamicModuleFilter", "ExternalProcessor")
PLACES = ("lua", "wasm", "golang", "dynamic_modules", "ext_proc")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per filter."""
    for item in subject.http_filters:
        parts = item.type_name.split(".")
        code = parts[-1] in CODE and any(p in parts for p in PLACES)
        if code or (item.config is None and item.type_name):
            yield CHECK.finding(
                item.ref, f"filter `{item.name}` ({item.type_name}) may do anything to a request: it is not simulated"
            )


CHECK = Check(
    code="ESM107",
    name="unmodelled-filter",
    severity="info",
    title="Filter whose effect is not known",
    fix="check by hand what the filter does to requests, or tell the simulation with a world file",
    find=find,
)
