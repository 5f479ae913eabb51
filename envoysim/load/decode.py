"""JSON to protobuf, as Envoy prints and accepts it: snake_case or lowerCamelCase, ``Any`` with inlined fields.

What the schema does not know becomes a Note with its place and is kept out of the message; a value of the wrong JSON
type raises SourceError with the place. ``json_format`` is not used: it stops at the first unknown ``Any`` and is
several times slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

from ..errors import SourceError
from ..model.outcome import Note
from ..model.ref import Ref
from ..schema import TYPED_STRUCTS, Msg, is_map, knows, message_class, type_name
from .scalars import Json, Part, converter, wrong
from .v2 import v3_name

Put: TypeAlias = Callable[[Msg, Json, Ref, Part, list[Note]], None]
"""Sets a message, or one field of it, from the value that stands at ``part`` of a place."""
MAX_DEPTH = 200
"""Nesting beyond this is refused: no Envoy configuration is that deep, and Python would run out of stack."""


def decode_message(full_name: str, obj: Json, ref: Ref, notes: list[Note]) -> Msg:
    """Make a message of type ``full_name`` from a JSON object; ``notes`` collects what is unknown.

    Raises KeyError for an unknown ``full_name`` and SourceError (with the JSON pointer) for a value of the wrong kind.
    """
    message = message_class(full_name)()
    try:
        fill(message, obj, ref, notes)
    except RecursionError:
        raise SourceError("nested too deeply", place=str(ref)) from None
    return message


def fill(message: Msg, obj: Json, ref: Ref, notes: list[Note]) -> None:
    """Set ``message``'s fields from a JSON object."""
    if not isinstance(obj, dict):
        raise wrong(ref, f"a {message.DESCRIPTOR.name} object", obj)
    if len(ref.path) > MAX_DEPTH:
        raise SourceError(f"nested deeper than {MAX_DEPTH} levels", place=str(ref)[:200])
    table = _table(message.DESCRIPTOR.full_name)
    unknown = []
    for key, value in obj.items():
        if value is None:
            continue
        put = table.get(key)
        if put is not None:
            put(message, value, ref, key, notes)
        elif key != "@type":
            unknown.append(key)
    for key in unknown:  # last: what they mean today may depend on the other fields
        if not _retired(message, key, obj[key], ref.at(key), notes):
            notes.append(Note(ref.at(key), f"unknown field `{key}` of {message.DESCRIPTOR.full_name}"))


def _retired(message: Msg, key: str, value: Json, ref: Ref, notes: list[Note]) -> bool:
    from .retired import put_retired  # it decodes too, and few documents need it

    return put_retired(message, key, value, ref, notes)


@cache
def _table(full_name: str) -> dict[str, Put]:
    """Return {JSON key: setter}, with both spellings of every field."""
    found: dict[str, Put] = {}
    for field in message_class(full_name).DESCRIPTOR.fields:
        put = _field(field)
        found[field.name] = found[field.json_name] = put
    return found


def _fill_at(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
    fill(message, value, ref.at(part), notes)


def _field(field: Any) -> Put:
    if is_map(field):
        return _map(field)
    if field.is_repeated:
        return _repeated(field)
    name = field.name
    if field.message_type is not None:
        put_message = _message_setter(field.message_type.full_name)

        def put_sub(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
            sub = getattr(message, name)
            sub.SetInParent()
            put_message(sub, value, ref, part, notes)

        return put_sub
    convert = converter(field)

    def put_scalar(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
        converted = convert(value, ref, part, notes)
        if converted is not None:
            setattr(message, name, converted)

    return put_scalar


def _repeated(field: Any) -> Put:
    name = field.name
    if field.message_type is not None:
        put_message = _message_setter(field.message_type.full_name)

        def put_messages(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
            items, place = getattr(message, name), ref.at(part)
            for i, item in enumerate(_list(value, place)):
                put_message(items.add(), item, place, i, notes)

        return put_messages
    convert = converter(field)

    def put_scalars(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
        items, place = getattr(message, name), ref.at(part)
        for i, item in enumerate(_list(value, place)):
            converted = convert(item, place, i, notes)
            if converted is not None:
                items.append(converted)

    return put_scalars


def _map(field: Any) -> Put:
    name = field.name
    key_field, value_field = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
    convert_key = converter(key_field)
    if value_field.message_type is not None:
        put_message = _message_setter(value_field.message_type.full_name)

        def put_messages(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
            items, place = getattr(message, name), ref.at(part)
            for key, item in _object(value, place).items():
                put_message(items[convert_key(key, place, key, notes)], item, place, key, notes)

        return put_messages
    convert = converter(value_field)

    def put_scalars(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
        items, place = getattr(message, name), ref.at(part)
        for key, item in _object(value, place).items():
            converted = convert(item, place, key, notes)
            if converted is not None:
                items[convert_key(key, place, key, notes)] = converted

    return put_scalars


# --- messages with a JSON form of their own ------------------------------------------------------------------


def _message_setter(full_name: str) -> Put:
    if full_name in _SPECIAL:
        return _SPECIAL[full_name]
    if full_name in _WRAPPERS:
        field = message_class(full_name).DESCRIPTOR.fields_by_name["value"]
        convert = converter(field)

        def put_wrapper(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
            if isinstance(value, dict) and set(value) <= {"value"}:
                value = value.get("value", field.default_value)
            message.value = convert(value, ref, part, notes)

        return put_wrapper
    return _fill_at


_WRAPPERS = frozenset(
    f"google.protobuf.{kind}Value"
    for kind in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)


def _put_from_json_string(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
    """Duration (``0.25s``), Timestamp and FieldMask; their object form is accepted too."""
    if isinstance(value, dict):
        fill(message, value, ref.at(part), notes)
        return
    if not isinstance(value, str):
        raise wrong(ref.at(part), f"a {message.DESCRIPTOR.name} text", value)
    try:
        message.FromJsonString(value)
    except ValueError:
        raise SourceError(f"`{value}` is not a {message.DESCRIPTOR.name}", place=str(ref.at(part))) from None


def _put_struct(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
    if not isinstance(value, dict):
        raise wrong(ref.at(part), "an object", value)
    _set_struct(message, value)


def _put_list(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
    _set_list(message, value if isinstance(value, list) else [value])


def _put_value(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
    _set_value(message, value)


def _set_struct(message: Msg, value: dict[str, Json]) -> None:
    for key, item in value.items():
        _set_value(message.fields[key], item)


def _set_list(message: Msg, value: list[Json]) -> None:
    for item in value:
        _set_value(message.values.add(), item)


def _set_value(message: Msg, value: Json) -> None:
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
        _set_struct(message.struct_value, value)
    else:
        message.list_value.SetInParent()
        _set_list(message.list_value, value)


def _put_any_at(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
    put_any(message, value, ref.at(part), notes)


def put_any(message: Msg, value: Json, ref: Ref, notes: list[Note]) -> None:
    """Set an Any: its fields inlined, a ``{"@type", "value"}`` pair, or a TypedStruct of either package."""
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
        name, content = type_name(str(url)), value.get("value") or {}
    known = name if knows(name) else v3_name(name)
    if known is None or not knows(known):
        keep_unknown(message, name, content, ref, notes)
        return
    if known != name:
        notes.append(Note(ref, f"v2 type `{name}` is read as {known}"))
    inner = message_class(known)()
    if known in _SPECIAL or known in _WRAPPERS:
        if "value" in content:
            _message_setter(known)(inner, content["value"], ref, "value", notes)
    else:
        fill(inner, content, ref, notes)
    message.type_url = f"type.googleapis.com/{known}"
    message.value = inner.SerializeToString(deterministic=True)


def keep_unknown(message: Msg, name: str, content: Json, ref: Ref, notes: list[Note]) -> None:
    """Keep what the schema has no type for as a TypedStruct."""
    notes.append(Note(ref, f"unknown type `{name}`"))
    kept = message_class("xds.type.v3.TypedStruct")()
    kept.type_url = f"type.googleapis.com/{name}"
    fields = {k: v for k, v in content.items() if k != "@type"} if isinstance(content, dict) else {}
    _set_struct(kept.value, fields)
    message.type_url = "type.googleapis.com/xds.type.v3.TypedStruct"
    message.value = kept.SerializeToString(deterministic=True)


def _put_empty(message: Msg, value: Json, ref: Ref, part: Part, notes: list[Note]) -> None:
    _object(value or {}, ref.at(part))


_SPECIAL: Mapping[str, Put] = {
    "google.protobuf.Any": _put_any_at,
    "google.protobuf.Duration": _put_from_json_string,
    "google.protobuf.Timestamp": _put_from_json_string,
    "google.protobuf.FieldMask": _put_from_json_string,
    "google.protobuf.Struct": _put_struct,
    "google.protobuf.ListValue": _put_list,
    "google.protobuf.Value": _put_value,
    "google.protobuf.Empty": _put_empty,
}


def _list(value: Json, ref: Ref) -> list[Json]:
    """A repeated field; Envoy takes a single value for a list of one."""
    return value if isinstance(value, list) else [value]


def _object(value: Json, ref: Ref) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise wrong(ref, "an object", value)
    return value
