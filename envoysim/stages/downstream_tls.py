"""TLS on the way in: what the chosen chain terminates, and what the handshake leaves behind (``source/common/tls``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..model.reply import Aborted
from ..schema import Msg, any_type, enum_name, unpack

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .filter_chain import FilterChain
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

TLS: Final = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
QUIC: Final = "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport"
PLAIN: Final = ("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", "")


@dataclass(frozen=True, slots=True)
class DownstreamTls:
    """A chain's TLS settings; ``kind`` is ``tls``, ``quic`` or the type name of what is not modelled."""

    ref: Ref
    kind: str
    alpn: tuple[str, ...] = ()
    require_client_certificate: bool = False
    validates: bool = False
    """A validation context is configured, so a client certificate is asked for and verified."""
    accept_untrusted: bool = False
    missing_secret: str | None = None
    """An SDS secret the dump does not have: connections are closed until it comes."""


def compile_downstream_tls(chain: Msg, ref: Ref, proxy: Proxy) -> DownstreamTls | None:
    """Compile ``transport_socket`` of a FilterChain; ``None`` for plaintext."""
    if not chain.HasField("transport_socket"):
        return None
    name, place = any_type(chain.transport_socket.typed_config), ref.at("transport_socket")
    if name in PLAIN:
        return None
    config = unpack(chain.transport_socket.typed_config)
    if name == QUIC and config is not None:
        return _compile(config.downstream_tls_context, place, "quic", proxy)
    if name == TLS and config is not None:
        return _compile(config, place, "tls", proxy)
    return DownstreamTls(place, name)


def _compile(context: Msg, ref: Ref, kind: str, proxy: Proxy) -> DownstreamTls:
    common = context.common_tls_context
    validation = common.WhichOneof("validation_context_type")
    wanted = [sds.name for sds in common.tls_certificate_sds_secret_configs]
    trusted = common.validation_context if validation == "validation_context" else None
    if validation == "combined_validation_context":
        trusted = common.combined_validation_context.default_validation_context
        wanted.append(common.combined_validation_context.validation_context_sds_secret_config.name)
    elif validation == "validation_context_sds_secret_config":
        wanted.append(common.validation_context_sds_secret_config.name)
    known = proxy.dump.secrets
    lost = next((name for name in wanted if known and name and name not in known), None)
    accept = trusted is not None and enum_name(trusted, "trust_chain_verification") == "ACCEPT_UNTRUSTED"
    return DownstreamTls(
        ref.at("typed_config"),
        kind,
        tuple(common.alpn_protocols),
        context.require_client_certificate.value,
        validation is not None,
        accept,
        lost,
    )


def handshake(connection: DownstreamConnection, chain: FilterChain, telling: Telling) -> Aborted | None:
    """Shake hands as the chain asks; ``None`` lets the connection go on."""
    tls = chain.tls
    if tls is None:
        return None
    if tls.kind not in ("tls", "quic"):
        telling.note(tls.ref, f"transport socket `{tls.kind}` is not modelled: plaintext is assumed")
        return None
    if tls.missing_secret is not None:
        telling.note(
            tls.ref, f"secret `{tls.missing_secret}` is not in the dump: Envoy resets connections until it arrives"
        )
    if not connection.client_tls or connection.speaks == "PROXY":
        telling.step("downstream tls", tls.ref, "the chain expects TLS and the client speaks plaintext: closed")
        return Aborted("eof")
    certificate = connection.client_certificate
    if tls.require_client_certificate and certificate is None:
        telling.step("downstream tls", tls.ref, "a client certificate is required and none is presented")
        return Aborted("tls")
    if certificate is not None and (tls.validates or tls.require_client_certificate):
        connection.peer_certificate = certificate
        telling.step("downstream tls", tls.ref, "mTLS with {}", certificate.uri_sans or certificate.dns_sans)
        if tls.validates:
            telling.assumed.append("the client certificate is signed by a CA the proxy trusts")
    connection.tls = True
    # The server's list decides; no common protocol means none is negotiated (SSL_select_next_proto).
    connection.alpn = next((p for p in tls.alpn if p in connection.offered_alpn), "")
    telling.step("downstream tls", tls.ref, "TLS terminated, ALPN {}", connection.alpn or "none")
    return None
