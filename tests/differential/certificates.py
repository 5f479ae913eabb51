"""The certificate of endpoints that speak TLS, as the simulation takes it to be."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache

from envoysim.stages.upstream_tls import TEST_CERTIFICATE
from envoysim.verify.certificates import self_signed


def lab_certificate() -> tuple[str, str]:
    """Return the certificate and its key, as PEM."""
    return self_signed(TEST_CERTIFICATE.subject, TEST_CERTIFICATE.dns_sans)


@cache
def lab_context() -> ssl.SSLContext:
    """Return what an endpoint serves TLS with: h2 or http/1.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write("".join(lab_certificate()))
        file.flush()
        context.load_cert_chain(file.name)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context
