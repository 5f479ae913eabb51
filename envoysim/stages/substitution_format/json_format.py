"""Formats written as a JSON structure (``JsonFormatterImpl``, ``OmitEmptyJsonFormatterImpl``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from .parser import parse
from .values import Operator, as_json

if TYPE_CHECKING:
    from ...model.ref import Ref
    from ...model.reply import Response
    from ..stream import Stream


@dataclass(frozen=True, slots=True)
class Template:
    """A text with operators; one operator alone keeps the type of its value."""

    parts: tuple[str | Operator, ...]


class _Omitted:
    """Stands for a value that is left out."""


_OMITTED: Final = _Omitted()


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """A compiled ``json_format``: ``tree`` is plain Python with ``Template`` where operators are."""

    ref: Ref
    tree: object
    omit_empty: bool
    unknown: tuple[str, ...] = ()

    def format(self, stream: Stream, response: Response | None, local_reply_body: str = "") -> str:
        """Write the structure with its values and a newline."""
        for text in self.unknown:
            stream.telling.note(self.ref, text)
        filled = self._fill(self.tree, stream, response, local_reply_body)
        return as_json({} if filled is _OMITTED else filled) + "\n"

    def _fill(self, node: object, stream: Stream, response: Response | None, body: str) -> object:
        if isinstance(node, Template):
            return self._value(node, stream, response, body)
        if isinstance(node, dict):
            fields = {key: self._fill(value, stream, response, body) for key, value in node.items()}
            kept = {key: value for key, value in fields.items() if value is not _OMITTED}
            return kept if kept or not self.omit_empty else _OMITTED
        if isinstance(node, list):
            items = [self._fill(value, stream, response, body) for value in node]
            return [value for value in items if value is not _OMITTED]
        return _OMITTED if node is None and self.omit_empty else node

    def _value(self, template: Template, stream: Stream, response: Response | None, body: str) -> object:
        if len(template.parts) == 1:
            only = template.parts[0]
            value = only if isinstance(only, str) else only.extract(stream, response, body)
            return _OMITTED if value is None and self.omit_empty else value
        absent = "" if self.omit_empty else "-"
        out = []
        for part in template.parts:
            value = part if isinstance(part, str) else part.text(stream, response, body)
            out.append(absent if value is None else value)
        return "".join(out)


def compile_json_format(structure: object, ref: Ref, *, omit_empty: bool = False) -> JsonFormat:
    """Compile a format given as plain Python."""
    unknown: list[str] = []
    return JsonFormat(ref, _compile(structure, unknown), omit_empty, tuple(dict.fromkeys(unknown)))


def _compile(node: object, unknown: list[str]) -> object:
    if isinstance(node, Mapping):
        return {str(key): _compile(value, unknown) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_compile(value, unknown) for value in node]
    if isinstance(node, str) and "%" in node:
        parts = tuple(parse(node))
        unknown += [p.unknown for p in parts if isinstance(p, Operator) and p.unknown]
        return Template(parts)
    return node
