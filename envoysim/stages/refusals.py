"""Which setting of the connection manager refuses a request, by the response code details of the answer.

A setting that is not there is named all the same: its default has decided, and setting it is the remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from .http1_codec import METHODS
from .http2_codec import INVALID_HEADER

if TYPE_CHECKING:
    from ..model.request import Request
    from .http_connection_manager import HttpConnectionManager
    from .stream import DownstreamConnection, Telling

COMMON: Final = "common_http_protocol_options"
HTTP1: Final = "http_protocol_options"


@dataclass(frozen=True, slots=True)
class Setting:
    """A field below the connection manager; ``value`` names its compiled value, the template's second argument."""

    path: tuple[str, ...]
    template: str
    value: str = ""


SIZE: Final = Setting(
    ("max_request_headers_kb",),
    "the codec refuses the request, {}: its headers are larger than max_request_headers_kb {} (60 by default)",
    "max_request_headers_kb",
)
COUNT: Final = Setting(
    (COMMON, "max_headers_count"),
    "the codec refuses the request, {}: it has more headers than max_headers_count {} (100 by default)",
    "max_headers_count",
)
UNDERSCORES: Final = Setting(
    (COMMON, "headers_with_underscores_action"),
    "the codec refuses the request, {}: a header has an underscore in its name, "
    "and headers_with_underscores_action is {}",
    "underscores",
)
OF_CODEC: Final = {
    "http1.headers_too_large": SIZE,
    "http2.header_list_size_too_large": SIZE,
    "http1.too_many_headers": COUNT,
    "http2.too_many_headers": COUNT,
    "http1.unexpected_underscore": UNDERSCORES,
    "http2.unexpected_underscore": UNDERSCORES,
    "low_version": Setting(
        (HTTP1, "accept_http_10"), "the codec refuses the request, {}: HTTP/1.0 is taken only with accept_http_10"
    ),
    "http1.content_length_and_chunked_not_allowed": Setting(
        (HTTP1, "allow_chunked_length"),
        "the codec refuses the request, {}: both content-length and transfer-encoding, without allow_chunked_length",
    ),
    "http1.https_url_on_plaintext_connection": Setting(
        ("use_remote_address",),
        "the codec refuses the request, {}: an https URL without TLS, at an edge (use_remote_address)",
    ),
}
UNKNOWN_METHOD: Final = Setting(
    (HTTP1, "allow_custom_methods"),
    "the codec refuses the request, {}: it does not know method `{}`, and allow_custom_methods is not set",
)
EXTENDED_CONNECT: Final = Setting(
    ("http2_protocol_options", "allow_connect"),
    "the codec refuses the request, {}: `:protocol` (extended CONNECT, as for websockets) without allow_connect",
)
CODEC_TYPE: Final = Setting(
    ("codec_type",), "the codec of codec_type {} refuses what the client sends: it speaks {}", "codec_type"
)


def tell_refusal(telling: Telling, hcm: HttpConnectionManager, details: str, request: Request) -> None:
    """Say which setting made the codec refuse a request."""
    setting = OF_CODEC.get(details)
    if setting is not None:
        more = (getattr(hcm, setting.value),) if setting.value else ()
        telling.step("connection manager", hcm.ref.at(*setting.path), setting.template, details, *more)
    elif details == "http1.codec_error" and request.method not in METHODS and not hcm.allow_custom_methods:
        at = hcm.ref.at(*UNKNOWN_METHOD.path)
        telling.step("connection manager", at, UNKNOWN_METHOD.template, details, request.method)
    elif details == INVALID_HEADER and not hcm.http2_allow_connect and _extended_connect(request):
        at = hcm.ref.at(*EXTENDED_CONNECT.path)
        telling.step("connection manager", at, EXTENDED_CONNECT.template, details)
    else:
        telling.step("connection manager", hcm.ref, "the codec refuses the request: {}", details)


def _extended_connect(request: Request) -> bool:
    return any(name.lower() == ":protocol" for name, _ in request.headers)


def tell_wrong_bytes(telling: Telling, hcm: HttpConnectionManager, connection: DownstreamConnection) -> None:
    """Say why a connection's bytes are not what the codec reads: TLS where nobody ends it, another HTTP."""
    if connection.client_tls and not connection.tls and connection.filter_chain is not None:
        at = connection.filter_chain.ref.at("transport_socket")
        telling.step("connection manager", at, "the client speaks TLS, and the filter chain does not terminate it")
        return
    at = hcm.ref.at(*CODEC_TYPE.path)
    telling.step("connection manager", at, CODEC_TYPE.template, hcm.codec_type, connection.speaks)


def tell_dropped(telling: Telling, hcm: HttpConnectionManager, request: Request) -> None:
    """Say which headers went because of an underscore in their names."""
    names = sorted({name.lower() for name, _ in request.headers if "_" in name})
    if names:
        at = hcm.ref.at(*UNDERSCORES.path)
        words = "dropped for the underscore in their names (headers_with_underscores_action is DROP_HEADER): `{}`"
        telling.step("connection manager", at, words, "`, `".join(names))
