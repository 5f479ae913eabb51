"""The registry of checks: every rule, by code.

Families: 1xx dump, 2xx listeners, 3xx routes, 4xx clusters and endpoints, 5xx policy, 6xx time and retries. A code
is never reused.
"""

from __future__ import annotations

from . import (
    connection_reuse_across_chains,
    crossing_routes,
    default_route_timeout,
    deny_path_not_normalized,
    domain_without_port,
    impossible_condition,
    inverted_header_absent,
    panic_serves_unhealthy,
    per_try_timeout_not_shorter,
    prefix_without_boundary,
    preflight_without_route,
    principal_on_plaintext,
    shadowed_route,
    shadowing_not_decided,
    tight_circuit_breaker,
    tls_to_plaintext,
    unknown_cluster,
    upgrade_not_enabled,
)
from .base import Check

ALL: tuple[Check, ...] = (
    connection_reuse_across_chains.CHECK,
    domain_without_port.CHECK,
    prefix_without_boundary.CHECK,
    inverted_header_absent.CHECK,
    crossing_routes.CHECK,
    impossible_condition.CHECK,
    shadowed_route.CHECK,
    shadowing_not_decided.CHECK,
    preflight_without_route.CHECK,
    upgrade_not_enabled.CHECK,
    unknown_cluster.CHECK,
    tight_circuit_breaker.CHECK,
    panic_serves_unhealthy.CHECK,
    tls_to_plaintext.CHECK,
    deny_path_not_normalized.CHECK,
    principal_on_plaintext.CHECK,
    default_route_timeout.CHECK,
    per_try_timeout_not_shorter.CHECK,
)
