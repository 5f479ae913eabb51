"""A place in the configuration a proxy runs."""

from __future__ import annotations

from ..lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Ref:
    """A path of proto field names and indices below one source document.

    ``source`` counts the documents that were loaded (0 is the first). The path is written in
    proto names (``virtual_hosts``) whatever spelling the document uses; ``Dump.pointer`` turns it
    into a JSON pointer (RFC 6901) in the document's own spelling.
    """

    source: int
    path: tuple[str | int, ...]

    def at(self, *parts: str | int) -> Ref:
        """Go deeper: ``ref.at("routes", 3, "match")``."""
        return Ref(self.source, self.path + parts)

    def __str__(self) -> str:
        return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in self.path)


NOWHERE = Ref(0, ())
"""The whole first document: for objects made without a dump."""
