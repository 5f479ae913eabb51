"""``x-forwarded-client-cert`` (``ConnectionManagerUtility::mutateXfccRequestHeader``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..schema import Msg, enum_name

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .stream import Stream

NAME: Final = "x-forwarded-client-cert"


@dataclass(frozen=True, slots=True)
class ForwardClientCert:
    """The mode, and which details of the current client certificate are set."""

    ref: Ref
    mode: str
    subject: bool = False
    uri: bool = False
    dns: bool = False
    whole: bool = False
    """The certificate or its chain are wanted too (``Cert``, ``Chain``)."""


def compile_forward_client_cert(msg: Msg, ref: Ref) -> ForwardClientCert:
    """Compile ``forward_client_cert_details`` and ``set_current_client_cert_details``."""
    details = msg.set_current_client_cert_details
    return ForwardClientCert(
        ref.at("forward_client_cert_details"),
        enum_name(msg, "forward_client_cert_details"),
        details.subject.value,
        details.uri,
        details.dns,
        details.cert or details.chain,
    )


def forward_client_cert(stream: Stream, first: Mapping[str, str]) -> None:
    """Keep, drop, append to or set the header, as the mode and the peer's certificate say.

    ``first`` has the names of the headers that the client sent.
    """
    config, headers = stream.hcm.forward_client_cert, stream.headers
    if config.mode == "ALWAYS_FORWARD_ONLY":
        return
    certificate = stream.connection.peer_certificate
    if config.mode == "SANITIZE" or certificate is None:
        if NAME in first or stream.hcm.early_mutations is not None:
            headers.remove(NAME)
        return
    if config.mode == "FORWARD_ONLY":
        return
    unknown = "By, Hash, Cert and Chain" if config.whole else "By and Hash"
    stream.telling.note(config.ref, f"`{NAME}`: {unknown} of a simulated certificate are not known")
    parts = ["By=*", "Hash=*"]
    if config.subject:
        parts.append(f'Subject="{certificate.subject}"')
    if config.uri:
        parts += [f"URI={uri}" for uri in certificate.uri_sans] or ["URI="]
    if config.dns:
        parts += [f"DNS={name}" for name in certificate.dns_sans]
    value = ";".join(parts)
    if config.mode == "APPEND_FORWARD":
        headers.append(NAME, value)
    else:
        headers.set(NAME, value)
