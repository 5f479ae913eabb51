"""The values operators give, and how they are written in text and in JSON.

A value is ``None`` (absent), text, a number, a truth value, or plain Python made of these.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ...model.reply import Response
    from ..stream import Stream

Value: TypeAlias = object
Extract: TypeAlias = "Callable[[Stream, Response | None, str], Value]"
"""Reads a value from the stream, the response so far, and the body of a local reply."""


class Operator(NamedTuple):
    """A compiled operator; ``unknown`` says why its value cannot be known here."""

    extract: Extract
    unknown: str = ""


def as_text(value: Value) -> str:
    """Write a value in text: what is not text is JSON."""
    if isinstance(value, str):
        return value
    return as_json(value)


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


def cut(value: Value, length: int | None) -> Value:
    """Cut text to ``length``."""
    return value[:length] if length is not None and isinstance(value, str) else value
