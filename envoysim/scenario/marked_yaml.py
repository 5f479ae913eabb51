"""YAML whose values know their lines, and a reader that takes keys and refuses what is left."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from ..errors import ScenarioError
from ..lazy_dataclass import dataclass

UNITS: Final = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")


@dataclass(frozen=True, slots=True)
class Marked:
    """A value (scalar, list of ``Marked``, or mapping of text to ``Marked``) and where it stands."""

    value: Any
    file: str
    line: int

    def fail(self, message: str, *, help: str | None = None) -> NoReturn:
        """Raise ScenarioError with file and line."""
        raise ScenarioError(message, place=f"{self.file}:{self.line}", help=help)

    @property
    def plain(self) -> Any:
        """The value without marks."""
        if isinstance(self.value, dict):
            return {key: item.plain for key, item in self.value.items()}
        return [item.plain for item in self.value] if isinstance(self.value, list) else self.value

    @property
    def kind(self) -> str:
        """What it is, in words."""
        kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
        return kinds.get(type(self.value), "a number")

    def text(self, what: str) -> str:
        """Return a text."""
        if not isinstance(self.value, str):
            self.fail(f"{what} must be text, not {self.kind}")
        return self.value

    def number(self, what: str, *, least: float = 0.0, most: float | None = None) -> float:
        """Return a number within bounds."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fail(f"{what} must be a number, not {self.kind}")
        if value < least:
            self.fail(f"{what} must not be {'negative' if least == 0 else f'below {least:g}'}: {value:g}")
        if most is not None and value > most:
            self.fail(f"{what} must not be above {most:g}: {value:g}")
        return float(value)

    def whole(self, what: str, *, least: int = 0) -> int:
        """Return a whole number."""
        value = self.number(what, least=least)
        if value != int(value):
            self.fail(f"{what} must be a whole number, not {value:g}")
        return int(value)

    def duration(self, what: str) -> float:
        """Return a duration in ms: ``250ms``, ``20s``, ``5m``, ``1h``, or 0."""
        value = self.value
        if value == 0 and not isinstance(value, bool):
            return 0.0
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value < 0:
                self.fail(f"{what} must not be negative: {value:g}")
            self.fail(f"{what} needs a unit: {value:g}", help=f"write `{value:g}s` or `{value:g}ms`")
        text = self.text(what).strip()
        if text.startswith("-"):
            self.fail(f"{what} must not be negative: {text}")
        found = DURATION.fullmatch(text)
        if found is None:
            self.fail(f"{what}: `{text}` is not a duration", help="durations are written 250ms, 20s, 5m or 1h")
        return float(found[1]) * UNITS[found[2]]

    def one_of(self, what: str, words: Iterable[str]) -> str:
        """Return one of ``words``."""
        value, known = self.text(what), list(words)
        if value not in known:
            self.fail(f"unknown {what} `{value}`{did_you_mean(value, known)}", help="one of " + ", ".join(known))
        return value

    def items(self, what: str) -> list[Marked]:
        """Return a list's items; one mapping stands for a list of one."""
        if isinstance(self.value, dict):
            return [self]
        if not isinstance(self.value, list):
            self.fail(f"{what} must be a list, not {self.kind}")
        return self.value

    def mapping(self, what: str) -> dict[str, Marked]:
        """Return a mapping."""
        if not isinstance(self.value, dict):
            self.fail(f"{what} must be a mapping, not {self.kind}")
        return self.value


class Keys:
    """Takes keys out of a mapping; ``done`` refuses whatever is left, with its line."""

    def __init__(self, marked: Marked, what: str) -> None:
        self.marked = marked
        self.what = what
        self._values = marked.mapping(what)
        self._known: list[str] = []

    def get(self, key: str) -> Marked | None:
        """Return the value of ``key``, if it is there."""
        self._known.append(key)
        return self._values.get(key)

    def take(self, key: str, read: Callable[[Marked, str], Any], default: Any) -> Any:
        """Return ``read(value, words)``, or ``default`` where the key is missing."""
        found = self.get(key)
        return default if found is None else read(found, f"`{key}` of {self.what}")

    def need(self, key: str) -> Marked:
        """Return the value of a key that must be there."""
        found = self.get(key)
        if found is None:
            self.marked.fail(f"{self.what} needs `{key}`")
        return found

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        for key, value in self._values.items():
            if key not in self._known:
                hint = did_you_mean(key, self._known)
                value.fail(f"unknown key `{key}` in {self.what}{hint}", help="keys: " + ", ".join(self._known))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the nearest known name, "" for none."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""


def read_marked(path: str) -> Marked:
    """Read a YAML (or JSON) file; raises ScenarioError with file and line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"cannot read the scenario: {error.strerror}", place=path) from None
    except UnicodeDecodeError:
        raise ScenarioError("cannot read the scenario: not UTF-8", place=path) from None
    return parse_marked(text, path)


def parse_marked(text: str, file: str) -> Marked:
    """Parse YAML; ``file`` is what places are said with."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        return Marked(None, file, 1) if node is None else _convert(node, loader, file)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(f"not YAML: {problem}", place=f"{file}:{mark.line + 1}" if mark else file) from None
    finally:
        loader.dispose()


def _convert(node: yaml.Node, loader: yaml.SafeLoader, file: str) -> Marked:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        _refuse_repeats(node, file)
        loader.flatten_mapping(node)  # `<<` of an anchor: own keys come after those they replace
        return Marked(dict(_pairs(node, loader, file)), file, line)
    if isinstance(node, yaml.SequenceNode):
        return Marked([_convert(item, loader, file) for item in node.value], file, line)
    try:
        return Marked(loader.construct_object(node), file, line)
    except ValueError as error:
        raise ScenarioError(f"not YAML: {error}", place=f"{file}:{line}") from None


def _refuse_repeats(node: yaml.MappingNode, file: str) -> None:
    seen: set[str] = set()
    for key_node, _ in node.value:
        key = str(key_node.value)
        if key in seen:
            raise ScenarioError(f"key `{key}` is there twice", place=f"{file}:{key_node.start_mark.line + 1}")
        seen.add(key)


def _pairs(node: yaml.MappingNode, loader: yaml.SafeLoader, file: str) -> Iterator[tuple[str, Marked]]:
    for key_node, value_node in node.value:
        value = _convert(value_node, loader, file)
        yield str(loader.construct_object(key_node)), Marked(value.value, file, key_node.start_mark.line + 1)
