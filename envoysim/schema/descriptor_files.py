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
        from google.protobuf import descriptor_pool

        self._pool = descriptor_pool.DescriptorPool()
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
