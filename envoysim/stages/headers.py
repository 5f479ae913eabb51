"""Header mutations of routes: ``headers_to_add`` and ``headers_to_remove`` (``header_parser.cc``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.headers import REQUEST_INLINE, RESPONSE_INLINE
from ..schema import Msg, enum_name
from .substitution_format import Format, compile_format

if TYPE_CHECKING:
    from ..model.headers import HeaderMap
    from ..model.ref import Ref
    from ..model.reply import Response
    from .stream import Stream

APPEND: Final = "APPEND_IF_EXISTS_OR_ADD"
ADD_IF_ABSENT: Final = "ADD_IF_ABSENT"
OVERWRITE: Final = "OVERWRITE_IF_EXISTS_OR_ADD"
OVERWRITE_IF_EXISTS: Final = "OVERWRITE_IF_EXISTS"

_OLD_METADATA: Final = re.compile(r"%(UPSTREAM|DYNAMIC)_METADATA\((\[[^\]%]*\])\)%")
_PER_REQUEST_STATE: Final = re.compile(r"%PER_REQUEST_STATE\(([^%]+)\)%")


@dataclass(frozen=True, slots=True)
class AddedHeader:
    """One ``HeaderValueOption``; ``value`` is text where it needs no formatting."""

    name: str
    value: str | Format
    action: str
    keep_empty: bool


@dataclass(frozen=True, slots=True)
class HeaderMutations:
    """The mutations of one level: first what goes, then what comes."""

    ref: Ref
    added: tuple[AddedHeader, ...]
    removed: frozenset[str]

    def apply(self, headers: HeaderMap, stream: Stream, response: Response | None) -> None:
        """Change ``headers``, which are the response's where there is one.

        All values and conditions look at the headers after the removals; then the overwrites come, then the additions.
        """
        if self.removed:
            items = headers.items
            kept = [pair for pair in items if pair[0] not in self.removed]
            if len(kept) != len(items):
                headers.items = kept
        if not self.added:
            return
        overwritten: list[tuple[str, str]] = []
        appended: list[tuple[str, str]] = []
        for header in self.added:
            value = header.value
            if not isinstance(value, str):
                value = value.format(stream, response)
            if not value and not header.keep_empty:
                continue
            action = header.action
            if action == APPEND:
                appended.append((header.name, value))
            elif action == OVERWRITE:
                overwritten.append((header.name, value))
            elif (header.name in headers) == (action == OVERWRITE_IF_EXISTS):
                (overwritten if action == OVERWRITE_IF_EXISTS else appended).append((header.name, value))
        for name, value in overwritten:
            headers.replace(name, value)
        inline = REQUEST_INLINE if response is None else RESPONSE_INLINE
        for name, value in appended:
            if name in inline:
                headers.append(name, value)
            else:
                headers.items.append((name, value))


def compile_mutations(to_add: Iterable[Msg], to_remove: Iterable[str], ref: Ref) -> HeaderMutations:
    """Compile ``HeaderValueOption`` messages at ``ref`` and names to remove."""
    added = tuple(compile_added_header(option, ref.at(i)) for i, option in enumerate(to_add))
    return HeaderMutations(
        ref,
        tuple(header for header in added if is_modifiable(header.name)),
        frozenset(name.lower() for name in to_remove if is_modifiable(name)),
    )


def is_modifiable(name: str) -> bool:
    """Tell whether header mutations may touch ``name``: not pseudo-headers, not Host."""
    return not name.startswith(":") and name.lower() != "host"


def compile_added_header(option: Msg, ref: Ref) -> AddedHeader:
    """Compile one ``HeaderValueOption``; the retired ``append`` goes before ``append_action``."""
    action = enum_name(option, "append_action")
    if option.HasField("append"):
        action = APPEND if option.append.value else OVERWRITE
    text = option.header.value or option.header.raw_value.decode("utf-8", "replace")
    compiled = compile_format(modern_format(text), ref.at("header", "value"))
    value = compiled.literal if compiled.literal is not None else compiled
    return AddedHeader(option.header.key.lower(), value, action, option.keep_empty_value)


def modern_format(text: str) -> str:
    """Rewrite the operators of old header formats (``translateMetadataFormat``, ``translatePerRequestState``)."""
    if "_METADATA([" in text:
        text = _OLD_METADATA.sub(_colon_format, text)
    if "%PER_REQUEST_STATE(" in text:
        text = _PER_REQUEST_STATE.sub(r"%FILTER_STATE(\1:PLAIN)%", text)
    return text


def _colon_format(match: re.Match[str]) -> str:
    try:
        path = json.loads(match[2])
    except ValueError:
        return match[0]
    return f"%{match[1]}_METADATA({':'.join(map(str, path))})%" if path else match[0]
