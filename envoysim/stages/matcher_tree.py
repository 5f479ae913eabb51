"""The unified matcher: ``xds.type.matcher.v3.Matcher`` (``source/common/matcher``).

Generic over what it looks at and what it decides: inputs come from a table of functions (``matcher_inputs``), actions
are compiled by the caller. A nested tree without a result backtracks: a list goes on, a prefix map tries the next
shorter prefix, IP and server name trees the next wider entry, an exact map takes ``on_no_match``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from ..lazy_dataclass import dataclass
from ..match.cidr_range import CidrRange, compile_cidr_range, parse_ip
from ..match.value_matcher import MISSING
from ..model.ref import Ref
from ..schema import Msg, any_type, unpack
from .matcher_predicate import Input, InputCompiler, InputTable, Predicate, compile_predicate

A = TypeVar("A")


@dataclass(slots=True)
class _Compiler(Generic[A]):
    inputs: InputCompiler
    action: Callable[[Msg, Ref], A]

    def on_match(self, msg: Msg, ref: Ref) -> OnMatch[A] | None:
        kind = msg.WhichOneof("on_match")
        keep = getattr(msg, "keep_matching", False)
        if kind == "matcher":
            return OnMatch(ref, None, compile_tree(msg.matcher, ref.at("matcher"), self), keep)
        if kind == "action":
            return OnMatch(ref, self.action(msg.action, ref.at("action")), None, keep)
        return None

    def no_match(self, msg: Msg, ref: Ref) -> OnMatch[A] | None:
        return self.on_match(msg.on_no_match, ref.at("on_no_match")) if msg.HasField("on_no_match") else None


@dataclass(frozen=True, slots=True)
class Found(Generic[A]):
    """The action a tree decided for, and the place of its ``on_match``."""

    action: A
    ref: Ref


@dataclass(frozen=True, slots=True, eq=False)
class OnMatch(Generic[A]):
    """What follows a match: an action or a tree. With ``keep_matching`` it is recorded and the search goes on."""

    ref: Ref
    action: A | None
    tree: Tree[A] | None
    keep_matching: bool = False

    def follow(self, data: Any, skipped: list[Found[A]]) -> Found[A] | None:
        """Return the decision; ``None`` is no match."""
        if self.tree is not None:
            found = self.tree.find(data, skipped)
        else:
            found = Found(self.action, self.ref) if self.action is not None else None
        if found is not None and self.keep_matching:
            skipped.append(found)
            return None
        return found


class Tree(Protocol[A]):
    """One level of a matcher."""

    def find(self, data: Any, skipped: list[Found[A]]) -> Found[A] | None:
        """Return the decision; ``None`` is no match."""

    def explain(self, data: Any) -> list[tuple[Ref, str]]:
        """Name the branches that do not match, each with its first failing condition."""


@dataclass(frozen=True, slots=True, eq=False)
class MatcherList(Generic[A]):
    """``matcher_list``: the first predicate that passes and leads to a decision."""

    entries: tuple[tuple[Ref, Predicate, OnMatch[A] | None], ...]
    no_match: OnMatch[A] | None

    def find(self, data: Any, skipped: list[Found[A]]) -> Found[A] | None:
        """Go through the list."""
        for _, predicate, on_match in self.entries:
            if on_match is not None and predicate.test(data):
                found = on_match.follow(data, skipped)
                if found is not None:
                    return found
        return self.no_match.follow(data, skipped) if self.no_match is not None else None

    def explain(self, data: Any) -> list[tuple[Ref, str]]:
        """Name the predicates that fail, and what nested trees lack."""
        reasons: list[tuple[Ref, str]] = []
        for ref, predicate, on_match in self.entries:
            if not predicate.test(data):
                reasons.append((ref, predicate.words(data)))
            elif on_match is not None and on_match.tree is not None:
                reasons += on_match.tree.explain(data)
        return reasons


@dataclass(frozen=True, slots=True, eq=False)
class MatcherMap(Generic[A]):
    """A tree over one input; ``lookup`` yields the entries for a value, the most specific first."""

    ref: Ref
    read: Input
    lookup: Callable[[str], Sequence[OnMatch[A]]]
    no_match: OnMatch[A] | None
    keys: tuple[str, ...]

    def find(self, data: Any, skipped: list[Found[A]]) -> Found[A] | None:
        """Try the entries; then ``on_no_match``."""
        value = self.read(data)
        if value is not None and value is not MISSING:
            for on_match in self.lookup(str(value)):
                found = on_match.follow(data, skipped)
                if found is not None:
                    return found
        return self.no_match.follow(data, skipped) if self.no_match is not None else None

    def explain(self, data: Any) -> list[tuple[Ref, str]]:
        """Say what the input is where no entry has it."""
        value = self.read(data)
        entries = self.lookup(str(value)) if value is not None else ()
        if not entries:
            actual = "nothing" if value is None else f"`{value}`"
            return [(self.ref, f"the input is {actual}; entries: {', '.join(f'`{k}`' for k in self.keys)}")]
        return [reason for e in entries if e.tree is not None for reason in e.tree.explain(data)]


@dataclass(frozen=True, slots=True, eq=False)
class MatcherTree(Generic[A]):
    """A compiled matcher. ``notes`` name what could not be modelled."""

    ref: Ref
    root: Tree[A]
    notes: tuple[tuple[Ref, str], ...]

    def match(self, data: Any, skipped: list[Found[A]] | None = None) -> Found[A] | None:
        """Decide; actions passed over with ``keep_matching`` are put into ``skipped``."""
        return self.root.find(data, [] if skipped is None else skipped)

    def explain(self, data: Any) -> list[tuple[Ref, str]]:
        """Name the branches that do not match, each with its first failing condition."""
        return self.root.explain(data)


def compile_matcher_tree(msg: Msg, ref: Ref, inputs: InputTable, action: Callable[[Msg, Ref], A]) -> MatcherTree[A]:
    """Compile ``msg``: ``xds.type.matcher.v3.Matcher`` or ``envoy.config.common.matcher.v3.Matcher``.

    ``action`` compiles a ``TypedExtensionConfig`` found at a place.
    """
    compiler = _Compiler(InputCompiler(inputs), action)
    root = compile_tree(msg, ref, compiler)
    return MatcherTree(ref, root, tuple(compiler.inputs.notes))


def compile_tree(msg: Msg, ref: Ref, compiler: _Compiler[A]) -> Tree[A]:
    """Compile one level."""
    kind = msg.WhichOneof("matcher_type")
    if kind == "matcher_tree":
        return _compile_map(msg, ref, compiler)
    entries = tuple(
        (
            at := ref.at("matcher_list", "matchers", i),
            compile_predicate(m.predicate, at.at("predicate"), compiler.inputs),
            compiler.on_match(m.on_match, at.at("on_match")),
        )
        for i, m in enumerate(msg.matcher_list.matchers)
    )
    return MatcherList(entries, compiler.no_match(msg, ref))


def _compile_map(msg: Msg, ref: Ref, compiler: _Compiler[A]) -> Tree[A]:
    tree = msg.matcher_tree
    at = ref.at("matcher_tree")
    read = compiler.inputs.compile(tree.input, at.at("input"))
    kind = tree.WhichOneof("tree_type")
    keys: tuple[str, ...] = ()
    lookup: Callable[[str], Sequence[OnMatch[A]]] = _no_entries
    if kind in ("exact_match_map", "prefix_match_map"):
        table = getattr(tree, kind).map
        keys = tuple(table)
        entries = {k: e for k in keys if (e := compiler.on_match(table[k], at.at(kind, "map", k))) is not None}
        lookup = _exact_lookup(entries) if kind == "exact_match_map" else _prefix_lookup(entries)
    elif kind == "custom_match":
        keys, lookup = _custom_map(tree.custom_match, at.at("custom_match"), compiler)
    return MatcherMap(at, read, lookup, compiler.no_match(msg, ref), keys)


def _exact_lookup(entries: Mapping[str, OnMatch[A]]) -> Callable[[str], Sequence[OnMatch[A]]]:
    def lookup(value: str) -> Sequence[OnMatch[A]]:
        entry = entries.get(value)
        return () if entry is None else (entry,)

    return lookup


def _prefix_lookup(entries: Mapping[str, OnMatch[A]]) -> Callable[[str], Sequence[OnMatch[A]]]:
    lengths = sorted({len(prefix) for prefix in entries}, reverse=True)

    def lookup(value: str) -> Sequence[OnMatch[A]]:
        size = len(value)
        return [e for n in lengths if n <= size and (e := entries.get(value[:n])) is not None]

    return lookup


def _custom_map(
    config: Msg, ref: Ref, compiler: _Compiler[A]
) -> tuple[tuple[str, ...], Callable[[str], Sequence[OnMatch[A]]]]:
    kind, inner = any_type(config.typed_config), unpack(config.typed_config)
    at = ref.at("typed_config")
    if inner is not None and kind == "xds.type.matcher.v3.IPMatcher":
        return _ip_map(inner, at, compiler)
    if inner is not None and kind == "xds.type.matcher.v3.ServerNameMatcher":
        return _server_name_map(inner, at, compiler)
    compiler.inputs.notes.append((ref, f"custom matcher `{kind or config.name}` is not modelled: nothing matches"))
    return (), _no_entries


def _ip_map(
    msg: Msg, ref: Ref, compiler: _Compiler[A]
) -> tuple[tuple[str, ...], Callable[[str], Sequence[OnMatch[A]]]]:
    """The longest prefix first, then in order; an ``exclusive`` entry counts only as the first choice."""
    nodes: list[tuple[CidrRange, bool, OnMatch[A]]] = []
    for index, matcher in enumerate(msg.range_matchers):
        on_match = compiler.on_match(matcher.on_match, ref.at("range_matchers", index, "on_match"))
        if on_match is not None:
            nodes += [(compile_cidr_range(r), matcher.exclusive, on_match) for r in matcher.ranges]
    nodes.sort(key=lambda node: -node[0].prefix_len)

    def lookup(value: str) -> Sequence[OnMatch[A]]:
        if parse_ip(value) is None:
            return ()
        holding = [(exclusive, on_match) for r, exclusive, on_match in nodes if r.contains(value)]
        return [on_match for i, (exclusive, on_match) in enumerate(holding) if i == 0 or not exclusive]

    return tuple(node[0].text for node in nodes), lookup


def _server_name_map(
    msg: Msg, ref: Ref, compiler: _Compiler[A]
) -> tuple[tuple[str, ...], Callable[[str], Sequence[OnMatch[A]]]]:
    """Exact, then ``*.`` suffixes from the longest, then ``*``; the case counts."""
    table: dict[str, OnMatch[A]] = {}
    for index, matcher in enumerate(msg.domain_matchers):
        on_match = compiler.on_match(matcher.on_match, ref.at("domain_matchers", index, "on_match"))
        if on_match is not None:
            for domain in matcher.domains:
                table.setdefault(domain, on_match)

    def lookup(value: str) -> Sequence[OnMatch[A]]:
        if not value:
            return ()
        labels = value.split(".")
        names = [value, *("*." + ".".join(labels[i:]) for i in range(1, len(labels))), "*"]
        return [table[name] for name in names if name in table]

    return tuple(table), lookup


def _no_entries(value: str) -> tuple[()]:
    return ()


__all__ = ["Found", "Input", "InputTable", "MatcherTree", "compile_matcher_tree"]
