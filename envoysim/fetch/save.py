"""Write what was fetched: secrets redacted, one resource a line, the file there whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import IO, Any, Final

from ..errors import EnvoysimError
from ..lazy_dataclass import dataclass
from ..load.redact import redact

RECORD: Final = "envoysim_fetch"
"""The key that says where a saved dump came from and what is not in it; ``Dump.fetched`` reads it."""


@dataclass(slots=True)
class Fetched:
    """A document to save; an iterator in it is a list that is made while it is written.

    ``record`` is filled at the latest when everything else is written.
    """

    document: dict[str, Any]
    record: dict[str, Any]
    said: list[str] = field(default_factory=list)
    """What to tell on the terminal."""


class NotSaved(EnvoysimError):
    """The file cannot be written."""


def save(fetched: Fetched, path: str) -> None:
    """Write to ``path`` (``-`` is standard output, ``.gz`` compresses); raises NotSaved."""
    if path == "-":
        _write(sys.stdout, {**fetched.document, RECORD: fetched.record})
        sys.stdout.write("\n")
        return
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise NotSaved(f"cannot be written: {_reason(error)}", place=path) from None
    try:
        with os.fdopen(handle, "wb") as raw, _text(raw, compressed=target.suffix == ".gz") as out:
            _write(out, {**fetched.document, RECORD: fetched.record})
            out.write("\n")
        os.replace(name, target)
    except OSError as error:
        raise NotSaved(f"cannot be written: {_reason(error)}", place=path) from None
    finally:
        Path(name).unlink(missing_ok=True)


def _text(raw: IO[bytes], *, compressed: bool) -> IO[str]:
    import io

    return io.TextIOWrapper(gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) if compressed else raw, encoding="utf-8")


def _write(out: IO[str], value: Any) -> None:
    """Write JSON; what has iterators in it line by line, the rest compactly."""
    if isinstance(value, Iterator):
        _join(out, "[]", value, lambda item: out.write(_line(item)))
    elif isinstance(value, Mapping) and (any(map(_streams, value.values())) or RECORD in value):

        def pair(item: tuple[str, Any]) -> None:
            out.write(json.dumps(item[0]) + ": ")
            _write(out, redact(item[1], item[0]) if not _streams(item[1]) else item[1])

        _join(out, "{}", iter(value.items()), pair)
    elif isinstance(value, list) and any(map(_streams, value)):
        _join(out, "[]", iter(value), lambda item: _write(out, item))
    else:
        out.write(_line(value))


def _line(value: Any) -> str:
    """Sorted: Envoy prints maps and Structs in another order every time, and two dumps of one proxy should be equal."""
    return json.dumps(redact(value), ensure_ascii=False, sort_keys=True)


def _streams(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_streams, value.values()))
    if isinstance(value, list):
        return any(isinstance(item, Mapping) and _streams(item) for item in value)
    return isinstance(value, Iterator)


def _join(out: IO[str], brackets: str, items: Iterator[Any], write: Any) -> None:
    out.write(brackets[0])
    separator = "\n"
    for item in items:
        out.write(separator)
        write(item)
        separator = ",\n"
    out.write("\n" + brackets[1] if separator != "\n" else brackets[1])


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
