"""Just enough X.509 to tell whose certificate a trusted CA is: common names out of PEM bundles."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_COMMON_NAME: Final = b"\x55\x04\x03"
_SEQUENCE, _SET, _OID, _VERSION = 0x30, 0x31, 0x06, 0xA0


def subject_common_names(pem: str) -> tuple[str, ...]:
    """Return the subjects' common names of every certificate in ``pem``; an unreadable one gives ``""``."""
    return tuple(_common_name(body) for body in _PEM.findall(pem))


def _common_name(body: str) -> str:
    try:
        der = base64.b64decode("".join(body.split()))
        _, certificate = _read(der)
        _, to_be_signed = _read(certificate)
        fields = _items(to_be_signed)
        if fields and fields[0][0] == _VERSION:
            fields = fields[1:]
        subject = fields[4][1]  # serial, signature algorithm, issuer, validity, subject
        return next(
            (
                parts[1][1].decode("utf-8", "replace")
                for _, names in _items(subject)
                for _, pair in _items(names)
                if (parts := _items(pair))[0][1] == _COMMON_NAME
            ),
            "",
        )
    except (IndexError, binascii.Error, ValueError):
        return ""


def _read(data: bytes) -> tuple[int, bytes]:
    tag, content, _ = _read_at(data, 0)
    return tag, content


def _items(data: bytes) -> list[tuple[int, bytes]]:
    found, position = [], 0
    while position < len(data):
        tag, content, position = _read_at(data, position)
        found.append((tag, content))
    return found


def _read_at(data: bytes, position: int) -> tuple[int, bytes, int]:
    tag, length, start = data[position], data[position + 1], position + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    return tag, data[start : start + length], start + length
