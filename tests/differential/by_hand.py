"""A case made by hand for rules that chance seldom meets at their edge."""

from __future__ import annotations

from .build import Bench, Json, route

WEIGHTS = {"clusters": [{"name": "c0", "weight": 2}, {"name": "c1", "weight": 3}], "header_name": "x-number"}


def make(bench: Bench) -> None:
    """Trusted hops, the number of a weighted cluster at its edges, default ports of redirects."""
    for name in ("c0", "c1"):
        bench.cluster(name)
    redirect: Json = {"name": "secure", "match": {"prefix": "/secure"}, "redirect": {"https_redirect": True}}
    routes = [redirect, route("weighted", {"prefix": "/"}, action={"weighted_clusters": WEIGHTS})]
    destination = bench.serve(routes, use_remote_address=True, xff_num_trusted_hops=1)
    for forwarded in ("1.1.1.1", "1.1.1.1, 2.2.2.2", "1.1.1.1, 2.2.2.2, 10.0.0.3", "bad"):
        bench.send(destination, headers=(("x-forwarded-for", forwarded), ("x-number", "0")))
    for number in range(6):
        bench.send(destination, headers=(("x-number", str(number)),))
    for authority in ("foo.com", "foo.com:80", "foo.com:443", "foo.com:8080", "[::1]:80"):
        bench.send(destination, path="/secure?q=1", authority=authority)
