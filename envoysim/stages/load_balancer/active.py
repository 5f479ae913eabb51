"""How many requests each host is serving, for the policies that look at it (``rq_active``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...model.world import State
    from ..host import Host


def request_counts(state: State, cluster: str) -> dict[str, int]:
    """Return the requests under way by endpoint; whoever sends a request counts it up, and down when it ends."""
    return state.slot(("rq_active", cluster), dict)


def active_requests(state: State, cluster: str, hosts: Sequence[Host]) -> list[int]:
    """Return the requests under way at each of ``hosts``."""
    counts = request_counts(state, cluster)
    return [counts.get(host.endpoint, 0) for host in hosts] if counts else [0] * len(hosts)
