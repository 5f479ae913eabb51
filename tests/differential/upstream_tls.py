"""TLS to upstreams: certificates that are trusted, wrong or not looked at, names, protocols, plaintext peers."""

from __future__ import annotations

from envoysim.model.behaviour import Upstream
from envoysim.verify.certificates import self_signed

from .build import TYPE, Bench, Json, route
from .certificates import lab_certificate

CONTEXT = TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
RAW: Json = {
    "name": "raw",
    "typed_config": {"@type": TYPE + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
}
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
NAMES = ("oracle.lab", "a.lab", "b.a.lab", "foo.com")


def _san(bench: Bench) -> Json:
    matcher = bench.one(
        *({"exact": name} for name in NAMES), {"suffix": ".lab"}, {"prefix": "oracle"}, {"exact": "*.lab"}
    )
    return {"san_type": bench.one("DNS", "DNS", "DNS", "URI"), "matcher": matcher}


def _socket(bench: Bench) -> Json:
    common: Json = {}
    validation: Json = {}
    if bench.chance(0.7):
        trusted, _ = lab_certificate() if bench.chance(0.7) else self_signed("other.lab", ("other.lab",))
        validation["trusted_ca"] = {"inline_string": trusted}
        if bench.chance(0.5):
            validation["match_typed_subject_alt_names"] = [_san(bench) for _ in range(bench.one(1, 2))]
        if bench.chance(0.2):
            validation["trust_chain_verification"] = "ACCEPT_UNTRUSTED"
        common["validation_context"] = validation
    context: Json = {"@type": CONTEXT, "common_tls_context": common}
    if bench.chance(0.5):
        context["sni"] = bench.one(*NAMES)
    if validation and bench.chance(0.2):
        context["auto_sni_san_validation"] = True
    if bench.chance(0.15):
        context["auto_host_sni"] = True
    return {"name": "tls", "typed_config": context}


def _options(bench: Bench, *, validates: bool) -> Json:
    options: Json = {"@type": TYPE + OPTIONS}
    kind = bench.one("h1", "h2", "auto", "downstream", "h1")
    if kind == "auto":
        options["auto_config"] = {}
    elif kind == "downstream":
        options["use_downstream_protocol_config"] = {"http2_protocol_options": {}}
    else:
        options["explicit_http_config"] = {"http2_protocol_options" if kind == "h2" else "http_protocol_options": {}}
    names = {}
    if bench.chance(0.35):
        names["auto_sni"] = True
    if validates and bench.chance(0.3):
        names["auto_san_validation"] = True
    if names:
        options["upstream_http_protocol_options"] = names
    return options


def _cluster(bench: Bench, name: str) -> None:
    endpoints = []
    for number in range(bench.one(1, 1, 2)):
        labels = {"filter_metadata": {"envoy.transport_socket_match": {"kind": bench.one("plain", "tls", "none")}}}
        entry = bench.endpoint(name, metadata=labels)
        if bench.chance(0.3):
            entry["endpoint"]["hostname"] = bench.one(*NAMES)
        port = entry["endpoint"]["address"]["socket_address"]["port_value"]
        bench.upstreams[f"127.0.0.1:{port}"] = Upstream(tls=bench.chance(0.75 if number == 0 else 0.5))
        endpoints.append(entry)
    socket = _socket(bench)
    fields: Json = {"localities": [{"lb_endpoints": endpoints}]}
    if bench.chance(0.85):
        fields["transport_socket"] = socket
    if bench.chance(0.25):
        matches = [{"name": "p", "match": {"kind": "plain"}, "transport_socket": RAW}]
        matches.append({"name": "t", "match": {"kind": "tls"}, "transport_socket": _socket(bench)})
        fields["transport_socket_matches"] = matches
    validates = "validation_context" in socket["typed_config"]["common_tls_context"]
    options = _options(bench, validates=validates and "transport_socket" in fields)
    alpn_everywhere = "transport_socket" in fields and "transport_socket_matches" not in fields
    if "auto_config" not in options or alpn_everywhere:  # Envoy refuses ALPN without TLS
        fields["typed_extension_protocol_options"] = {OPTIONS: options}
    bench.cluster(name, **fields)


def make(bench: Bench) -> None:
    """Three clusters, a route to each, with and without retries."""
    routes = []
    for name in ("c0", "c1", "c2"):
        _cluster(bench, name)
        retry = {"retry_policy": {"retry_on": "connect-failure", "num_retries": 1}} if bench.chance(0.3) else {}
        if bench.chance(0.2):
            retry["host_rewrite_literal"] = bench.one(*NAMES)
        routes.append(route(name, {"prefix": f"/{name}"}, name, action=retry))
    destination = bench.serve(routes)
    for _ in range(24):
        bench.send(
            destination,
            path=bench.one("/c0", "/c1", "/c2"),
            authority=bench.one(*NAMES, "oracle.lab:443"),
            protocol=bench.one("HTTP/1.1", "HTTP/1.1", "HTTP/2"),
        )
