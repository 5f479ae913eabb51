"""A case made by hand: runtime keys that replace what clusters say of breakers, panic, ejection and drops."""

from __future__ import annotations

from envoysim.model.behaviour import Behaviour

from .build import Bench, Json, replies, route

RETRY: Json = {"retry_on": "5xx", "num_retries": 1, "retry_back_off": {"base_interval": "0.001s"}}
FAILS = (Behaviour(status=503), Behaviour(status=200, body="up"))


def make(bench: Bench) -> None:
    """One route for every cluster; each cluster has a key of its own, or meets one that all have."""
    bench.runtime = {
        "upstream.healthy_panic_threshold": 0,
        "load_balancing_policy.drop_overload_limit": 0,
        "upstream.maintenance_mode.maintained": 100,
        "outlier_detection.consecutive_5xx": 2,
        "circuit_breakers": {
            "requests": {"default": {"max_requests": 0}},
            "pending": {"default": {"max_pending_requests": 0}},
            "retries": {"default": {"max_retries": 0}},
            "high": {"high": {"max_requests": 0}},
            "raised": {"default": {"max_requests": 5}},
            "budget": {"default": {"retry_budget": {"budget_percent": 0, "min_retry_concurrency": 0}}},
        },
    }
    for name in ("requests", "pending", "retries", "high", "budget", "maintained", "tokens"):
        bench.cluster(name)
    bench.cluster("raised", circuit_breakers={"thresholds": [{"max_requests": 0}]})
    ill = [bench.endpoint("ill", health_status="UNHEALTHY") for _ in range(3)]
    bench.cluster("ill", localities=[{"lb_endpoints": ill}])
    bench.cluster("half", localities=[{"lb_endpoints": [bench.endpoint("half", health_status=h) for h in HEALTH]}])
    drops = {"drop_overloads": [{"category": "all", "drop_percentage": {"numerator": 100}}]}
    bench.cluster("dropping")
    bench.clusters[-1]["load_assignment"]["policy"] = drops
    bench.cluster("ejecting", 2, outlier_detection={"max_ejection_percent": 100})
    names = [cluster["name"] for cluster in bench.clusters]
    routes = [route(name, {"path": f"/{name}"}, name, action={"retry_policy": RETRY}) for name in names]
    routes.append(route("high", {"path": "/high-first"}, "high", action={"priority": "HIGH"}))
    tokens = {**RETRY, "retry_on": "gateway_error, 5XX,reset"}
    routes.insert(0, route("tokens", {"path": "/tokens"}, "tokens", action={"retry_policy": tokens}))
    destination = bench.serve(routes)
    for name in (*names, "high-first"):
        bench.send(destination, path=f"/{name}", upstream=replies(200))
        bench.send(destination, path=f"/{name}", upstream=FAILS)
    failing = min(endpoint for endpoint, cluster in bench.cluster_of.items() if cluster == "ejecting")
    for _ in range(8):
        bench.send(destination, path="/ejecting", upstream_by_endpoint={failing: (Behaviour(status=500),)})


HEALTH = ("UNHEALTHY", "UNHEALTHY", "HEALTHY", "UNHEALTHY")
