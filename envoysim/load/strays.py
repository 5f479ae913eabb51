"""What stands around JSON in a file that a shell wrote: another encoding, lines of other programs, several documents.

``kubectl exec`` says which container it chose, a script appends one dump after the other, PowerShell writes UTF-16.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..errors import SourceError

BYTE_ORDER_MARKS: Final = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
MAX_PREFACE: Final = 4096
"""How many bytes of other lines may stand before the JSON."""

_OPENING: Final = re.compile(rb"^(?:\{\s*[\"}]|\[\s*[\[{\]])", re.M)
_DOCUMENT: Final = re.compile(r"^[ \t]*(?=[{\[])", re.M)
_YAML: Final = (b"#", b"-", b"%")
_PIECES: Final = '}],:"'
"""A line that opens so is a piece of JSON, not a word of another program."""


def utf8(name: str, data: bytes) -> bytes:
    """Return the text in UTF-8, without a byte order mark; raises SourceError where it is not what the mark says."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            if encoding == "utf-8-sig":
                return data[len(mark) :]
            try:
                return data.decode(encoding).encode()
            except UnicodeDecodeError as error:
                raise SourceError(f"invalid UTF-16 at byte {error.start}", place=name) from None
    return data


def preface(data: bytes) -> int:
    """Return where JSON begins behind lines that are neither JSON nor YAML, 0 when nothing stands before it."""
    opening = _OPENING.search(data[:MAX_PREFACE])
    if opening is None or not data[: opening.start()].strip() or data.lstrip().startswith(_YAML):
        return 0
    return opening.start()


def documents(text: str) -> tuple[list[Any], list[str]]:
    """Return the JSON documents of a text and the lines between and behind them.

    Raises json.JSONDecodeError, with its place, for a document that is broken, or where something is left over that
    belongs to one; RecursionError when it is nested too deeply.
    """
    decoder = json.JSONDecoder()
    found: list[Any] = []
    others: list[str] = []
    position = 0
    while position < len(text):
        opening = _DOCUMENT.search(text, position)
        end = len(text) if opening is None else opening.start()
        for line in text[position:end].splitlines():
            if line.strip().startswith(tuple(_PIECES)):
                raise json.JSONDecodeError("Extra data", text, text.index(line.strip(), position))
            if line.strip():
                others.append(line.strip())
        if opening is None:
            break
        document, position = decoder.raw_decode(text, opening.end())
        found.append(document)
    return found, others
