"""A FileDescriptorSet whose files go into the pool when a message of theirs is asked for.

Most processes need a tenth of Envoy's messages. ``build_schema.py`` gives a message (or a few that need each other) a
file of its own, so that little else comes along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

NAME, PACKAGE, DEPENDENCY = 0x0A, 0x12, 0x1A
"""Tags of the first fields of a FileDescriptorProto, in the order they are written; NAME is a DescriptorProto's too."""


class DescriptorFiles:
    """The files of a serialized FileDescriptorSet, and the private DescriptorPool they go into."""

    def __init__(self, data: bytes) -> None:
        self._pool = _new_pool()
        self._data = data
        self._waiting: dict[str, tuple[int, int]] = {}
        for _, start, end in _fields(data, 0, len(data)):
            _, name, name_end = next(_fields(data, start, end))
            self._waiting[data[name:name_end].decode()] = (start, end)

    def message_type(self, full_name: str) -> Any:
        """Return a message's descriptor; raises KeyError for a name that no file has."""
        if self._waiting:
            parts = full_name.split(".")
            top = next((i for i, part in enumerate(parts) if part[:1].isupper()), len(parts) - 1)
            self._add(f"envoysim/{'/'.join(parts[: top + 1])}.proto")
            try:
                return self._pool.FindMessageTypeByName(full_name)
            except KeyError:  # in a file with another name, if anywhere
                own = parts[-1].encode()
                written = bytes((NAME, len(own) & 0x7F)) + own
                for name in [
                    n for n, (start, end) in self._waiting.items() if self._data.find(written, start, end) > 0
                ]:
                    self._add(name)
        return self._pool.FindMessageTypeByName(full_name)

    def all(self) -> Any:
        """Return the pool with every file in it."""
        for name in list(self._waiting):
            self._add(name)
        return self._pool

    def _add(self, name: str) -> None:
        place = self._waiting.pop(name, None)
        if place is None:
            return
        data = self._data
        for tag, start, end in _fields(data, *place):
            if tag == DEPENDENCY:
                self._add(data[start:end].decode())
            elif tag not in (NAME, PACKAGE):
                break
        self._pool.AddSerializedFile(data[place[0] : place[1]])


def _c_module() -> Any:
    """Return protobuf's module in C, ``None`` where it runs in Python alone.

    ``descriptor_pool`` and ``message_factory`` do no more than what is done here, but import the implementation in
    Python as well, which takes longer than loading what a trace needs, and make the class of every message below.
    """
    from google.protobuf.internal import api_implementation

    return api_implementation._c_module if api_implementation.Type() == "upb" else None  # type: ignore[attr-defined]


def _new_pool() -> Any:
    module = _c_module()
    if module is not None:
        return module.DescriptorPool()
    from google.protobuf import descriptor_pool

    return descriptor_pool.DescriptorPool()


def class_of(descriptor: Any) -> Any:
    """Return the class of a message's descriptor; the same one every time."""
    made = getattr(descriptor, "_concrete_class", None)
    if made is not None:
        return made
    module = _c_module()
    if module is not None:
        from google.protobuf.message import Message

        return module.MessageMeta(descriptor.name, (Message,), {"DESCRIPTOR": descriptor, "__module__": None})
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(descriptor)


def is_map(field: Any) -> bool:
    """Tell a map from a list of messages.

    Their entries have an option that says it, but reading options imports all of ``descriptor_pb2``.
    """
    entry = field.message_type
    if entry is None or not field.is_repeated or not entry.has_options:
        return False
    return hasattr(getattr(class_of(field.containing_type)(), field.name), "GetEntryClass")


def _fields(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield tag, start and end of length-delimited fields, which must be all there is before one that is not."""
    while position < end:
        tag = data[position]
        position += 1
        length = shift = 0
        while True:
            byte = data[position]
            position += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield tag, position, position + length
        position += length
