"""All parts, in the order of a request's way."""

from __future__ import annotations

from typing import Final

from . import actions, filters, listeners, manager, rbac, routing
from .row import Part

PARTS: Final[tuple[Part, ...]] = (
    listeners.FILTERS,
    listeners.CHAINS,
    listeners.NETWORK_FILTERS,
    manager.ADMISSION,
    manager.NORMALIZATION,
    manager.RUNTIME_NORMALIZATION,
    manager.TRUST,
    routing.VIRTUAL_HOSTS,
    routing.PATH,
    routing.HEADERS,
    actions.CLUSTERS,
    actions.REWRITES,
    actions.REDIRECTS,
    actions.MUTATIONS,
    actions.INTERNAL,
    filters.FAULTS,
    rbac.RBAC,
    filters.LOCAL_REPLIES,
    filters.CHAIN,
)
