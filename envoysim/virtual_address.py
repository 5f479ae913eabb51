"""The address a host name stands for in a mesh, as far as a dump tells.

A sidecar sees only original destinations: which virtual IP a name resolves to is known to the cluster's DNS, not to
the proxy. But a listener or filter chain made for one service carries its name: in the name itself, the clusters it
sends to, or its virtual hosts' domains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from .lazy_dataclass import dataclass
from .load.dump import Dump
from .load.lazy import camel
from .load.resource import Resource

TELLING: Final = frozenset({"name", "cluster", "domains", "stat_prefix", "server_names", "route_config_name"})
"""Fields in which control planes write the name of a service."""
SUFFIXES: Final = ("mesh", "consul", "local", "svc")
"""Last labels of names that a mesh makes up; what stands before them may be all that the dump has."""


@dataclass(frozen=True, slots=True)
class Service:
    """A listener or filter chain with an address of its own, and every name it carries."""

    title: str
    ip: str
    names: tuple[str, ...]


def match_services(host: str, services: Iterable[Service]) -> list[Service]:
    """Return the services whose names have the most of ``host``'s leading labels, none when they have too few."""
    asked = tuple(services)
    labels = host.split(".")
    fewest = 1 if labels[-1] in SUFFIXES else len(labels)
    for count in range(len(labels), fewest - 1, -1):
        word = re.compile(rf"(?<![A-Za-z0-9-]){re.escape('.'.join(labels[:count]))}(?![A-Za-z0-9-])")
        if found := [service for service in asked if any(map(word.search, service.names))]:
            return found
    return []


def listener_service(dump: Dump, listener: Resource, ip: str) -> Service:
    """Return the service that a listener on ``ip`` is for."""
    return Service(f"listener `{listener.name}`", ip, (listener.name, *_names(dump, listener.plain())))


def chain_services(dump: Dump, listener: Resource, port: int) -> list[Service]:
    """Return the services of a listener's filter chains: those that match one IP, and ``port`` or any."""
    found = []
    for chain in _get(listener.plain(), "filter_chains") or ():
        match = _get(chain, "filter_chain_match") or {}
        if _get(match, "destination_port") not in (None, port):
            continue
        for single in _get(match, "prefix_ranges") or ():
            ip = _get(single, "address_prefix") or ""
            if _get(single, "prefix_len") == (128 if ":" in ip else 32):
                title = f"filter chain `{_get(chain, 'name') or ip}` of listener `{listener.name}`"
                found.append(Service(title, ip, tuple(_names(dump, chain))))
                break
    return found


def _names(dump: Dump, value: Any) -> Iterator[str]:
    for key, text in _told(value):
        yield text
        table = dump.route_configurations.get(text) if key == "route_config_name" else None
        if table is not None:
            for i in range(table.virtual_host_count):
                yield from table.virtual_host_domains(i)


def _told(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _told(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            name = _SNAKE.get(key, key)
            if name in TELLING:
                yield from ((name, text) for text in (item if isinstance(item, list) else [item]) if _is_text(text))
            if isinstance(item, (dict, list)):
                yield from _told(item)


_SNAKE: Final = {camel(name): name for name in TELLING}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _get(obj: Any, field: str) -> Any:
    return obj.get(field, obj.get(camel(field))) if isinstance(obj, dict) else None
