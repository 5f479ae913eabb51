"""Just enough X.509 for what a client checks first: validity and the names a certificate is for."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Final

from ..lazy_dataclass import dataclass

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_ALTERNATIVE_NAME: Final = b"\x55\x1d\x11"
_COMMON_NAME: Final = b"\x55\x04\x03"
_VERSION, _EXTENSIONS, _DNS_NAME, _UTC_TIME = 0xA0, 0xA3, 0x82, 0x17


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate's validity and DNS names (its common name where it has no others)."""

    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]


def read_certificates(pem: str) -> list[Certificate]:
    """Read every certificate of a PEM bundle; raises ValueError or IndexError for what is none."""
    return [_read(base64.b64decode("".join(body.split()))) for body in _PEM.findall(pem)]


def covers(names: tuple[str, ...], host: str) -> bool:
    """Tell whether one of a certificate's names is for ``host``; a wildcard stands for one label."""
    host = host.lower()
    for name in map(str.lower, names):
        if name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:]):
            return True
    return False


def _read(der: bytes) -> Certificate:
    fields = _items(_items(_items(der)[0][1])[0][1])
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    begin, end = (_time(tag, content) for tag, content in _items(fields[3][1])[:2])
    names: list[str] = []
    for tag, content in fields:
        if tag == _EXTENSIONS:
            names = _alternative_names(_items(_items(content)[0][1]))
    if not names:
        pairs = [_items(pair) for _, group in _items(fields[4][1]) for _, pair in _items(group)]
        names = [pair[1][1].decode("utf-8", "replace") for pair in pairs if pair[0][1] == _COMMON_NAME]
    return Certificate(begin, end, tuple(names))


def _alternative_names(extensions: list[tuple[int, bytes]]) -> list[str]:
    for _, content in extensions:
        parts = _items(content)
        if parts[0][1] == _ALTERNATIVE_NAME:
            names = _items(_items(parts[-1][1])[0][1])
            return [name.decode("ascii", "replace") for tag, name in names if tag == _DNS_NAME]
    return []


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _items(data: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position < len(data):
        tag, length, start = data[position], data[position + 1], position + 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[start : start + size], "big")
            start += size
        position = start + length
        found.append((tag, data[start:position]))
    return found
