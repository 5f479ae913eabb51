"""The chain's transport socket: plaintext, or TLS and what its handshake leaves behind (``source/common/tls``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.string_matcher import StringMatcher, compile_string_matcher
from ..model.reply import Aborted
from ..schema import Msg, any_type, enum_name, unpack

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.request import Certificate
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

STAGE: Final = "downstream tls"
PREFIX: Final = "envoy.extensions.transport_sockets."
TLS: Final = PREFIX + "tls.v3.DownstreamTlsContext"
QUIC: Final = PREFIX + "quic.v3.QuicDownstreamTransport"
PLAINTEXT: Final = frozenset(("", PREFIX + "raw_buffer.v3.RawBuffer"))
WRAPPERS: Final = frozenset(
    PREFIX + name for name in ("tap.v3.Tap", "tcp_stats.v3.Config", "proxy_protocol.v3.ProxyProtocolUpstreamTransport")
)
"""Transport sockets around another one, which they leave as it is."""


@dataclass(frozen=True, slots=True)
class SubjectAltName:
    """One entry of ``match_typed_subject_alt_names``; ``kind`` "" is any (the older, untyped field)."""

    kind: str
    matcher: StringMatcher

    def matches(self, certificate: Certificate) -> bool:
        """Tell whether one of the certificate's names of this kind matches."""
        names: tuple[str, ...] = ()
        if self.kind in ("", "URI"):
            names += certificate.uri_sans
        if self.kind in ("", "DNS"):
            names += certificate.dns_sans
        return any(self.matcher.matches(name) for name in names)


@dataclass(frozen=True, slots=True)
class TlsContext:
    """What matters of a DownstreamTlsContext: the protocols and the client's certificate."""

    ref: Ref
    alpn_protocols: tuple[str, ...] = ()
    require_client_certificate: bool = False
    asks_for_certificate: bool = False
    """There is something to verify a client certificate with; without it none is asked for."""
    subject_alt_names: tuple[SubjectAltName, ...] = ()
    not_ready: str = ""
    """An SDS secret that has not arrived."""
    unknown_secret: str = ""
    """An SDS secret the dump does not tell."""


@dataclass(frozen=True, slots=True)
class DownstreamTransport:
    """A chain's transport socket; ``tls`` is ``None`` for plaintext."""

    ref: Ref
    tls: TlsContext | None = None
    unmodelled: str = ""
    """The type of a transport socket that is not modelled: bytes are taken to pass as they are."""


def compile_downstream_transport(chain: Msg, ref: Ref, proxy: Proxy) -> DownstreamTransport:
    """Compile ``transport_socket`` of a FilterChain."""
    if not chain.HasField("transport_socket"):
        return DownstreamTransport(ref)
    return _compile_socket(chain.transport_socket, ref.at("transport_socket"), proxy)


def _compile_socket(socket: Msg, ref: Ref, proxy: Proxy) -> DownstreamTransport:
    kind, config = any_type(socket.typed_config), unpack(socket.typed_config)
    place = ref.at("typed_config")
    if kind in PLAINTEXT:
        return DownstreamTransport(ref)
    if config is None:
        return DownstreamTransport(ref, unmodelled=kind)
    if kind == TLS:
        return DownstreamTransport(ref, _compile_context(config, place, proxy))
    if kind == QUIC:
        return DownstreamTransport(
            ref, _compile_context(config.downstream_tls_context, place.at("downstream_tls_context"), proxy)
        )
    if kind in WRAPPERS:
        return _compile_socket(config.transport_socket, place.at("transport_socket"), proxy)
    return DownstreamTransport(ref, unmodelled=kind)


def _compile_context(context: Msg, ref: Ref, proxy: Proxy) -> TlsContext:
    common = context.common_tls_context
    wanted = [sds.name for sds in common.tls_certificate_sds_secret_configs]
    validations: list[Msg] = []
    kind = common.WhichOneof("validation_context_type")
    if kind == "validation_context":
        validations.append(common.validation_context)
    elif kind == "combined_validation_context":
        validations.append(common.combined_validation_context.default_validation_context)
        wanted.append(common.combined_validation_context.validation_context_sds_secret_config.name)
    elif kind == "validation_context_sds_secret_config":
        wanted.append(common.validation_context_sds_secret_config.name)
    validation_secret = "" if kind in (None, "validation_context") else wanted[-1]
    secret = proxy.dump.secrets.get(validation_secret) if validation_secret else None
    if secret is not None:
        validations.append(secret.message().validation_context)
    require = bool(context.require_client_certificate.value)
    return TlsContext(
        ref,
        tuple(common.alpn_protocols),
        require,
        require or bool(validation_secret) or any(_verifies(v) for v in validations),
        tuple(_subject_alt_names(validations)),
        _not_ready(wanted, proxy),
        _unknown_secret(wanted, proxy),
    )


def _verifies(validation: Msg) -> bool:
    """Tell whether the validator asks for a certificate (``DefaultCertValidator::initializeSslContexts``)."""
    return bool(
        validation.HasField("trusted_ca")
        or validation.HasField("custom_validator_config")
        or validation.verify_certificate_spki
        or validation.verify_certificate_hash
        or validation.match_typed_subject_alt_names
        or validation.match_subject_alt_names
        or enum_name(validation, "trust_chain_verification") == "ACCEPT_UNTRUSTED"
    )


def _subject_alt_names(validations: Iterable[Msg]) -> Iterable[SubjectAltName]:
    for validation in validations:
        for name in validation.match_typed_subject_alt_names:
            yield SubjectAltName(enum_name(name, "san_type"), compile_string_matcher(name.matcher))
        for matcher in validation.match_subject_alt_names:
            yield SubjectAltName("", compile_string_matcher(matcher))


def _not_ready(names: Iterable[str], proxy: Proxy) -> str:
    """Return the name of a secret that Envoy has asked for and not got."""
    secrets = proxy.dump.secrets
    waiting = [n for n in names if n and n not in secrets]
    if not waiting:
        return ""
    warming = {r.name for r in proxy.dump.all_resources if r.kind == "secret" and r.state == "warming"}
    return next((n for n in waiting if n in warming), "")


def _unknown_secret(names: Iterable[str], proxy: Proxy) -> str:
    secrets = proxy.dump.secrets
    return next((n for n in names if n and n not in secrets), "") if secrets else ""


def shake_hands(transport: DownstreamTransport, connection: DownstreamConnection, telling: Telling) -> Aborted | None:
    """Do what the transport socket does before the first byte reaches a network filter; ``None`` goes on."""
    tls = transport.tls
    if tls is None:
        if transport.unmodelled:
            telling.note(
                transport.ref, f"transport socket `{transport.unmodelled}` is not modelled: taken as plaintext"
            )
        return None
    if tls.not_ready:
        telling.step(STAGE, tls.ref, "the secret `{}` has not arrived: the connection is closed", tls.not_ready)
        return Aborted("tls")
    if tls.unknown_secret:
        telling.note(tls.ref, f"the secret `{tls.unknown_secret}` is not in the dump: taken to be there")
    if not connection.client_tls:
        telling.step(
            STAGE, tls.ref, "the chain terminates TLS and the client sends plaintext: the connection is closed"
        )
        return Aborted("tls")
    refused, setting = _verify(tls, connection, telling)
    if refused:
        telling.step(STAGE, tls.ref.at(*setting), "{}: the handshake fails", refused)
        return Aborted("tls")
    connection.tls = True
    connection.alpn = _negotiate(tls.alpn_protocols, connection.offered_alpn)
    if connection.alpn == "h2":
        connection.speaks = "HTTP/2"
    elif connection.alpn.startswith("http/1") and connection.speaks == "HTTP/2":
        connection.speaks = "HTTP/1.1"
    telling.step(STAGE, tls.ref, "TLS terminated, ALPN {}", connection.alpn or "not negotiated")
    return None


def _verify(tls: TlsContext, connection: DownstreamConnection, telling: Telling) -> tuple[str, tuple[str, ...]]:
    """Check the client's certificate; return why the handshake fails ("" if it does not), and the path of the field."""
    certificate = connection.client_certificate if tls.asks_for_certificate else None
    if certificate is None:
        why = "a client certificate is required and none is sent" if tls.require_client_certificate else ""
        return why, ("require_client_certificate",)
    if tls.subject_alt_names and not any(name.matches(certificate) for name in tls.subject_alt_names):
        return "no subject alternative name of the client certificate is allowed", ("common_tls_context",)
    telling.assumed.append("the client certificate is valid for the chain's trusted CA")
    connection.peer_certificate = certificate
    return "", ()


def _negotiate(server: tuple[str, ...], client: tuple[str, ...]) -> str:
    """Return the first of the server's protocols that the client offers, "" for none (``alpnSelectCallback``)."""
    return next((protocol for protocol in server if protocol in client), "")
