"""The ``proxy-status`` header (RFC 9209; ``source/common/stream_info/utility.cc``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from ..model.reply import Response
from ..schema import Msg

if TYPE_CHECKING:
    from .proxy import Proxy
    from .stream import Stream

ProxyStatus: TypeAlias = Callable[["Stream", Response], None]

# By response flag, in the order Envoy asks (``ProxyStatusUtils::fromStreamInfo``).
ERRORS: Final = (
    ("LH", "destination_unavailable"),
    ("UH", "destination_unavailable"),
    ("UT", "http_response_timeout"),
    ("DT", "connection_timeout"),
    ("LR", "connection_timeout"),
    ("UR", "connection_terminated"),
    ("UF", "connection_refused"),
    ("UAEX", "connection_refused"),
    ("UC", "connection_terminated"),
    ("OM", "connection_limit_reached"),
    ("DO", "connection_limit_reached"),
    ("FI", "http_request_error"),
    ("DC", "connection_terminated"),
    ("DR", "connection_terminated"),
    ("UO", "connection_limit_reached"),
    ("NR", "destination_not_found"),
    ("RL", "connection_limit_reached"),
    ("RLSE", "connection_limit_reached"),
    ("URX", "destination_unavailable"),
    ("SI", "http_response_timeout"),
    ("IH", "http_request_error"),
    ("DPE", "http_request_error"),
    ("UMSDR", "http_response_timeout"),
    ("NFCF", "proxy_configuration_error"),
    ("UPE", "http_protocol_error"),
    ("NC", "destination_unavailable"),
    ("DF", "dns_error"),
)
STATUS: Final = {
    "destination_not_found": 500,
    "destination_unavailable": 503,
    "connection_refused": 502,
    "connection_terminated": 502,
    "connection_timeout": 504,
    "connection_limit_reached": 503,
    "http_response_timeout": 504,
    "http_request_denied": 403,
    "http_protocol_error": 502,
    "proxy_configuration_error": 500,
    "proxy_internal_error": 500,
    "dns_error": 502,
}
"""Recommended status by error, for ``set_recommended_response_code``."""


def compile_proxy_status(msg: Msg, proxy: Proxy) -> ProxyStatus | None:
    """Compile ``proxy_status_config``; ``None`` where it is not set."""
    if not msg.HasField("proxy_status_config"):
        return None
    config = msg.proxy_status_config
    kind = config.WhichOneof("proxy_name")
    name = config.literal_proxy_name if kind == "literal_proxy_name" else msg.server_name or "envoy"
    if kind == "use_node_id" and config.use_node_id:
        name = proxy.node.id if proxy.node is not None else ""
    hide_details, hide_flags = config.remove_details, config.remove_response_flags
    recommended = config.set_recommended_response_code

    def apply(stream: Stream, response: Response) -> None:
        error = next((error for flag, error in ERRORS if flag in stream.flags), None)
        if error is None:
            return
        value = f"{name}; error={error}"
        if stream.details and not hide_details:
            details = stream.details if hide_flags else f"{stream.details}; {','.join(stream.flags)}"
            value += f'; details="{_escape(details)}"'
        response.headers.append("proxy-status", value, ", ")
        if recommended and error in STATUS:
            response.status = STATUS[error]

    return apply


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
