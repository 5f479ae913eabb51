"""What a route does, in few words, and whether two routes do the same."""

from __future__ import annotations

from ..schema import Msg


def target(route: Msg) -> str:
    """Say where a route leads."""
    kind = route.WhichOneof("action")
    if kind == "redirect":
        return "redirect"
    if kind == "direct_response":
        return f"direct response {route.direct_response.status}"
    if kind != "route":
        return "no forwarding"
    specifier = route.route.WhichOneof("cluster_specifier")
    if specifier == "cluster":
        return f"cluster {route.route.cluster}"
    if specifier == "weighted_clusters":
        return "clusters " + ", ".join(c.name for c in route.route.weighted_clusters.clusters)
    return str(specifier or "no cluster").replace("_", " ")


def same_action(first: Msg, second: Msg) -> bool:
    """Tell whether two routes do the same with a request."""
    kind = first.WhichOneof("action")
    if kind != second.WhichOneof("action"):
        return False
    if kind == "route":
        return bool(first.route == second.route)
    return kind is None or bool(getattr(first, kind) == getattr(second, kind))
