"""Hash balancer that gets no hash.

## What it finds
A RING_HASH or MAGLEV cluster that a route without `hash_policy` sends requests to.

## Why it matters
Without a hash a random number is used: the balancing is random, with no affinity at all.

## Example
`lb_policy: MAGLEV` and a route without `hash_policy`.

## When it is harmless
The cluster has a hash policy of its own; other routes to it hash.

## Fix
Add a hash_policy to the routes, or use another lb_policy.

## Source
`source/extensions/load_balancing_policies/common/thread_aware_lb_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .cluster_walk import http_options, lb_policy_name, routed_clusters
from .subject import Subject, origin_of


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per cluster that no route hashes for."""
    for name, routes in routed_clusters(subject).items():
        cluster = subject.clusters.get(name)
        if cluster is None or lb_policy_name(cluster) not in ("RING_HASH", "MAGLEV"):
            continue
        options = http_options(cluster)
        own = cluster.msg.load_balancing_policy.policies or (options is not None and options.hash_policy)
        if not own and not any(r.msg.route.hash_policy for r in routes):
            yield CHECK.finding(
                cluster.ref.at("lb_policy"),
                f"cluster `{name}` balances by {lb_policy_name(cluster)}, but no route to it has a "
                "hash_policy: hosts are "
                "chosen at random",
                related=(Related(routes[0].ref.at("route", "hash_policy"), "a route to it"),),
                origin=origin_of(cluster.msg),
            )


CHECK = Check(
    code="ESM425",
    name="hash-balancer-without-hash",
    severity="warning",
    title="Hash balancer that gets no hash",
    fix="add a hash_policy to the routes, or use another lb_policy",
    find=find,
)
