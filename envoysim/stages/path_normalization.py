"""Path and host normalization before routing (``maybeNormalizePath``, ``maybeNormalizeHost``, ``path_utility.cc``)."""

from __future__ import annotations

import re
from typing import Final

from ..match.authority import port_start

UNESCAPES: Final = (("%2F", "/"), ("%2f", "/"), ("%5C", "\\"), ("%5c", "\\"))
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")  # our own scanner, not a configuration regex
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Characters googleurl's path canonicalizer escapes (url_canon_path.cc): controls, space, quotes, and non-ASCII.
_ESCAPED: Final = frozenset(' "#<>?^`{|}') | {chr(c) for c in range(0x20)} | {"\x7f"}


def split_query(path: str) -> tuple[str, str]:
    """Return the path proper, and the query with its ``?`` (or "")."""
    at = path.find("?")
    return (path, "") if at < 0 else (path[:at], path[at:])


def unescape_slashes(path: str) -> str:
    """Undo ``%2F`` and ``%5C`` in the path, not in the query."""
    bare, query = split_query(path)
    for escaped, plain in UNESCAPES:
        bare = bare.replace(escaped, plain)
    return bare + query


def merge_slashes(path: str) -> str:
    """Collapse runs of slashes in the path; the first and the last stay."""
    bare, query = split_query(path)
    if "//" not in bare:
        return path
    prefix, suffix = "/" if bare.startswith("/") else "", "/" if bare.endswith("/") else ""
    return prefix + "/".join(part for part in bare.split("/") if part) + suffix + query


def canonical_path(path: str) -> str | None:
    """Canonicalize as googleurl does (dot segments, backslashes, needless escapes); ``None`` where it is refused."""
    bare, query = split_query(path)
    if "%" not in bare and "." not in bare and "\\" not in bare and bare.isascii() and not _ESCAPED & set(bare):
        return path
    decoded = _decode_unreserved(bare)
    if decoded is None:
        return None
    return _resolve_dots(decoded) + query


def _decode_unreserved(path: str) -> str | None:
    out: list[str] = []
    position = 0
    while position < len(path):
        char = path[position]
        if char == "%":
            match = _ESCAPE.match(path, position)
            if match is None:
                out.append("%")
                position += 1
                continue
            value = chr(int(match[1], 16))
            if value == "\0":
                return None
            out.append(value if value in _UNRESERVED else match[0])
            position += 3
            continue
        if char == "\\":
            out.append("/")
        elif char in _ESCAPED or ord(char) > 0x7E:
            if char == "\0":
                return None
            out.append("".join(f"%{byte:02X}" for byte in char.encode()))
        else:
            out.append(char)
        position += 1
    return "".join(out)


def _resolve_dots(path: str) -> str:
    """Resolve ``.`` and ``..`` segments; empty segments stay."""
    segments = path.split("/")
    out: list[str] = []
    last = len(segments) - 1
    for index, segment in enumerate(segments):
        if segment == ".":
            if index == last:
                out.append("")
        elif segment == "..":
            if len(out) > 1:
                out.pop()
            if index == last:
                out.append("")
        else:
            out.append(segment)
    joined = "/".join(out)
    return joined if joined.startswith("/") else "/" + joined


def strip_trailing_dot(host: str) -> str:
    """Remove one trailing dot, also before a port (``HeaderUtility::stripTrailingHostDot``)."""
    dot = host.rfind(".")
    if dot < 0:
        return host
    if dot == len(host) - 1:
        return host[:-1]
    return host[:dot] + host[dot + 1 :] if host[dot + 1] == ":" else host


def strip_port(host: str, listener_port: int | None) -> tuple[str, int | None]:
    """Remove the port; with ``listener_port`` only that one. Return the host and the port that went."""
    start = port_start(host)
    if start < 0:
        return host, None
    text = host[start + 1 :].removeprefix("+")
    if not (text.isascii() and text.isdigit()) or (listener_port is not None and int(text) != listener_port):
        return host, None
    return host[:start], int(text)
