"""Protobuf to JSON as ``/config_dump`` prints it: proto names, enum names, ``Any`` with inlined fields.

The reverse of ``decode``. ``json_format`` is not used: it stops at an ``Any`` whose type it does not know.
"""

from __future__ import annotations

import base64
from typing import Any

from ..schema import Msg, is_map, to_python, type_name, unpack

SPELLED = frozenset({"google.protobuf.Duration", "google.protobuf.Timestamp", "google.protobuf.FieldMask"})
STRUCTS = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})


def to_json(message: Msg) -> Any:
    """Return ``message`` as plain Python; a message of an unknown type inside an Any is kept as base64."""
    descriptor = message.DESCRIPTOR
    name = descriptor.full_name
    if name == "google.protobuf.Any":
        return _any(message)
    if name in SPELLED:
        return message.ToJsonString()
    if name in STRUCTS:
        return to_python(message)
    if name.startswith("google.protobuf.") and name.endswith("Value"):
        return _scalar(descriptor.fields_by_name["value"], message.value)
    return {field.name: _field(field, value) for field, value in message.ListFields()}


def _any(message: Msg) -> dict[str, Any]:
    if not message.type_url:
        return {}
    inner = unpack(message)
    if inner is None and type_name(message.type_url).endswith(".TypedStruct"):
        from ..schema import message_class

        inner = message_class(type_name(message.type_url)).FromString(message.value)
    if inner is None:
        return {"type_url": message.type_url, "value": base64.b64encode(message.value).decode()}
    content = to_json(inner)
    if inner.DESCRIPTOR.full_name.startswith("google.protobuf.") and inner.DESCRIPTOR.name != "Empty":
        return {"@type": message.type_url, "value": content}
    return {"@type": message.type_url, **content}


def _field(field: Any, value: Any) -> Any:
    if is_map(field):
        item = field.message_type.fields_by_name["value"]
        return {_key(key): _value(item, v) for key, v in value.items()}
    if field.is_repeated:
        return [_value(field, v) for v in value]
    return _value(field, value)


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _value(field: Any, value: Any) -> Any:
    return to_json(value) if field.message_type is not None else _scalar(field, value)


def _scalar(field: Any, value: Any) -> Any:
    if field.enum_type is not None:
        found = field.enum_type.values_by_number.get(value)
        return found.name if found is not None else value
    if field.type == field.TYPE_BYTES:
        return base64.b64encode(value).decode()
    if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        return str(value)
    return value
