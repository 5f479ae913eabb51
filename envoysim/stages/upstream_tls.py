"""TLS to upstreams: which transport socket an endpoint gets, and how the handshake ends.

Follows ``source/common/upstream/transport_socket_match_impl.cc``, ``source/common/tls/client_context_impl.cc``
and ``source/common/tls/cert_validator/default_validator.cc``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.string_matcher import StringMatcher, compile_string_matcher
from ..model.ref import Ref
from ..schema import Msg, any_type, enum_name, to_python, unpack
from .retry_host import label_matches
from .x509_names import subject_common_names

if TYPE_CHECKING:
    from ..model.behaviour import Upstream
    from .load_balancer import Host
    from .proxy import Proxy

TLS_CONTEXT: Final = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
RAW_BUFFERS: Final = frozenset({"envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", ""})
MATCH_NAMESPACE: Final = "envoy.transport_socket_match"
FAILED: Final = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"
WRONG_VERSION: Final = "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER"
END: Final = ":TLS_error_end"


@dataclass(frozen=True, slots=True)
class Presented:
    """The certificate an endpoint shows."""

    subject: str
    dns_sans: tuple[str, ...]


TEST_CERTIFICATE: Final = Presented("oracle.lab", ("*.lab", "oracle.lab"))
"""Self-signed; shown by endpoints that a scenario declares to speak TLS."""


@dataclass(frozen=True, slots=True)
class SanMatcher:
    """One ``SubjectAltNameMatcher``; ``dns_exact`` follows DNS rules, others compare text."""

    san_type: str
    dns_exact: str | None
    matcher: StringMatcher | None


@dataclass(frozen=True, slots=True)
class TransportSocket:
    """A compiled upstream transport socket. ``tls`` is false for raw buffers."""

    ref: Ref
    name: str = "raw_buffer"
    tls: bool = False
    sni: str = ""
    auto_host_sni: bool = False
    auto_sni_san_validation: bool = False
    alpn: tuple[str, ...] = ()
    has_validation: bool = False
    validation_ref: Ref | None = None
    """Where the validation context stands; ``None`` without one."""
    trusted: tuple[str, ...] | None = None
    """Common names of the trusted CAs; ``None`` without a trusted CA."""
    trusts_unknown: bool = False
    """The trusted CA is in a file or secret that the dump does not hold."""
    accepts_untrusted: bool = False
    sans: tuple[SanMatcher, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class TransportSockets:
    """A cluster's sockets: the first match on the endpoint's metadata, then on its locality's, else the default."""

    default: TransportSocket
    matches: tuple[tuple[tuple[tuple[str, object], ...], TransportSocket], ...] = ()

    def resolve(self, host: Host) -> TransportSocket:
        """Return the socket for ``host`` (``TransportSocketMatcherImpl::resolve``)."""
        if not self.matches:
            return self.default
        for metadata in (host.metadata, host.locality_metadata):
            labels = metadata.get(MATCH_NAMESPACE, {}) if metadata else {}
            for wanted, socket in self.matches:
                for key, value in wanted:
                    if key not in labels or not label_matches(labels[key], value, lists=False):
                        break
                else:
                    return socket
        return self.default


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """What a request asks of the connection's TLS: the names from auto_sni and auto_san_validation."""

    server_name: str = ""
    san_list: tuple[str, ...] = ()


NO_OPTIONS: Final = TransportOptions()


def compile_transport_sockets(cluster: Msg, ref: Ref, proxy: Proxy | None) -> TransportSockets:
    """Compile ``transport_socket`` and ``transport_socket_matches`` of a cluster."""
    default = TransportSocket(ref)
    if cluster.HasField("transport_socket"):
        default = _compile(cluster.transport_socket, ref.at("transport_socket"), proxy)
    matches = []
    for index, entry in enumerate(cluster.transport_socket_matches):
        labels = to_python(entry.match)
        wanted = tuple(labels.items()) if isinstance(labels, dict) else ()
        at = ref.at("transport_socket_matches", index, "transport_socket")
        matches.append((wanted, _compile(entry.transport_socket, at, proxy)))
    return TransportSockets(default, tuple(matches))


def _compile(socket: Msg, ref: Ref, proxy: Proxy | None) -> TransportSocket:
    config = socket.typed_config
    kind = any_type(config) if config.type_url else ""
    inner = unpack(config) if config.type_url else None
    if kind in RAW_BUFFERS:
        return TransportSocket(ref)
    if inner is not None and kind == TLS_CONTEXT:
        return _compile_tls(inner, ref.at("typed_config"), proxy)
    if inner is not None and "transport_socket" in inner.DESCRIPTOR.fields_by_name:
        # upstream_proxy_protocol, tap, internal_upstream, http_11_proxy: a wrapper around the real one.
        return _compile(inner.transport_socket, ref.at("typed_config", "transport_socket"), proxy)
    return TransportSocket(
        ref, name=socket.name, note=f"transport socket `{socket.name}` is not modelled: plaintext assumed"
    )


def _compile_tls(msg: Msg, ref: Ref, proxy: Proxy | None) -> TransportSocket:
    common = msg.common_tls_context
    contexts = [c for c in _validation_contexts(common, proxy) if c is not None]
    ca = next((c.trusted_ca for c in contexts if c.HasField("trusted_ca")), None)
    pem = (ca.inline_string or ca.inline_bytes.decode("latin-1")) if ca is not None else ""
    sans = tuple(_san_matcher(m, ref) for c in contexts for m in c.match_typed_subject_alt_names)
    unknown_secret = not contexts and (
        common.HasField("validation_context_sds_secret_config") or common.HasField("combined_validation_context")
    )
    return TransportSocket(
        ref,
        name="tls",
        tls=True,
        sni=msg.sni,
        auto_host_sni=getattr(msg, "auto_host_sni", False),
        auto_sni_san_validation=getattr(msg, "auto_sni_san_validation", False),
        alpn=tuple(common.alpn_protocols),
        has_validation=bool(contexts) or unknown_secret,
        validation_ref=_validation_ref(common, ref.at("common_tls_context")),
        trusted=subject_common_names(pem) if ca is not None else None,
        trusts_unknown=unknown_secret or (ca is not None and not pem),
        accepts_untrusted=any(enum_name(c, "trust_chain_verification") == "ACCEPT_UNTRUSTED" for c in contexts),
        sans=sans,
    )


def _validation_contexts(common: Msg, proxy: Proxy | None) -> list[Msg | None]:
    kind = common.WhichOneof("validation_context_type")
    if kind == "validation_context":
        return [common.validation_context]
    if kind == "validation_context_sds_secret_config":
        return [_secret(common.validation_context_sds_secret_config, proxy)]
    if kind == "combined_validation_context":
        combined = common.combined_validation_context
        secret = _secret(combined.validation_context_sds_secret_config, proxy)
        return [combined.default_validation_context, secret]
    return []


def _validation_ref(common: Msg, ref: Ref) -> Ref | None:
    """Return the place of the context that is written here; what a secret adds is beside it."""
    kind = common.WhichOneof("validation_context_type")
    if kind == "combined_validation_context":
        return ref.at(kind, "default_validation_context")
    return ref.at(kind) if kind is not None else None


def _secret(config: Msg, proxy: Proxy | None) -> Msg | None:
    resource = proxy.dump.secrets.get(config.name) if proxy is not None else None
    message = resource.message() if resource is not None else None
    return message.validation_context if message is not None and message.HasField("validation_context") else None


def _san_matcher(msg: Msg, ref: Ref) -> SanMatcher:
    kind = enum_name(msg, "san_type")
    exact = msg.matcher.exact if msg.matcher.WhichOneof("match_pattern") == "exact" else None
    if kind == "DNS" and exact is not None:
        return SanMatcher(kind, exact, None)
    return SanMatcher(kind, None, compile_string_matcher(msg.matcher, ref))


def server_name(socket: TransportSocket, host: Host, options: TransportOptions) -> str:
    """Return the SNI that is sent, "" for none (``ClientContextImpl::newSsl``)."""
    if options.server_name:
        return options.server_name
    if socket.auto_host_sni and host.hostname:
        return host.hostname
    return socket.sni


def handshake_failure(socket: TransportSocket, sni: str, options: TransportOptions, upstream: Upstream) -> str | None:
    """Return why a TLS handshake fails: transport failure text (possibly empty), ``None`` when it succeeds.

    An endpoint about which nothing is said has a certificate that passes; one that a scenario declares
    to speak TLS shows ``TEST_CERTIFICATE``. One declared to speak plaintext hangs up; where it is an HTTP server of a
    given version, it answers what it cannot read, in plaintext, and that is no TLS record.
    """
    if upstream.tls is None:
        return None
    if not upstream.tls:
        return "" if upstream.protocol is None else WRONG_VERSION + END
    certificate = TEST_CERTIFICATE
    if not socket.has_validation:
        # A name to verify without anything to verify it with: the TLS library's own check, with no trusted CA.
        return FAILED + END if options.san_list else None
    known_trust = socket.trusted is not None and not socket.trusts_unknown and not socket.accepts_untrusted
    if known_trust and certificate.subject not in (socket.trusted or ()):
        return _failed("X509_verify_cert: certificate verification error at depth 0: self signed certificate")
    return _verify_sans(socket, sni, options, certificate)


def _verify_sans(socket: TransportSocket, sni: str, options: TransportOptions, certificate: Presented) -> str | None:
    if socket.accepts_untrusted:
        return None
    names = ", ".join(certificate.dns_sans)
    if options.san_list and not any(dns_name_match(w, s) for w in options.san_list for s in certificate.dns_sans):
        expected = ", ".join(options.san_list)
        return _failed(f"verify SAN list, expected SANs: [{expected}], certificate SANs: [{names}]")
    matchers = socket.sans
    if not options.san_list and socket.auto_sni_san_validation and sni:
        matchers = (SanMatcher("DNS", sni, None),)
    if matchers and not any(_san_matches(m, certificate) for m in matchers):
        return _failed(f"SAN matcher, certificate SANs are [{names}]")
    return None


def _san_matches(matcher: SanMatcher, certificate: Presented) -> bool:
    if matcher.san_type != "DNS":
        return False
    if matcher.dns_exact is not None:
        return any(dns_name_match(matcher.dns_exact, san) for san in certificate.dns_sans)
    return matcher.matcher is not None and any(matcher.matcher.matches(san) for san in certificate.dns_sans)


def dns_name_match(name: str, pattern: str) -> bool:
    """Tell whether a certificate's DNS name covers ``name``: a leading ``*`` stands for one label."""
    name, pattern = name.lower(), pattern.lower()
    if name == pattern:
        return True
    if not pattern.startswith("*."):
        return False
    label, _, rest = name.partition(".")
    return bool(label) and "." + rest == pattern[1:]


def _failed(text: str) -> str:
    return f"{FAILED}:verify cert failed: {text}{END}"


def negotiated_alpn(offered: tuple[str, ...], upstream: Upstream) -> str:
    """Return the ALPN protocol an endpoint picks ("" for none): h2 before http/1.1, of those it speaks."""
    speaks = {"HTTP/1.1": ("http/1.1",), "HTTP/2": ("h2",)}.get(upstream.protocol or "", ("h2", "http/1.1"))
    return next((p for p in speaks if p in offered), "")
