"""Operators about the downstream connection, its TLS and addresses (``stream_info_formatter.cc``)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ...model.address import Address
from .http import Make
from .values import Extract, Value

if TYPE_CHECKING:
    from ...model.reply import Response
    from ...model.request import Certificate
    from ..stream import Stream

WhichAddress = Callable[["Stream"], "Address | None"]


def plain(read: Callable[[Stream], Value]) -> Make:
    """An operator without argument."""

    def make(argument: str, length: int | None) -> Extract | None:
        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            return read(stream)

        return None if argument else extract

    return make


def address(which: WhichAddress) -> dict[str, Make]:
    """The operators of one address by suffix of their name: with port, without, the port alone."""

    def without_port(argument: str, length: int | None) -> Extract | None:
        bits = int(argument) if argument.isdigit() else None

        def extract(stream: Stream, response: Response | None, body: str) -> Value:
            found = which(stream)
            return None if found is None else found.ip if bits is None else _masked(found.ip, bits)

        return extract

    def text(stream: Stream) -> Value:
        found = which(stream)
        return None if found is None else str(found)

    def port(stream: Stream) -> Value:
        found = which(stream)
        return None if found is None else found.port

    return {"ADDRESS": plain(text), "ADDRESS_WITHOUT_PORT": without_port, "PORT": plain(port)}


def _masked(ip: str, bits: int) -> str:
    return str(ipaddress.ip_network(f"{ip}/{bits}", strict=False))


def _certificate(read: Callable[[Certificate], tuple[str, ...] | str]) -> Make:
    def value(stream: Stream) -> Value:
        certificate = stream.connection.peer_certificate
        if certificate is None:
            return None
        found = read(certificate)
        return (found if isinstance(found, str) else ",".join(found)) or None

    return plain(value)


def _requested_server_name(argument: str, length: int | None) -> Extract | None:
    source, _, option = argument.partition(":")
    if source not in ("", "SNI_ONLY", "SNI_FIRST", "HOST_FIRST") or option not in ("", "ORIG_OR_HOST", "HOST", "ORIG"):
        return None
    names = {"HOST": (":authority",), "ORIG": ("x-envoy-original-host",)}.get(
        option, ("x-envoy-original-host", ":authority")
    )

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        sni = stream.connection.server_name or None
        if source in ("", "SNI_ONLY"):
            return sni
        host = next((v for v in map(stream.headers.get, names) if v is not None), None)
        first, second = (sni, host) if source == "SNI_FIRST" else (host, sni)
        return first if first is not None else second

    return extract


def _filter_chain_name(stream: Stream) -> Value:
    chain = stream.connection.filter_chain
    return (chain.name or None) if chain is not None else None


def _protocol(stream: Stream) -> Value:
    """A request that the codec refuses counts as HTTP/1.1, HTTP/1.0 too."""
    if stream.facts.get("codec_error") and stream.protocol == "HTTP/1.0":
        return "HTTP/1.1"
    return stream.protocol or None


OPERATORS: Final[Mapping[str, Make]] = {
    **{f"DOWNSTREAM_LOCAL_{n}": m for n, m in address(lambda s: s.connection.local).items()},
    **{f"DOWNSTREAM_DIRECT_LOCAL_{n}": m for n, m in address(lambda s: s.connection.direct_local).items()},
    **{f"DOWNSTREAM_REMOTE_{n}": m for n, m in address(lambda s: s.remote).items()},
    **{f"DOWNSTREAM_DIRECT_REMOTE_{n}": m for n, m in address(lambda s: s.connection.direct_remote).items()},
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID": plain(lambda s: ""),
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID": plain(lambda s: ""),
    "REQUESTED_SERVER_NAME": _requested_server_name,
    "PROTOCOL": plain(_protocol),
    "LISTENER_NAME": plain(lambda s: s.connection.listener.name or None),
    "FILTER_CHAIN_NAME": plain(_filter_chain_name),
    "DOWNSTREAM_PEER_URI_SAN": _certificate(lambda c: c.uri_sans),
    "DOWNSTREAM_PEER_DNS_SAN": _certificate(lambda c: c.dns_sans),
    "DOWNSTREAM_PEER_SUBJECT": _certificate(lambda c: c.subject),
}

_TLS_ONLY: Final = """DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_EMAIL_SAN DOWNSTREAM_PEER_OTHERNAME_SAN
    DOWNSTREAM_LOCAL_URI_SAN
    DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_IP_SAN DOWNSTREAM_LOCAL_EMAIL_SAN DOWNSTREAM_LOCAL_OTHERNAME_SAN
    DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_GROUP
    DOWNSTREAM_TLS_VERSION DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_SERIAL
    DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1 DOWNSTREAM_PEER_CHAIN_SERIALS
    DOWNSTREAM_PEER_ISSUER DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256 DOWNSTREAM_PEER_ISSUER_SERIAL DOWNSTREAM_PEER_CERT
    DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_PEER_CERT_V_END TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT"""
TLS_ONLY: Final = frozenset(_TLS_ONLY.split())
"""They have a value only on a TLS connection, and then one that neither dump nor request tells."""
