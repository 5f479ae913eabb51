"""The registry of checks: every rule, by code. Families: 1xx dump, 2xx listeners, 3xx routes, 4xx clusters and endpoints, 5xx
policy, 6xx time and retries.
"""

from __future__ import annotations

from .base import Check
from .unknown_cluster import CHECK as UNKNOWN_CLUSTER

ALL: tuple[Check, ...] = (UNKNOWN_CLUSTER,)
