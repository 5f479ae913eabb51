"""Everything an answer depends on that is neither the dump nor the request."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import field
from typing import TypeVar

from ..lazy_dataclass import dataclass
from .behaviour import Upstream, UpstreamModel
from .chance import Chance, Sampled

T = TypeVar("T")


@dataclass(slots=True)
class World:
    """Upstream behaviour, chance, runtime keys and host health, given from outside.

    ``upstreams`` is keyed by ``ip:port``, cluster name or ``*``; where they say nothing, ``upstream_model`` does.
    ``runtime`` overrides runtime keys.
    ``health`` overrides host health by ``ip:port`` (``healthy``, ``unhealthy``, ``degraded``, ...).
    ``verdicts`` answers filters that call out (``ext_authz``, ``ratelimit``, ``ext_proc``), by filter name.
    ``patience_ms`` is how long a client waits for a whole answer before it leaves (flag ``DC``).
    ``explain`` keeps what is needed to name the candidates that lost.
    """

    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    upstream_model: UpstreamModel | None = None
    chance: Chance = field(default_factory=Sampled)
    runtime: Mapping[str, str] = field(default_factory=dict)
    health: Mapping[str, str] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    patience_ms: float = math.inf
    explain: bool = False


class State:
    """What one Envoy worker remembers from request to request, and its virtual clock.

    Every stage keeps its own values in slots: ``state.slot(("local_ratelimit", ref), TokenBucket)``.
    """

    __slots__ = ("_slots", "now_ms")

    def __init__(self, now_ms: float = 0.0) -> None:
        self.now_ms = now_ms
        self._slots: dict[Hashable, object] = {}

    def slot(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value kept under ``key``, made by ``make`` when first asked for."""
        value = self._slots.get(key)
        if value is None:
            value = self._slots[key] = make()
        return value  # type: ignore[return-value]  # the key's owner decides the type
