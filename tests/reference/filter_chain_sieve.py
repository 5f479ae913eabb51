"""Filter chain matching as a sieve over every combination of criteria: one criterion after the other, no tree."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

ORDER = (
    "destination_port",
    "prefix_ranges",
    "server_names",
    "transport_protocol",
    "application_protocols",
    "direct_source_prefix_ranges",
    "source_type",
    "source_prefix_ranges",
    "source_ports",
)
RANGES = ("prefix_ranges", "direct_source_prefix_ranges", "source_prefix_ranges")


class Undecided(Exception):
    """Envoy refuses the listener, or its choice differs from start to start."""


@dataclass(frozen=True)
class Facts:
    """What a connection shows."""

    destination: str = "10.0.0.1"
    port: int = 80
    server_name: str = ""
    transport: str = "raw_buffer"
    alpn: tuple[str, ...] = ()
    direct_source: str = "192.0.2.1"
    source: str = "192.0.2.1"
    source_port: int = 1000


def choose(chains: Sequence[dict[str, Any]], facts: Facts) -> int | None:
    """Return the index of the chain that takes the connection."""
    rows = [(i, row) for i, chain in enumerate(chains) for row in product(*(_values(chain, name) for name in ORDER))]
    for position, name in enumerate(ORDER):
        for wanted in _preferences(name, facts):
            left = [(i, row) for i, row in rows if row[position] in wanted]
            if left:
                if len({row[position] for _, row in left}) > 1:
                    raise Undecided(name)
                rows = left
                break
        else:
            return None
    if len({i for i, _ in rows}) > 1:
        raise Undecided("equal criteria")
    return rows[0][0]


def _values(chain: dict[str, Any], name: str) -> list[Any]:
    value = chain.get(name)
    if not value:
        return [None]
    if name in RANGES:
        return [ipaddress.ip_network(f"{r['address_prefix']}/{r['prefix_len']}", strict=False) for r in value]
    return value if isinstance(value, list) else [value]


def _preferences(name: str, facts: Facts) -> list[list[Any]]:
    """Return groups of values from the most specific to the least; a group's members are the same to Envoy."""
    if name in RANGES:
        text = {
            "prefix_ranges": facts.destination,
            "direct_source_prefix_ranges": facts.direct_source,
            "source_prefix_ranges": facts.source,
        }[name]
        address = ipaddress.ip_address(text)
        nets = [ipaddress.ip_network((address, n), strict=False) for n in range(address.max_prefixlen, 0, -1)]
        return [[net] for net in nets] + [[ipaddress.ip_network((address, 0), strict=False), None]]
    if name == "destination_port":
        return [[facts.port], [None]]
    if name == "server_names":
        labels = facts.server_name.lower().split(".")
        wild = ["*." + ".".join(labels[i:]) for i in range(1, len(labels))]
        return [*([n] for n in [facts.server_name.lower(), *wild] if n), [None]]
    if name == "transport_protocol":
        return [[facts.transport], [None]]
    if name == "application_protocols":
        return [*([p] for p in facts.alpn), [None]]
    if name == "source_type":
        local = facts.source in ("127.0.0.1", "::1", facts.destination)
        return [["SAME_IP_OR_LOOPBACK" if local else "EXTERNAL"], [None]]
    return [[facts.source_port], [None]]
