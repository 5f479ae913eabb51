"""JSON scalars to the values of protobuf fields, by proto-JSON's rules.

Source: https://protobuf.dev/programming-guides/json, and what Envoy adds: enum names in any case.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any, TypeAlias

from ..errors import SourceError
from ..model.outcome import Note
from ..model.ref import Ref

Json: TypeAlias = Any
Part: TypeAlias = str | int
Convert: TypeAlias = Callable[[Json, Ref, Part, list[Note]], Any]
"""Turns the scalar at ``part`` of a place into a field's value; ``None`` when there is none (an unknown enum name).

The place is put together (``ref.at(part)``) only where it is needed: most values are right and small.
"""


def converter(field: Any) -> Convert:
    """Return what converts the values of ``field`` (a scalar or an enum)."""
    kind = field.type
    if kind == field.TYPE_ENUM:
        return _enum(field.enum_type)
    if kind == field.TYPE_STRING:
        return _text
    if kind == field.TYPE_BOOL:
        return _bool
    if kind == field.TYPE_BYTES:
        return _bytes
    if kind in (field.TYPE_DOUBLE, field.TYPE_FLOAT):
        return _float
    low, high = _RANGES[field.cpp_type - 1]
    return _integer(low, high)


_RANGES = ((-(2**31), 2**31 - 1), (-(2**63), 2**63 - 1), (0, 2**32 - 1), (0, 2**64 - 1))
"""By C++ type: int32, int64, uint32, uint64."""


def _text(value: Json, ref: Ref, part: Part, notes: list[Note]) -> str:
    if not isinstance(value, str):
        raise wrong(ref.at(part), "text", value)
    return value


def _bool(value: Json, ref: Ref, part: Part, notes: list[Note]) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise wrong(ref.at(part), "true or false", value)


def _float(value: Json, ref: Ref, part: Part, notes: list[Note]) -> float:
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise wrong(ref.at(part), "a number", value)


def _integer(low: int, high: int) -> Convert:
    def convert(value: Json, ref: Ref, part: Part, notes: list[Note]) -> int:
        if type(value) is int and low <= value <= high:
            return value
        try:
            number = int(value) if not isinstance(value, float) or value == int(value) else None
        except (ValueError, TypeError, OverflowError):
            number = None
        if number is None or isinstance(value, bool):
            raise wrong(ref.at(part), "a whole number", value)
        if not low <= number <= high:
            raise SourceError(f"{number} is out of range ({low} to {high})", place=str(ref.at(part)))
        return number

    return convert


def _bytes(value: Json, ref: Ref, part: Part, notes: list[Note]) -> bytes:
    text = _text(value, ref, part, notes)
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        notes.append(Note(ref.at(part), "not base64: kept as text"))  # hand-written files put plain text here
        return text.encode()


def _enum(enum: Any) -> Convert:
    numbers = {value.name: value.number for value in enum.values}
    whole = _integer(*_RANGES[0])

    def convert(value: Json, ref: Ref, part: Part, notes: list[Note]) -> int | None:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise wrong(ref.at(part), "an enum name", value)
        if isinstance(value, int):
            return int(whole(value, ref, part, notes))
        number = numbers.get(value)
        if number is None:
            number = numbers.get(value.upper())
        if number is None:
            notes.append(Note(ref.at(part), f"unknown value `{value}` of {enum.name}"))
        return number

    return convert


def wrong(ref: Ref, wanted: str, value: Json) -> SourceError:
    """Make the error of a value of the wrong JSON type."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return SourceError(f"expected {wanted}, not {kinds.get(type(value), 'a number')}", place=str(ref) or "/")
