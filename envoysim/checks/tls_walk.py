"""TLS contexts of filter chains and clusters, and the certificates they present."""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, any_type, unpack
from .certificate import Certificate, read_certificates
from .subject import Chain, ClusterItem, Subject

DOWNSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


@dataclass(frozen=True, slots=True, eq=False)
class DownstreamItem:
    """A filter chain's TLS context; ``ref`` is the context's place."""

    chain: Chain
    context: Msg
    ref: Ref


def downstream_tls(subject: Subject) -> list[DownstreamItem]:
    """Return every filter chain that speaks TLS."""
    found: list[DownstreamItem] | None = subject.memory.get("downstream_tls")
    if found is None:
        found = subject.memory["downstream_tls"] = [
            DownstreamItem(chain, unpack(config), chain.ref.at("transport_socket", "typed_config"))
            for chain in subject.chains
            if any_type(config := chain.msg.transport_socket.typed_config) == DOWNSTREAM_TLS
        ]
    return found


def upstream_tls(subject: Subject) -> Iterator[tuple[ClusterItem, Msg, Ref]]:
    """Yield every cluster that speaks TLS to all endpoints alike.

    Where `transport_socket_matches` choose, the cluster's own socket is for the endpoints that none takes; some control
    planes put a placeholder there.
    """
    for cluster in subject.clusters.values():
        config = cluster.msg.transport_socket.typed_config
        if config.type_url and any_type(config) == UPSTREAM_TLS and not cluster.by_endpoint:
            yield cluster, unpack(config), cluster.ref.at("transport_socket", "typed_config")


def certificate_items(subject: Subject, item: DownstreamItem) -> Iterator[tuple[Certificate, Ref]]:
    """Yield the leaf certificates a chain presents, inline or from a secret the dump holds."""
    common, place = item.context.common_tls_context, item.ref.at("common_tls_context")
    for i, inline in enumerate(common.tls_certificates):
        yield from _leaf(inline, place.at("tls_certificates", i))
    for secret in common.tls_certificate_sds_secret_configs:
        resource = subject.dump.secrets.get(secret.name)
        if resource is not None:
            yield from _leaf(resource.message().tls_certificate, resource.ref.at("tls_certificate"))


def _leaf(certificate: Msg, ref: Ref) -> Iterator[tuple[Certificate, Ref]]:
    for first in certificates_of(certificate.certificate_chain)[:1]:
        yield first, ref.at("certificate_chain")


def certificates_of(source: Msg) -> list[Certificate]:
    """Return the certificates of an inline DataSource; none where it is a file, or no certificate."""
    text = source.inline_string or source.inline_bytes.decode("latin-1")
    try:
        return list(read_certificates(text))
    except (ValueError, IndexError, binascii.Error):
        return []
