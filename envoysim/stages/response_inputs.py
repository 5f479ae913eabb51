"""What matcher trees of HTTP filters can look at: requests, and responses once there is one.

``source/common/http/matching/inputs.h``, ``status_code_input.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..model.reply import Response
from ..schema import Msg
from .cel import RESPONSE
from .matcher_inputs import HTTP_INPUTS
from .matcher_tree import Input, InputTable

if TYPE_CHECKING:
    from .stream import Stream

PREFIX: Final = "envoy.type.matcher.v3."


def show_response(stream: Stream, response: Response) -> None:
    """Let matchers see ``response``."""
    stream.facts[RESPONSE] = response


def _response(stream: Any) -> Response | None:
    found = stream.facts.get(RESPONSE)
    return found if isinstance(found, Response) else None


def _header(msg: Msg) -> Input:
    name = msg.header_name.lower()

    def read(stream: Any) -> object:
        response = _response(stream)
        return None if response is None else response.headers.joined(name)

    return read


def _trailer(msg: Msg) -> Input:
    name = msg.header_name.lower()

    def read(stream: Any) -> object:
        response = _response(stream)
        return None if response is None or response.trailers is None else response.trailers.joined(name)

    return read


def _status(stream: Any) -> object:
    response = _response(stream)
    return None if response is None else str(response.status)


def _status_class(stream: Any) -> object:
    response = _response(stream)
    return f"{response.status // 100}xx" if response is not None and 100 <= response.status < 600 else None


RESPONSE_ONLY: Final[InputTable] = {
    PREFIX + "HttpResponseHeaderMatchInput": _header,
    PREFIX + "HttpResponseTrailerMatchInput": _trailer,
    PREFIX + "HttpResponseStatusCodeMatchInput": lambda msg: _status,
    PREFIX + "HttpResponseStatusCodeClassMatchInput": lambda msg: _status_class,
}
INPUTS: Final[InputTable] = {**HTTP_INPUTS, **RESPONSE_ONLY}
"""For filters that match at both times: the data is a ``Stream``."""


def needs_response(matcher: Msg) -> bool:
    """Tell whether a matcher looks at a response: it is then asked only when there is one."""
    content = matcher.SerializeToString()
    return any(name.encode() in content for name in RESPONSE_ONLY)
