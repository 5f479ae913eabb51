"""Lists of ``envoy.config.common.mutation_rules.v3.HeaderMutation`` (``source/common/http/header_mutation.cc``).

Unlike the mutations of routes these run strictly one after the other, and each sees what those before it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..match.string_matcher import StringMatcher, compile_string_matcher
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..model.reply import Response
from ..schema import Msg
from .headers import ADD_IF_ABSENT, APPEND, OVERWRITE, AddedHeader, compile_added_header

if TYPE_CHECKING:
    from .stream import Stream


@dataclass(frozen=True, slots=True)
class Append:
    """``append``: add, or replace, as its action says; an empty value counts only where it is to be kept."""

    header: AddedHeader

    def apply(self, headers: HeaderMap, stream: Stream, response: Response | None) -> None:
        """Change ``headers``."""
        header = self.header
        name, value, action = _name(header.name, response), header.value, header.action
        if not isinstance(value, str):
            value = value.format(stream, response)
        if not value and not header.keep_empty:
            return
        if action == APPEND or (action == ADD_IF_ABSENT and name not in headers):
            headers.add(name, value)
        elif action == OVERWRITE or (action != ADD_IF_ABSENT and name in headers):
            headers.replace(name, value)


@dataclass(frozen=True, slots=True)
class Remove:
    """``remove``: one header by name."""

    name: str

    def apply(self, headers: HeaderMap, stream: Stream, response: Response | None) -> None:
        """Change ``headers``."""
        headers.remove(_name(self.name, response))


@dataclass(frozen=True, slots=True)
class RemoveOnMatch:
    """``remove_on_match``: every header whose name passes."""

    matcher: StringMatcher

    def apply(self, headers: HeaderMap, stream: Stream, response: Response | None) -> None:
        """Change ``headers``."""
        for name in {name for name, _ in headers if self.matcher.matches(name)}:
            headers.remove(name)


Mutation = Append | Remove | RemoveOnMatch


@dataclass(frozen=True, slots=True)
class MutationList:
    """A compiled list; false if it is empty."""

    mutations: tuple[Mutation, ...]

    def __bool__(self) -> bool:
        return bool(self.mutations)

    def apply(self, headers: HeaderMap, stream: Stream, response: Response | None) -> None:
        """Apply all, in order. ``response`` is ``None`` for mutations of the request."""
        for mutation in self.mutations:
            mutation.apply(headers, stream, response)


def _name(name: str, response: Response | None) -> str:
    """``host`` and ``:authority`` are one header of a request."""
    return ":authority" if response is None and name == "host" else name


def compile_mutation_list(msgs: Iterable[Msg], ref: Ref) -> MutationList:
    """Compile a repeated field found at ``ref``."""
    return MutationList(tuple(_COMPILE[m.WhichOneof("action")](m, ref.at(i)) for i, m in enumerate(msgs)))


_COMPILE: dict[str | None, Callable[[Msg, Ref], Mutation]] = {
    "append": lambda msg, ref: Append(compile_added_header(msg.append, ref.at("append"))),
    "remove": lambda msg, ref: Remove(msg.remove.lower()),
    "remove_on_match": lambda msg, ref: RemoveOnMatch(
        compile_string_matcher(msg.remove_on_match.key_matcher, ref.at("remove_on_match", "key_matcher"))
    ),
    None: lambda msg, ref: Remove(""),
}
