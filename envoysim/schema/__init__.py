"""Envoy's protobuf messages: a private descriptor pool, and access to what ``Any`` holds.

The pool is filled on first use, message by message, from ``descriptors.binpb`` (made when the package is built, see
``build_schema.py``). It is private, so that other Envoy protos in the process do not clash.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from .descriptor_files import DescriptorFiles, class_of
from .descriptor_files import is_map as is_map

Msg: TypeAlias = Any
"""A protobuf (upb) message; its fields are dynamic."""

TYPED_STRUCTS = frozenset({"xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"})


DESCRIPTORS = Path(__file__).with_name("descriptors.binpb")
"""Made when the package is built; in a checkout by ``python build_schema.py``."""


@cache
def _files() -> DescriptorFiles:
    return DescriptorFiles(DESCRIPTORS.read_bytes())


def pool() -> Any:
    """Return the private DescriptorPool with every message in it."""
    return _files().all()


@cache
def message_class(full_name: str) -> Any:
    """Return the class of ``full_name``; raises KeyError for a name the schema does not have."""
    return class_of(_files().message_type(full_name))


@cache
def knows(full_name: str) -> bool:
    """Tell whether the schema has a message called ``full_name``."""
    try:
        message_class(full_name)
    except KeyError:
        return False
    return True


def new(full_name: str) -> Msg:
    """Make an empty message."""
    return message_class(full_name)()


def type_name(type_url: str) -> str:
    """``type.googleapis.com/a.b.C`` -> ``a.b.C``."""
    return type_url.rsplit("/", 1)[-1]


def unpack(any_msg: Msg) -> Msg | None:
    """Return the message inside an Any whose type is known, else ``None``."""
    name = type_name(any_msg.type_url)
    if not name or name in TYPED_STRUCTS or not knows(name):
        return None
    return message_class(name).FromString(any_msg.value)


def any_type(any_msg: Msg) -> str:
    """Return the full type name inside an Any; for a TypedStruct the one it stands for; "" for an empty Any."""
    name = type_name(any_msg.type_url)
    if name in TYPED_STRUCTS:
        return type_name(message_class(name).FromString(any_msg.value).type_url)
    return name


def struct_value(any_msg: Msg) -> dict[str, Any] | None:
    """Return the content of a TypedStruct as plain Python, ``None`` for anything else."""
    name = type_name(any_msg.type_url)
    if name not in TYPED_STRUCTS:
        return None
    value = to_python(message_class(name).FromString(any_msg.value).value)
    return value if isinstance(value, dict) else None


@cache
def _enum_names(full_name: str, field: str) -> dict[int, str]:
    enum = _files().message_type(full_name).fields_by_name[field].enum_type
    return {value.number: value.name for value in reversed(enum.values)}


def enum_name(msg: Msg, field: str) -> str:
    """Return the name of an enum field's value; an unknown number as text."""
    number = getattr(msg, field)
    return _enum_names(msg.DESCRIPTOR.full_name, field).get(number, str(number))


def duration_ms(duration: Msg) -> float:
    """Return a google.protobuf.Duration in milliseconds."""
    return float(duration.seconds * 1000 + duration.nanos / 1e6)


def to_python(value: Msg) -> Any:
    """Turn a google.protobuf.Struct, ListValue or Value into plain Python; whole numbers become int."""
    kind = value.DESCRIPTOR.name
    if kind == "Struct":
        return {k: to_python(v) for k, v in value.fields.items()}
    if kind == "ListValue":
        return [to_python(v) for v in value.values]
    which = value.WhichOneof("kind")
    if which in (None, "null_value"):
        return None
    inner = getattr(value, which)
    if which in ("struct_value", "list_value"):
        return to_python(inner)
    if which == "number_value" and inner == int(inner) and abs(inner) < 2**53:
        return int(inner)
    return inner
