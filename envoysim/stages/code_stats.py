"""Response counters under Envoy's names (``source/common/http/codes.cc``)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import Stream


@lru_cache(maxsize=4096)
def _names(cluster: str, status: int, internal: bool) -> tuple[str, ...]:
    prefix, side = f"cluster.{cluster}.", "internal." if internal else "external."
    counters = ("upstream_rq_completed", f"upstream_rq_{status // 100}xx", f"upstream_rq_{status}")
    return tuple(prefix + c for c in counters) + tuple(prefix + side + c for c in counters)


def charge_response(stream: Stream, cluster: str, status: int) -> None:
    """Count a response (or a local answer in its place) for ``cluster``, as internal or external too."""
    stats = stream.telling.stats
    for name in _names(cluster, status, stream.internal):
        stats[name] = stats.get(name, 0) + 1
