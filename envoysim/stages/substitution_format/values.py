"""The values operators give, and how they are written in text and in JSON.

A value is ``None`` (absent), text, a number, a truth value, or plain Python made of these.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ...model.reply import Response
    from ..stream import Stream

Value: TypeAlias = object
Extract: TypeAlias = "Callable[[Stream, Response | None, str], Value]"
"""Reads a value from the stream, the response so far, and the body of a local reply."""


LOGGING: Final = "logging"
"""``Stream.facts`` key: the stream has ended and is being logged."""


class Operator(NamedTuple):
    """A compiled operator: ``unknown`` says why its value cannot be known, ``quoted`` that text is JSON in text too."""

    extract: Extract
    unknown: str = ""
    length: int | None = None
    quoted: bool = False

    def text(self, stream: Stream, response: Response | None, body: str) -> str | None:
        """Return the value as text."""
        value = self.extract(stream, response, body)
        if value is None:
            return None
        text = value if isinstance(value, str) and not self.quoted else as_json(value)
        return text if self.length is None else text[: self.length]


def response_code(stream: Stream, response: Response | None) -> int | None:
    """Return the response code as far as Envoy has set it: a local reply's own mutations run before."""
    if stream.response_code is not None:
        return stream.response_code
    return response.status if response is not None and not response.local else None


def as_json(value: Value) -> str:
    """Write a value as Envoy's JSON streamer does: no blanks, sorted keys, whole numbers without fraction."""
    return json.dumps(_plain(value), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _plain(value: Value) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
