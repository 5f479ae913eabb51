"""Filter whose configuration was never delivered.

## What it finds
An HTTP filter with `config_discovery` for which the dump has no delivered configuration and no `default_config`.

## Why it matters
Every request of the connection manager is answered 500 with flag `NFCF`.

## Example
An Istio WasmPlugin whose image cannot be fetched, with failure strategy FAIL_CLOSE.

## When it is harmless
The dump was cut down to some sections.

## Fix
Deliver the extension configuration over ECDS, or give the filter a default_config.

## Source
`source/common/filter/config_discovery_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject
from .witness import witness


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per such filter."""
    for manager in subject.managers:
        for i, entry in enumerate(manager.msg.http_filters):
            if entry.WhichOneof("config_type") != "config_discovery" or entry.config_discovery.HasField(
                "default_config"
            ):
                continue
            if entry.name not in subject.dump.extension_configs:
                yield CHECK.finding(
                    manager.ref.at("http_filters", i, "config_discovery"),
                    f"filter `{entry.name}` of listener `{manager.listener.name}` waits for its "
                    "configuration (ECDS) and "
                    "has no default: every request is answered 500 NFCF",
                    witness=witness(manager, "example.com"),
                )


CHECK = Check(
    code="ESM105",
    name="missing-filter-config",
    severity="error",
    title="Filter whose configuration was never delivered",
    fix="deliver the extension configuration over ECDS, or give the filter a default_config",
    find=find,
)
