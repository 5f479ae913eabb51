"""Hash policy that the cluster's balancer does not read.

## What it finds
A route with `hash_policy` to a cluster that balances by something else.

## Why it matters
Only hash balancers read the hash. Sessions are spread as if there were no policy.

## Example
`hash_policy: [{cookie: {name: session}}]` to a ROUND_ROBIN cluster.

## When it is harmless
The policy chooses among weighted clusters (`use_hash_policy`), or the cluster has a policy of its own kind.

## Fix
Use RING_HASH or MAGLEV on the cluster, or drop the hash_policy.

## Source
`source/extensions/load_balancing_policies/common/thread_aware_lb_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from .base import Check
from .cluster_walk import lb_policy_name
from .subject import Subject, origin_of

SPREADING = ("ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RoundRobin", "LeastRequest", "Random")


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per route and cluster."""
    for route in subject.forwards:
        if not route.msg.route.hash_policy or route.msg.route.weighted_clusters.use_hash_policy.value:
            continue
        for name, _ in subject.cluster_names(route):
            cluster = subject.clusters.get(name)
            if cluster is not None and lb_policy_name(cluster) in SPREADING:
                yield CHECK.finding(
                    route.ref.at("route", "hash_policy"),
                    f"route `{route.label}` hashes requests, but cluster `{name}` balances by "
                    f"{lb_policy_name(cluster)}: "
                    "the hash is not read",
                    related=(Related(cluster.ref, "the cluster"),),
                    origin=origin_of(route.msg),
                )


CHECK = Check(
    code="ESM324",
    name="hash-policy-ignored",
    severity="warning",
    title="Hash policy that the cluster's balancer does not read",
    fix="use RING_HASH or MAGLEV on the cluster, or drop the hash_policy",
    find=find,
)
