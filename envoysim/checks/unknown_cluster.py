"""A route sends requests to a cluster the proxy does not have.

## What it finds
A route, or one of its weighted clusters, that names a cluster which is not among the serving clusters of the dump.

## Why it matters
Over RDS Envoy accepts such a route: names are looked up for each request. Every request (or the share of the
weighted cluster) is answered 503 (or the route's `cluster_not_found_response_code`) with flag `NC`, details
`cluster_not_found`.

## Example
`weighted_clusters: [{name: v1, weight: 80}, {name: v3, weight: 20}]` while no cluster `v3` was delivered.

## When it is harmless
The cluster is about to be delivered. Nothing is reported where the on-demand filter fetches clusters (`odcds`).

## Fix
Correct the name, or deliver the cluster over CDS before the route over RDS. In Istio: the DestinationRule lacks the
subset.

## Source
`Filter::decodeHeaders` in `source/common/router/router.cc`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg, any_type, enum_name, unpack
from ..stages.route_forward import CLUSTER_NOT_FOUND
from .base import Check
from .subject import RouteItem, Subject, origin_of
from .witness import route_request

ON_DEMAND = "envoy.extensions.filters.http.on_demand.v3.OnDemand"
ON_DEMAND_PER_ROUTE = "envoy.extensions.filters.http.on_demand.v3.PerRouteConfig"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each named cluster that is missing."""
    if not subject.clusters:
        return  # routes alone: clusters are not in this source
    fetching = {id(f.manager) for f in subject.http_filters if f.type_name == ON_DEMAND and _fetches(f.config)}
    for route in subject.routes:
        if _on_demand(route, fetching):
            continue
        for name, ref in subject.cluster_names(route):
            if name in subject.dump.clusters:
                continue
            warming = any(r.kind == "cluster" and r.name == name for r in subject.dump.all_resources)
            close = difflib.get_close_matches(name, subject.dump.clusters, n=1, cutoff=0.8)
            why = "is not ready" if warming else "does not exist"
            hint = f"; did you mean `{close[0]}`?" if close and not warming else ""
            share = _share(route.msg, name)
            yield CHECK.finding(
                ref,
                f"route `{route.label}` of virtual host `{route.host.msg.name}` sends {share} to cluster "
                f"`{name}`, which {why}: {_status(route.msg)} NC cluster_not_found{hint}",
                witness=route_request(route),
                origin=origin_of(route.msg),
            )


def _fetches(config: Msg) -> bool:
    return config is not None and bool(config.HasField("odcds"))


def _on_demand(route: RouteItem, fetching: set[int]) -> bool:
    """Tell whether Envoy asks for missing clusters when a request needs them."""
    if any(id(manager) in fetching for manager in route.host.table.managers):
        return True
    own = [x for m in (route.msg, route.host.msg) for x in m.typed_per_filter_config.values()]
    return any(any_type(x) == ON_DEMAND_PER_ROUTE and _fetches(unpack(x)) for x in own)


def _status(route: Msg) -> int:
    return CLUSTER_NOT_FOUND.get(enum_name(route.route, "cluster_not_found_response_code"), 503)


def _share(route: object, name: str) -> str:
    weighted = route.route.weighted_clusters  # type: ignore[attr-defined]  # a protobuf message
    total = sum(c.weight.value for c in weighted.clusters)
    mine = sum(c.weight.value for c in weighted.clusters if c.name == name)
    return f"{mine} of {total} requests (weight)" if total else "requests"


CHECK = Check(
    code="ESM401",
    name="unknown-cluster",
    severity="error",
    title="Route to a cluster that does not exist",
    fix="correct the cluster's name, or deliver the missing cluster (in Istio: add the missing subset to the "
    "DestinationRule)",
    find=find,
)
