"""Slow start: a host that has just become healthy gets a part of its weight.

Follows ``recalculateHostsInSlowStart`` and ``applySlowStartFactor`` in
``source/extensions/load_balancing_policies/common/load_balancer_impl.cc``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .policy import SlowStart

if TYPE_CHECKING:
    from ..host import Host
    from ..runtime import Runtime

LONG_AGO = -math.inf


class Uptimes:
    """When each host of a cluster last passed: its first healthy moment, or its last active check that let it back.

    Shared by all balancers of a worker's cluster. ``now_ms`` is when its hosts last changed.
    """

    __slots__ = ("now_ms", "passed_ms")

    def __init__(self) -> None:
        self.now_ms = 0.0
        self.passed_ms: dict[Host, float] = {}


class Warming:
    """Slow start as one balancer sees it."""

    __slots__ = ("_config", "_latest_ms", "_uptimes")

    def __init__(self, config: SlowStart, uptimes: Uptimes) -> None:
        self._config = config
        self._uptimes = uptimes
        self._latest_ms = LONG_AGO

    def refresh(self, healthy: Iterable[Host]) -> bool:
        """Note healthy hosts that are new; tell whether any host is in its window now."""
        now_ms, passed = self._uptimes.now_ms, self._uptimes.passed_ms
        for host in healthy:
            since_ms = passed.setdefault(host, now_ms)
            if since_ms > self._latest_ms and math.floor(now_ms - since_ms) <= self._config.window_ms:
                self._latest_ms = since_ms
        return self.active(now_ms)

    def active(self, now_ms: float) -> bool:
        """Tell whether any host is in its window (``noHostsAreInSlowStart``)."""
        return now_ms - self._latest_ms < self._config.window_ms + 1

    def factor(self, host: Host, now_ms: float, runtime: Runtime) -> float:
        """Return the share of its weight that ``host`` gets."""
        config = self._config
        since_ms = self._uptimes.passed_ms.get(host, LONG_AGO)
        if since_ms == LONG_AGO:
            return 1.0
        up_ms = math.floor(now_ms - since_ms)
        if up_ms >= config.window_ms:
            return 1.0
        aggression = runtime.double(config.aggression_key, config.aggression)
        if not aggression > 0:
            aggression = 1.0
        grown: float = (max(1, up_ms) / config.window_ms) ** (1.0 / aggression)
        return max(grown, config.min_weight)

    def factor_at_refresh(self, host: Host, runtime: Runtime) -> float:
        """Return the share a host had when hosts last changed."""
        return self.factor(host, self._uptimes.now_ms, runtime)
