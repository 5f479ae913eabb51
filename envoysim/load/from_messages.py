"""Resources a program has at hand: protobuf messages of any package, envoy-data-plane objects, serialized bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..errors import SourceError
from ..model.ref import Ref
from ..schema import Msg, message_class, type_name
from .dump import Document, Dump
from .encode import to_json
from .resource import TYPES, Notes, Resource
from .sections import resource_name

KINDS: Final = {full_name: kind for kind, full_name in TYPES.items()}


def from_messages(messages: Iterable[Any]) -> Dump:
    """Make a Dump of resources given as objects.

    Each is an envoy-data-plane dataclass, a protobuf message (of any descriptor pool), an ``Any`` of one of them, or
    ``(type name or URL, bytes)``. Raises SourceError for what is no resource.
    """
    notes = Notes()
    notes.sources.append("messages")
    root: list[Any] = []
    resources: list[Resource] = []
    for index, given in enumerate(messages):
        full_name, data = _serialized(given, index)
        if full_name not in KINDS:
            raise SourceError(f"not an Envoy resource: `{full_name}`", place=f"messages#/{index}")
        raw = {"@type": f"type.googleapis.com/{full_name}", **to_json(_parsed(full_name, data, index))}
        kind = KINDS[full_name]
        name = "bootstrap" if kind == "bootstrap" else resource_name(raw, kind)
        state = "static" if kind == "bootstrap" else "active"
        resources.append(Resource(kind, name, Ref(0, (index,)), state, raw, notes))
        root.append(raw)
    return Dump([Document("messages", root)], resources, notes)


def _parsed(full_name: str, data: bytes, index: int) -> Msg:
    from google.protobuf.message import DecodeError

    try:
        return message_class(full_name).FromString(data)
    except DecodeError as error:
        raise SourceError(f"not a serialized `{full_name}`: {error}", place=f"messages#/{index}") from None


def _serialized(given: Any, index: int) -> tuple[str, bytes]:
    """Return (full name, bytes) of one resource."""
    if isinstance(given, tuple):
        name, data = given
        return type_name(name), data
    descriptor = getattr(type(given), "DESCRIPTOR", None)
    if descriptor is not None:  # protobuf, of whatever pool
        name, data = descriptor.full_name, given.SerializeToString()
    else:
        name, data = _data_plane_name(given, index), bytes(given)
    if name == "google.protobuf.Any":
        return type_name(given.type_url), given.value
    return name, data


def _data_plane_name(given: Any, index: int) -> str:
    """Return the proto name of an envoy-data-plane (betterproto2) object."""
    try:
        from envoy_data_plane.message_pool import default_message_pool

        return type_name(default_message_pool.type_to_url[type(given)])
    except (ImportError, KeyError):
        kind = type(given).__name__
        raise SourceError(
            f"`{kind}` is no protobuf message", place=f"messages#/{index}", help="give (type name, bytes) instead"
        ) from None
