"""Outlier detection: hosts that fail are ejected for a while (``outlier_detection_impl.cc``)."""

from __future__ import annotations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..model.world import State, World
    from .cluster import Cluster
    from .host import Host
    from .stream import Telling


def report(
    cluster: Cluster,
    host: Host,
    result: str,
    code: int | None,
    state: State,
    telling: Telling,
    world: World | None = None,
) -> None:
    """Report."""


def advance(cluster: Cluster, world: World, state: State, telling: Telling) -> None:
    """Advance."""
