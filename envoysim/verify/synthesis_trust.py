"""Headers whose effect depends on who is trusted: ``x-forwarded-*``, ``x-envoy-*``, request ids, the user agent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from ..model.request import Request

UUID = "0a1b2c3d-4e5f-4a6b-8c7d-0123456789ab"
FORWARDED: tuple[tuple[tuple[str, str], ...], ...] = (
    (("x-forwarded-for", "203.0.113.9"),),
    (("x-forwarded-for", "10.0.0.8"),),
    (("x-forwarded-for", "203.0.113.9, 10.0.0.8"),),
    (("x-forwarded-for", "203.0.113.9,198.51.100.7 , 10.0.0.8"),),
    (("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "10.0.0.8")),
    (("x-forwarded-for", "not-an-address"),),
    (("x-forwarded-for", "203.0.113.9:4711"),),
    (("x-forwarded-for", "2001:db8::7"),),
    (("x-forwarded-for", ""),),
    (("x-forwarded-proto", "https"),),
    (("x-forwarded-proto", "http"), ("x-forwarded-for", "10.0.0.8")),
    (("x-forwarded-proto", "ftp"),),
    (("x-forwarded-proto", "HTTPS"),),
    (("x-forwarded-host", "other.example"),),
    (("x-forwarded-port", "8443"),),
    (("x-forwarded-client-cert", "By=spiffe://a/b;Hash=c;URI=spiffe://d/e"),),
    (("x-forwarded-client-cert", "a"), ("x-forwarded-client-cert", "b")),
    (("forwarded", "for=203.0.113.9;proto=https"),),
)
OWN: tuple[tuple[tuple[str, str], ...], ...] = (
    (("x-envoy-external-address", "203.0.113.9"),),
    (("x-envoy-internal", "true"),),
    (("x-envoy-internal", "true"), ("x-forwarded-for", "203.0.113.9")),
    (("x-envoy-decorator-operation", "op"),),
    (("x-envoy-original-path", "/before"),),
    (("x-envoy-original-host", "before.example"),),
    (("x-envoy-downstream-service-cluster", "cluster"), ("x-envoy-downstream-service-node", "node")),
    (("x-envoy-force-trace", "1"),),
    (("x-envoy-ip-tags", "tag"),),
    (("x-envoy-attempt-count", "7"),),
    (("x-envoy-is-timeout-retry", "true"),),
    (("x-envoy-expected-rq-timeout-ms", "70"),),
    (("x-envoy-upstream-alt-stat-name", "alt"),),
    (("x-envoy-upstream-rq-timeout-ms", "5000"),),
    (("x-envoy-upstream-rq-timeout-ms", "5000"), ("x-forwarded-for", "10.0.0.8")),
    (("x-envoy-upstream-rq-timeout-ms", "many"),),
    (("x-envoy-upstream-rq-timeout-ms", "0"), ("x-envoy-upstream-rq-per-try-timeout-ms", "1500")),
    (("x-envoy-upstream-rq-per-try-timeout-ms", "1500"),),
    (("x-envoy-hedge-on-per-try-timeout", "true"),),
    (("x-envoy-max-retries", "2"),),
    (("x-envoy-cluster-header", "nobody"),),
    (("x-request-id", UUID),),
    (("x-request-id", "mine"),),
    (("x-request-id", ""),),
    (("x-client-trace-id", "trace"),),
    (("x-b3-sampled", "1"), ("x-b3-traceid", "463ac35c9f6413ad")),
    (("user-agent", "test/1"),),
    (("user-agent", ""),),
    (("via", "1.1 proxy"),),
    (("server", "client"),),
    (("early-data", "1"),),
    (("max-forwards", "0"),),
    (("te", "gzip, trailers"),),
    (("connection", "x-secret, close"), ("x-secret", "1")),
    (("connection", "keep-alive"), ("keep-alive", "timeout=5")),
    (("proxy-connection", "keep-alive"),),
    (("x_under_score", "1"),),
    (("expect", "100-continue"),),
    (("X-Mixed-Case", "Value"), ("x-mixed-case", "again")),
)


def trusting(hit: Request, rng: random.Random) -> Iterator[Request]:
    """``hit`` with such headers."""
    for headers in [*rng.sample(FORWARDED, 3), *rng.sample(OWN, 4)]:
        yield replace(hit, headers=(*hit.headers, *headers))
