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
from .from_messages import from_messages
from .hosts import has_configs, is_clusters
from .read import parse, read_source
from .resource import Notes, Resource
from .shelf import Entry

Source = str | Path | bytes | Mapping[str, Any] | list[Any]
"""A path, ``-``, an admin address, the bytes of a document, or decoded JSON."""


def load(sources: Source | Sequence[Source]) -> Dump:
    """Load one source or several into one Dump.

    A path may be a file (``.gz`` and ``.zst`` too) or a folder; ``FILE#NAME`` chooses one proxy of an egctl file.
    Raises SourceError, with the file and the place in it, for what cannot be used.
    """
    if isinstance(sources, (str, Path, bytes, dict)):
        sources = [sources]
    loading = _Loading()
    for source in sources:
        if isinstance(source, (str, Path)) and Path(source).is_dir():
            loading.add_folder(str(source))
        elif isinstance(source, bytes):
            loading.add("bytes", parse("bytes", source, loading.notes))
        elif isinstance(source, (str, Path)):
            path, choose = _choice(str(source))
            for name, data in read_source(path):
                loading.add(name, parse(name, data, loading.notes), choose)
        else:
            loading.add("json", source)
    return loading.dump()


def _choice(source: str) -> tuple[str, str | None]:
    """``FILE#NAME``: one proxy of several in a file."""
    path, hash_sign, name = source.partition("#")
    return (path, name) if hash_sign and not Path(source).exists() else (source, None)


class _Loading:
    """What was loaded so far."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.documents: list[Document] = []
        self.entries: list[Entry] = []

    def add(self, name: str, root: Any, choose: str | None = None) -> None:
        self.documents.append(Document(name, root))
        self.notes.sources.append(name)
        if is_clusters(root) and not has_configs(root):
            return
        try:
            self.entries += resources_of(root, Ref(len(self.documents) - 1, ()), self.notes, choose)
        except SourceError as error:
            self.documents.pop()
            self.notes.sources.pop()
            place = f"{name}#{error.place}" if error.place else name
            raise SourceError(error.message, place=place, help=error.help) from None

    def add_folder(self, folder: str) -> None:
        """Load what is a configuration in a folder; other files are noted, unless there are no others."""
        refused: list[SourceError] = []
        before = len(self.documents)
        for name, data in read_source(folder):
            try:
                self.add(name, parse(name, data, self.notes))
            except SourceError as error:
                refused.append(error)
        if len(self.documents) == before:
            raise refused[0] if refused else SourceError("no configuration file in this folder", place=folder)
        self.notes += [Note(None, f"skipped: {error}") for error in refused]

    def dump(self) -> Dump:
        return Dump(self.documents, self.entries, self.notes)


__all__ = ["Document", "Dump", "Resource", "Source", "from_messages", "load"]
