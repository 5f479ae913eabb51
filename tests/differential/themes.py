"""The themes of the random run: each makes one kind of case from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from envoysim.verify.ports import free_ports

from . import (
    actions,
    balancing,
    by_hand,
    chains,
    connections,
    failures,
    more_filters,
    rare_filters,
    resilience,
    runtime_keys,
    services,
    tcp,
    upstream_tls,
)
from .build import Bench
from .generate import Case, make_case

MAKERS: Final[Mapping[str, Callable[[Bench], None]]] = {
    "actions": actions.make,
    "balancing": balancing.make,
    "chains": chains.make,
    "by_hand": by_hand.make,
    "connections": connections.make,
    "criteria": chains.make_criteria,
    "failures": failures.make,
    "filters": more_filters.make,
    "matched_chains": chains.make_matched,
    "rare_filters": rare_filters.make,
    "resilience": resilience.make,
    "runtime_keys": runtime_keys.make,
    "services": services.make,
    "tcp": tcp.make,
    "two_each": connections.make_two_each,
    "upgrades": actions.make_upgrades,
    "upstream_tls": upstream_tls.make,
}
BY_HAND: Final = frozenset({"by_hand", "criteria", "resilience", "runtime_keys", "two_each"})
THEMES: Final = ("routes", *(theme for theme in MAKERS if theme not in BY_HAND))
"""Those that chance makes; the others are one case each, made by hand."""


def make(seed: int, themes: tuple[str, ...] = THEMES) -> Case:
    """Return the case of ``seed``: its theme by turns, the rest by chance."""
    theme = themes[seed % len(themes)]
    if theme == "routes":
        port, *endpoint_ports = free_ports(4)
        return make_case(seed, port, endpoint_ports)
    bench = Bench(random.Random(f"{theme} {seed}"))
    MAKERS[theme](bench)
    return bench.case(seed, theme)
