"""Bytes to a Dump: the only code that reads files or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import SourceError
from ..model.outcome import Note
from ..model.ref import Ref
from .dump import Document, Dump
from .formats import resources_of
from .hosts import is_clusters
from .read import parse, read_source
from .resource import Resource

Source = str | Path | bytes | Mapping[str, Any] | list[Any]
"""A path, ``-``, an admin address, the bytes of a document, or decoded JSON."""


def load(sources: Source | Sequence[Source]) -> Dump:
    """Load one source or several into one Dump.

    A path may be a file (``.gz`` and ``.zst`` too) or a folder; ``FILE#NAME`` chooses one proxy of an egctl file.
    Raises SourceError, with the file and the place in it, for what cannot be used.
    """
    if isinstance(sources, (str, Path, bytes, dict)):
        sources = [sources]
    notes: list[Note] = []
    documents: list[Document] = []
    resources: list[Resource] = []
    for source in sources:
        choose = None
        if isinstance(source, str) and "#" in source and not Path(source).exists():
            source, choose = source.split("#", 1)
        for name, root in _documents(source):
            documents.append(Document(name, root))
            if is_clusters(root):
                continue
            try:
                resources += resources_of(root, Ref(len(documents) - 1, ()), notes, choose)
            except SourceError as error:
                place = f"{name}#{error.place}" if error.place else name
                raise SourceError(error.message, place=place, help=error.help) from None
    return Dump(documents, resources, notes)


def _documents(source: Source) -> list[tuple[str, Any]]:
    if isinstance(source, bytes):
        return [("bytes", parse("bytes", source))]
    if isinstance(source, (str, Path)):
        return [(name, parse(name, data)) for name, data in read_source(str(source))]
    return [("json", source)]


__all__ = ["Document", "Dump", "Resource", "Source", "load"]
