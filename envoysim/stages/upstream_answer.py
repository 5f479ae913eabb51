"""What the upstream's codec makes of a behaviour: an answer, or a reset with its reason.

Follows ``source/common/http/codec_client.cc`` and the codecs' client sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..model.behaviour import ECHO, Behaviour
from ..model.headers import HeaderMap, ResponseHeaderMap
from ..model.reply import LocalReply, Response

if TYPE_CHECKING:
    from .stream import Stream

CONNECTION_TERMINATION: Final = "connection termination"
PROTOCOL_ERROR: Final = "protocol error"
H2_RESETS: Final[Mapping[int, str]] = {7: "remote refused stream reset", 10: "remote error with CONNECT request"}
"""RST_STREAM code -> reset reason; every other code is a plain remote reset."""
H1: Final = "HTTP/1.1"
H1_ENDS: Final[Mapping[str, str]] = {
    "reset": CONNECTION_TERMINATION,
    "close": CONNECTION_TERMINATION,
    "garbage": PROTOCOL_ERROR,
    "partial": PROTOCOL_ERROR,
}
H2_ENDS: Final[Mapping[str, str]] = {
    "reset": CONNECTION_TERMINATION,
    "close": CONNECTION_TERMINATION,
    "garbage": CONNECTION_TERMINATION,
    "partial": "remote reset",
}
"""Action -> reset reason, by what the upstream speaks; HTTP/3 is taken for HTTP/2."""


def early_reset(behaviour: Behaviour, protocol: str) -> tuple[str, bool] | None:
    """Return the reset reason of a behaviour that answers nothing, and whether the connection goes with it."""
    action = behaviour.action
    if action in ("reset", "close", "garbage"):
        return (H1_ENDS if protocol == H1 else H2_ENDS)[action], True
    if action == "h2_reset" and protocol != H1:
        return H2_RESETS.get(behaviour.reset_code, "remote reset"), False
    return None


def late_reset(protocol: str) -> str:
    """Return the reset reason of an answer that is cut within its body."""
    return (H1_ENDS if protocol == H1 else H2_ENDS)["partial"]


def make_answer(
    behaviour: Behaviour, stream: Stream, protocol: str, *, http1_trailers: bool = False
) -> Response | LocalReply | None:
    """Build the answer as the codec hands it on; ``None`` where the codec refuses it.

    HTTP/1 drops trailers unless ``http1_trailers``; the answer still goes on after its headers. A websocket upgrade
    that HTTP/1 answers with anything but 101 or an error becomes an empty local reply.
    """
    headers = ResponseHeaderMap()
    for name, value in behaviour.headers:
        headers.add(name.lower(), value.strip(" \t"))
    body, status = behaviour.body, behaviour.status
    if behaviour.grpc_status is not None:
        headers.items += [("content-type", "application/grpc"), ("grpc-status", str(behaviour.grpc_status))]
        body = ""
    method, upgrade = stream.headers.get(":method"), _upgrade(stream)
    bodiless = method == "HEAD" or status in (204, 304)
    announced = "" if status in (204, 304) else body
    if bodiless:
        body = ""
    if body == ECHO and (method == "CONNECT" or status == 101 or (upgrade and protocol != H1)):
        body = ""  # nobody echoes into a tunnel
    if protocol != H1:
        if status == 101:
            return None
        if upgrade and status == 200:
            status, body = 101, ""
            headers.items += [("upgrade", upgrade), ("connection", "upgrade")]
    elif upgrade.lower() == "websocket" and status != 101:
        if status < 400:
            others = tuple(p for p in headers.items if p[0] != "content-length")
            return LocalReply(status, "websocket_handshake_unsuccessful", headers=others)
        headers.remove("upgrade")
    announced = announced if method == "HEAD" else body
    framed = protocol != "HTTP/2" and not behaviour.trailers and "content-length" not in headers
    says_none = protocol == H1 and status >= 200 and status not in (204, 304) and method != "CONNECT"
    if framed and announced != ECHO and (announced or says_none):
        headers.items.append(("content-length", str(len(announced.encode()))))
    trailers = None
    if behaviour.trailers and not bodiless:
        kept = behaviour.trailers if protocol != H1 or http1_trailers else ()
        trailers = HeaderMap([(n.lower(), v) for n, v in kept])
    # HTTP/1 knows that an answer without a body is whole.
    cut = behaviour.action in ("partial", "stall") and not (bodiless and protocol == H1)
    return Response(status, headers, body, trailers, cut=cut)


def _upgrade(stream: Stream) -> str:
    return (stream.headers.get("upgrade") or "") if stream.upgrade else ""


def closes_connection(response: Response) -> bool:
    """Tell whether the upstream closes an HTTP/1 connection after this answer."""
    return "close" in (response.headers.get("connection") or "").lower()
