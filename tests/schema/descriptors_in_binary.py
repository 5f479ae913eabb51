"""The descriptors that the Envoy binary carries: serialized FileDescriptorProtos in its data section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

# Field 1 (`name`), its length, and the name: how every serialized FileDescriptorProto opens.
START = re.compile(rb"\x0a(.)((?:envoy|xds|udpa|google|opentelemetry|io|contrib|cel)/[a-zA-Z0-9_/.\-]+\.proto)", re.S)
FIELDS = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14}
LARGEST = 2_000_000


def file_descriptors(binary: Path) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """Yield each file once."""
    data = binary.read_bytes()
    seen: set[bytes] = set()
    for match in START.finditer(data):
        length = match[1][0]
        name = match[2][:length]
        if len(name) != length or not name.endswith(b".proto") or name in seen:
            continue
        try:
            file = descriptor_pb2.FileDescriptorProto.FromString(data[match.start() : _end(data, match.start())])
        except DecodeError:
            continue
        seen.add(name)
        yield file


def _end(data: bytes, start: int) -> int:
    """Walk over the fields of a FileDescriptorProto; the first that cannot be one of its own ends it."""
    position = start
    while position < len(data):
        tag, after = _varint(data, position)
        field, wire = tag >> 3, tag & 7
        if field not in FIELDS or wire not in (0, 2) or (field == 1 and position != start):
            break
        value, after = _varint(data, after)
        if wire == 2:
            if value > LARGEST:
                break
            after += value
        position = after
    return position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return result, position
