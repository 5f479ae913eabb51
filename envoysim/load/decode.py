"""JSON to protobuf, as Envoy prints and accepts it: snake_case or lowerCamelCase, ``Any`` with inlined fields.

What the schema does not know becomes a Note with its place and is kept out of the message; a value of the wrong JSON type raises
SourceError with the place. ``json_format`` is not used: it stops at the first unknown ``Any`` and is several times slower.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from ..errors import SourceError
from ..model.outcome import Note
from ..model.ref import Ref
from ..schema import TYPED_STRUCTS, Msg, knows, message_class, type_name
from .v2 import v3_name

Json: TypeAlias = Any
Put: TypeAlias = Callable[[Msg, Json, Ref, list[Note]], None]

MAX_DEPTH = 200
"""Nesting beyond this is refused: no Envoy configuration is that deep, and Python would run out of stack."""


def decode_message(full_name: str, obj: Json, ref: Ref, notes: list[Note]) -> Msg:
    """Make a message of type ``full_name`` from a JSON object; ``notes`` collects what is unknown.

    Raises KeyError for an unknown ``full_name`` and SourceError (with the JSON pointer) for a value of the wrong kind.
    """
    message = message_class(full_name)()
    fill(message, obj, ref, notes)
    return message


def fill(message: Msg, obj: Json, ref: Ref, notes: list[Note]) -> None:
    """Set ``message``'s fields from a JSON object."""
    if not isinstance(obj, dict):
        raise _wrong(ref, f"a {message.DESCRIPTOR.name} object", obj)
    if len(ref.path) > MAX_DEPTH:
        raise SourceError(f"nested deeper than {MAX_DEPTH} levels", place=str(ref)[:200])
    table = _table(message.DESCRIPTOR.full_name)
    for key, value in obj.items():
        if value is None:
            continue
        put = table.get(key)
        if put is not None:
            put(message, value, ref.at(key), notes)
        elif key != "@type":
            notes.append(Note(ref.at(key), f"unknown field `{key}` of {message.DESCRIPTOR.full_name}"))


@cache
def _table(full_name: str) -> dict[str, Put]:
    """Return {JSON key: setter}, with both spellings of every field."""
    found: dict[str, Put] = {}
    for field in message_class(full_name).DESCRIPTOR.fields:
        put = _field(field)
        found[field.name] = found[field.json_name] = put
    return found


def _field(field: Any) -> Put:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map(field)
    if field.is_repeated:
        return _repeated(field)
    name = field.name
    if field.message_type is not None:
        put_message = _message_setter(field.message_type.full_name)

        def put_sub(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
            sub = getattr(message, name)
            sub.SetInParent()
            put_message(sub, value, ref, notes)

        return put_sub
    convert = _scalar(field)

    def put_scalar(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
        converted = convert(value, ref, notes)
        if converted is not None:
            setattr(message, name, converted)

    return put_scalar


def _repeated(field: Any) -> Put:
    name = field.name
    if field.message_type is not None:
        put_message = _message_setter(field.message_type.full_name)

        def put_messages(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
            items = getattr(message, name)
            for i, item in enumerate(_list(value, ref)):
                put_message(items.add(), item, ref.at(i), notes)

        return put_messages
    convert = _scalar(field)

    def put_scalars(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
        items = getattr(message, name)
        for i, item in enumerate(_list(value, ref)):
            converted = convert(item, ref.at(i), notes)
            if converted is not None:
                items.append(converted)

    return put_scalars


def _map(field: Any) -> Put:
    name = field.name
    key_field, value_field = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    convert_key = _scalar(key_field)
    if value_field.message_type is not None:
        put_message = _message_setter(value_field.message_type.full_name)

        def put_messages(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
            items = getattr(message, name)
            for key, item in _object(value, ref).items():
                put_message(items[convert_key(key, ref, notes)], item, ref.at(key), notes)

        return put_messages
    convert = _scalar(value_field)

    def put_scalars(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
        items = getattr(message, name)
        for key, item in _object(value, ref).items():
            converted = convert(item, ref.at(key), notes)
            if converted is not None:
                items[convert_key(key, ref, notes)] = converted

    return put_scalars


# --- messages with a JSON form of their own ------------------------------------------------------------------


def _message_setter(full_name: str) -> Put:
    if full_name in _SPECIAL:
        return _SPECIAL[full_name]
    if full_name in _WRAPPERS:
        field = message_class(full_name).DESCRIPTOR.fields_by_name["value"]
        convert = _scalar(field)

        def put_wrapper(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
            if isinstance(value, dict) and set(value) <= {"value"}:
                value = value.get("value", field.default_value)
            message.value = convert(value, ref, notes)

        return put_wrapper
    return fill


_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)


def _put_from_json_string(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
    """Duration (``0.25s``), Timestamp and FieldMask; their object form is accepted too."""
    if isinstance(value, dict):
        fill(message, value, ref, notes)
        return
    if not isinstance(value, str):
        raise _wrong(ref, f"a {message.DESCRIPTOR.name} text", value)
    try:
        message.FromJsonString(value)
    except ValueError:
        raise SourceError(f"`{value}` is not a {message.DESCRIPTOR.name}", place=str(ref)) from None


def _put_struct(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
    for key, item in _object(value, ref).items():
        _put_value(message.fields[key], item, ref, notes)


def _put_list(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
    for item in _list(value, ref):
        _put_value(message.values.add(), item, ref, notes)


def _put_value(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, (int, float)):
        message.number_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, dict):
        message.struct_value.SetInParent()
        _put_struct(message.struct_value, value, ref, notes)
    else:
        message.list_value.SetInParent()
        _put_list(message.list_value, value, ref, notes)


def _put_any(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
    """An Any with its fields inlined, a ``{"@type", "value"}`` pair, or a TypedStruct of either package."""
    if not isinstance(value, dict):
        notes.append(Note(ref, "an Any that is no object: its content is not used"))
        return
    url = value.get("@type")
    if not isinstance(url, str):
        if value.get("type_url") or value.get("typeUrl"):  # the raw form: type_url and base64 value
            fill(message, value, ref, notes)
        elif value:
            notes.append(Note(ref, "an Any without `@type`: its content is not used"))
        return
    name, content = type_name(url), value
    if name in TYPED_STRUCTS:
        url = value.get("type_url") or value.get("typeUrl") or ""
        name, content = type_name(str(url)), value.get("value", {})
    known = name if knows(name) else v3_name(name)
    if known is None or not knows(known):
        _keep_unknown(message, name, content, ref, notes)
        return
    if known != name:
        notes.append(Note(ref, f"v2 type `{name}` is read as {known}"))
    inner = message_class(known)()
    if known in _SPECIAL or known in _WRAPPERS:
        _message_setter(known)(inner, content.get("value"), ref, notes)
    else:
        fill(inner, content, ref, notes)
    message.type_url = f"type.googleapis.com/{known}"
    message.value = inner.SerializeToString(deterministic=True)


def _keep_unknown(message: Msg, name: str, content: Json, ref: Ref, notes: list[Note]) -> None:
    """Keep what the schema has no type for as a TypedStruct."""
    notes.append(Note(ref, f"unknown type `{name}`"))
    kept = message_class("xds.type.v3.TypedStruct")()
    kept.type_url = f"type.googleapis.com/{name}"
    fields = {k: v for k, v in content.items() if k != "@type"} if isinstance(content, dict) else {}
    _put_struct(kept.value, fields, ref, notes)
    message.type_url = "type.googleapis.com/xds.type.v3.TypedStruct"
    message.value = kept.SerializeToString(deterministic=True)


def _put_empty(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
    _object(value or {}, ref)


_SPECIAL: Mapping[str, Put] = {
    "google.protobuf.Any": _put_any,
    "google.protobuf.Duration": _put_from_json_string,
    "google.protobuf.Timestamp": _put_from_json_string,
    "google.protobuf.FieldMask": _put_from_json_string,
    "google.protobuf.Struct": _put_struct,
    "google.protobuf.ListValue": _put_list,
    "google.protobuf.Value": _put_value,
    "google.protobuf.Empty": _put_empty,
}


# --- scalars ------------------------------------------------------------------------------------------------------


def _scalar(field: Any) -> Callable[[Json, Ref, list[Note]], Any]:
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


def _text(value: Json, ref: Ref, notes: list[Note]) -> str:
    if not isinstance(value, str):
        raise _wrong(ref, "text", value)
    return value


def _bool(value: Json, ref: Ref, notes: list[Note]) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise _wrong(ref, "true or false", value)


def _float(value: Json, ref: Ref, notes: list[Note]) -> float:
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
    except ValueError:
        pass
    raise _wrong(ref, "a number", value)


def _integer(low: int, high: int) -> Callable[[Json, Ref, list[Note]], int]:
    def convert(value: Json, ref: Ref, notes: list[Note]) -> int:
        try:
            number = int(value) if not isinstance(value, float) or value == int(value) else None
        except (ValueError, TypeError, OverflowError):
            number = None
        if number is None or isinstance(value, bool):
            raise _wrong(ref, "a whole number", value)
        if not low <= number <= high:
            raise SourceError(f"{number} is out of range ({low} to {high})", place=str(ref))
        return number

    return convert


def _bytes(value: Json, ref: Ref, notes: list[Note]) -> bytes:
    text = _text(value, ref, notes)
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        notes.append(Note(ref, "not base64: kept as text"))  # hand-written files put plain text here
        return text.encode()


def _enum(enum: Any) -> Callable[[Json, Ref, list[Note]], int | None]:
    numbers = {value.name: value.number for value in enum.values}

    def convert(value: Json, ref: Ref, notes: list[Note]) -> int | None:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise _wrong(ref, "an enum name", value)
        if isinstance(value, int):
            return value
        number = numbers.get(value)
        if number is None:
            number = numbers.get(value.upper())
        if number is None:
            notes.append(Note(ref, f"unknown value `{value}` of {enum.name}"))
        return number

    return convert


def _list(value: Json, ref: Ref) -> list[Json]:
    """A repeated field; Envoy takes a single value for a list of one."""
    return value if isinstance(value, list) else [value]


def _object(value: Json, ref: Ref) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _wrong(ref, "an object", value)
    return value


def _wrong(ref: Ref, wanted: str, value: Json) -> SourceError:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return SourceError(f"expected {wanted}, not {kinds.get(type(value), 'a number')}", place=str(ref) or "/")
