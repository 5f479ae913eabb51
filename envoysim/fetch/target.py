"""A gRPC address the user named: the channel to it, the credentials, and what its errors mean in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..errors import EnvoysimError, OptionError, SourceError
from ..lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """``address`` is ``HOST:PORT``; the rest are file names, as given on the command line."""

    address: str
    tls: bool = False
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    token: str | None = None
    """The bearer token itself."""
    token_header: str | None = None
    """Where the token goes bare; without, it goes in ``authorization`` as a bearer token."""
    server_name: str | None = None

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.tls or self.ca is not None or self.certificate is not None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of a call."""
        if not self.token:
            return ()
        return (((self.token_header or "authorization").lower(), bearer(self.token, self.token_header)),)

    def plaintext_warning(self) -> str | None:
        """Say aloud what is sent in the clear."""
        if self.secure:
            return None
        token = ", and the token with it" if self.token else ""
        return f"plaintext to {self.address}: whoever is between can read what is sent{token} (--tls, --ca FILE)"


def bearer(token: str, header: str | None) -> str:
    """Return the header's value."""
    return token if header else f"Bearer {token}"


class CallFailed(EnvoysimError):
    """A call ended with an error; ``passing`` when it may go better another time."""

    def __init__(self, message: str, *, place: str, help: str | None = None, passing: bool = False) -> None:
        super().__init__(message, place=place, help=help)
        self.passing = passing


def grpc_module() -> Any:
    """Import grpcio, or say what to install."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines about a failure come in one line from here
    try:
        import grpc
    except ImportError:
        raise SourceError("grpcio is not installed", help="pip install 'envoysim[grpc]'") from None
    return grpc


OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),  # a control plane may send everything in one message
    ("grpc.enable_retries", 0),  # retried here, in sight
    ("grpc.enable_http_proxy", 0),  # nothing goes to an address the user did not name
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.primary_user_agent", "envoysim"),
)


@contextmanager
def open_channel(target: Target) -> Iterator[Any]:
    """Open a channel to ``target``; raises OptionError for what cannot be used."""
    grpc = grpc_module()
    if not re.fullmatch(r"(unix:.+|(\[[0-9a-fA-F:.]+\]|[^:/\[\]]+):\d+)", target.address):
        raise OptionError(f"`{target.address}` is no HOST:PORT")
    options = [*OPTIONS]
    if target.server_name:
        options.append(("grpc.ssl_target_name_override", target.server_name))
    if target.secure:
        files = (_read(target.ca), _read(target.key), _read(target.certificate))
        channel = grpc.secure_channel(target.address, grpc.ssl_channel_credentials(*files), options=options)
    else:
        channel = grpc.insecure_channel(target.address, options=options)
    try:
        yield channel
    finally:
        channel.close()


def _read(path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise OptionError(f"cannot read `{path}`: {(error.strerror or str(error)).lower()}") from None


HELP: Final = {
    "UNIMPLEMENTED": "another service listens there; for xDS try it with or without --delta",
    "UNAUTHENTICATED": "give a token (--token-file) or a client certificate (--cert, --key)",
    "PERMISSION_DENIED": "is this token or certificate allowed to ask as this node?",
}
PASSING: Final = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "INTERNAL", "UNKNOWN"})
CLOSED: Final = "it closed the connection"
REASONS: Final = (
    (r"CERTIFICATE_VERIFY_FAILED[^:]*:?\s*(.*)", "TLS failed: its certificate is not accepted"),
    (
        r"Hostname Verification Check failed|Peer name .* is not in peer certificate",
        "TLS failed: its certificate is for another name",
    ),
    (r"CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA", "TLS failed: it does not accept the client certificate"),
    (r"WRONG_VERSION_NUMBER|HTTP_REQUEST", "TLS failed: it does not speak TLS"),
    (r"Invalid cert chain file|Invalid private key|PEM", "TLS failed: the certificate files cannot be used"),
    (r"[Hh]andshake|SSL_ERROR|tls", "TLS failed"),
    (r"Connection refused", "connection refused"),
    (r"DNS resolution failed|Domain name not found", "its name is not known"),
    (r"No route to host|Network is unreachable", "no way to it"),
    (r"[Ss]ocket closed|Connection reset|Broken pipe|GOAWAY|recvmsg", CLOSED),
    (r"[Tt]imed? ?out|Deadline", "no answer in time"),
)
"""What gRPC's long texts mean; the first that fits."""
PLAINTEXT_HELP: Final = "does it want TLS? see --tls and --ca"
TLS_HELP: Final = "see --ca, --cert, --key and --server-name"


def call_failed(target: Target, error: Any) -> CallFailed:
    """Make one line of a grpc.RpcError."""
    code = error.code().name
    details = " ".join(str(error.details() or "").split())
    for pattern, words in REASONS if code in ("UNAVAILABLE", "INTERNAL", "UNKNOWN") else ():
        if re.search(pattern, details):
            tls = words.startswith("TLS")
            hint = TLS_HELP if tls else PLAINTEXT_HELP if words == CLOSED and not target.secure else None
            return CallFailed(words, place=target.address, help=hint, passing=not tls)
    words = code.lower().replace("_", " ")
    text = f"{words}: {details[:200]}" if details else words
    return CallFailed(text, place=target.address, help=HELP.get(code), passing=code in PASSING)
