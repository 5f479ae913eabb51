"""Transport sockets of an endpoint, and how the handshake ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from envoysim.load.decode import decode_message
from envoysim.model.behaviour import Upstream
from envoysim.model.ref import NOWHERE
from envoysim.stages.mirror import shadow_host
from envoysim.stages.upstream_tls import (
    NO_OPTIONS,
    TransportOptions,
    TransportSockets,
    compile_transport_sockets,
    dns_name_match,
    handshake_failure,
    negotiated_alpn,
    server_name,
)
from envoysim.stages.x509_names import subject_common_names

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
RAW = "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"
PROXY = "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport"
# A self-signed certificate with CN and SAN oracle.lab, made for this test.
ORACLE_CA = """-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUHz7iirGzJF23F1vgbRtcUN8GtFswCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKb3JhY2xlLmxhYjAeFw0yNjExMjUwODAxMjhaFw0zNjExMjIw
ODAxMjhaMBUxEzARBgNVBAMMCm9yYWNsZS5sYWIwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASSRVfymDD9vaN9hwsCj98+A3LMMRekLe7yf8lhhIzmmOMcbYeOYZt+
CgVvrD5c85YZy1Oy/xRN4BaM1uiZr3hjo1MwUTAdBgNVHQ4EFgQU+8vWWxyVJp/Q
iMA3KYK9kfVcAlYwHwYDVR0jBBgwFoAU+8vWWxyVJp/QiMA3KYK9kfVcAlYwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBozA+TXHXoM7C66o9Mpmkx
A0UobFwazSK94VpLob+ghwIgcVV4o5DdCsP9DjAR1Qr+VhkgenQSwcyU/M8Rki0m
c8c=
-----END CERTIFICATE-----
"""
VERIFY_FAILED = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"


def tls_socket(**context: object) -> dict[str, object]:
    return {"name": "tls", "typed_config": {"@type": TLS, **context}}


def sockets(**cluster: object) -> TransportSockets:
    return compile_transport_sockets(
        decode_message("envoy.config.cluster.v3.Cluster", cluster, NOWHERE, []), NOWHERE, None
    )


def host(labels: dict[str, object] | None = None, locality: dict[str, object] | None = None, name: str = "") -> object:
    key = "envoy.transport_socket_match"
    return SimpleNamespace(
        metadata={key: labels} if labels else {}, locality_metadata={key: locality} if locality else {}, hostname=name
    )


def test_first_match_on_the_endpoint_then_on_the_locality_then_the_default() -> None:
    found = sockets(
        transport_socket=tls_socket(sni="default"),
        transport_socket_matches=[
            {"name": "a", "match": {"mtls": "true"}, "transport_socket": tls_socket(sni="a")},
            {"name": "b", "match": {"plain": True}, "transport_socket": {"name": "r", "typed_config": {"@type": RAW}}},
        ],
    )
    assert found.resolve(host({"mtls": "true", "x": 1})).sni == "a"  # type: ignore[arg-type]
    assert found.resolve(host({"mtls": True})).sni == "default"  # type: ignore[arg-type]
    assert not found.resolve(host({"x": 1}, {"plain": True})).tls  # type: ignore[arg-type]
    assert found.resolve(host()).sni == "default"  # type: ignore[arg-type]


def test_an_empty_match_takes_every_endpoint() -> None:
    found = sockets(transport_socket_matches=[{"name": "all", "match": {}, "transport_socket": tls_socket(sni="all")}])
    assert found.resolve(host()).sni == "all"  # type: ignore[arg-type]


def test_wrapped_sockets_are_looked_into() -> None:
    wrapped = {"name": "p", "typed_config": {"@type": PROXY, "transport_socket": tls_socket(sni="inner")}}
    assert sockets(transport_socket=wrapped).default.sni == "inner"


@pytest.mark.parametrize(
    ("context", "options", "hostname", "sni"),
    [
        ({"sni": "a.com"}, NO_OPTIONS, "h.com", "a.com"),
        ({"sni": "a.com", "auto_host_sni": True}, NO_OPTIONS, "h.com", "h.com"),
        ({"sni": "a.com", "auto_host_sni": True}, NO_OPTIONS, "", "a.com"),
        ({"sni": "a.com"}, TransportOptions("asked.com"), "h.com", "asked.com"),
    ],
)
def test_server_name(context: dict[str, object], options: TransportOptions, hostname: str, sni: str) -> None:
    socket = sockets(transport_socket=tls_socket(**context)).default
    assert server_name(socket, host(name=hostname), options) == sni  # type: ignore[arg-type]


def validated(*sans: dict[str, object], ca: str = ORACLE_CA) -> dict[str, object]:
    context: dict[str, object] = {"trusted_ca": {"inline_string": ca}}
    if sans:
        context["match_typed_subject_alt_names"] = list(sans)
    return {"common_tls_context": {"validation_context": context}}


DECLARED = Upstream(tls=True)
NO_TEXT = VERIFY_FAILED + ":TLS_error_end"
WRONG_SAN = VERIFY_FAILED + ":verify cert failed: SAN matcher, certificate SANs are [*.lab, oracle.lab]:TLS_error_end"
DNS_LAB = {"san_type": "DNS", "matcher": {"exact": "a.lab"}}
URI = {"san_type": "URI", "matcher": {"exact": "*.lab"}}

HANDSHAKES = [
    ({}, "", NO_OPTIONS, DECLARED, None),
    ({}, "", NO_OPTIONS, Upstream(tls=False), ""),
    (validated(ca="none"), "", NO_OPTIONS, Upstream(), None),
    (validated(), "", NO_OPTIONS, DECLARED, None),
    (validated(DNS_LAB), "", NO_OPTIONS, DECLARED, None),
    (validated(URI), "", NO_OPTIONS, DECLARED, WRONG_SAN),
    (validated(URI, DNS_LAB), "", NO_OPTIONS, DECLARED, None),
    ({}, "", TransportOptions("", ("oracle.lab",)), DECLARED, NO_TEXT),
    ({**validated(URI), "auto_sni_san_validation": True}, "b.lab", NO_OPTIONS, DECLARED, None),
    ({**validated(), "auto_sni_san_validation": True}, "a.b.lab", NO_OPTIONS, DECLARED, WRONG_SAN),
]


@pytest.mark.parametrize(("context", "sni", "options", "upstream", "failure"), HANDSHAKES)
def test_handshakes(
    context: dict[str, object], sni: str, options: TransportOptions, upstream: Upstream, failure: str | None
) -> None:
    socket = sockets(transport_socket=tls_socket(**context)).default
    assert handshake_failure(socket, sni, options, upstream) == failure


@pytest.mark.parametrize(
    ("name", "pattern", "matches"),
    [
        ("a.lab", "*.lab", True),
        ("*.lab", "*.lab", True),
        ("a.b.lab", "*.lab", False),
        ("lab", "*.lab", False),
        ("ORACLE.lab", "oracle.LAB", True),
        (".lab", "*.lab", False),
    ],
)
def test_dns_names(name: str, pattern: str, matches: bool) -> None:
    assert dns_name_match(name, pattern) is matches


@pytest.mark.parametrize(
    ("offered", "speaks", "picked"),
    [
        (("h2", "http/1.1"), None, "h2"),
        (("http/1.1",), None, "http/1.1"),
        (("other",), None, ""),
        (("h2", "http/1.1"), "HTTP/1.1", "http/1.1"),
    ],
)
def test_alpn(offered: tuple[str, ...], speaks: str | None, picked: str) -> None:
    assert negotiated_alpn(offered, Upstream(protocol=speaks)) == picked


@pytest.mark.parametrize(
    ("host_header", "shadow"),
    [
        ("a.com", "a.com-shadow"),
        ("a.com:80", "a.com-shadow:80"),
        ("[::1]:80", "[::1]-shadow:80"),
        ("[::1]", "[::1]-shadow"),
    ],
)
def test_mirrors_mark_the_host(host_header: str, shadow: str) -> None:
    assert shadow_host(host_header) == shadow


def test_common_names_of_a_bundle() -> None:
    assert subject_common_names(ORACLE_CA + "text\n" + ORACLE_CA) == ("oracle.lab", "oracle.lab")
    assert subject_common_names("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----") == ("",)
