"""A member of a regex's language, as simple as can be: enough to hit a route's ``safe_regex``."""

from __future__ import annotations

import re
from re import _parser as parser  # type: ignore[attr-defined]  # the standard library's own parser, private
from typing import Any


def member(pattern: str) -> str:
    """Return a text that ``pattern`` matches whole; "/" where it cannot be read (RE2 has syntax Python lacks)."""
    try:
        return _items(parser.parse(pattern, re.ASCII))
    except (re.error, RecursionError, KeyError, ValueError, OverflowError):
        return "/"


def _items(items: Any) -> str:
    return "".join(_item(str(op).lower(), argument) for op, argument in items)


def _item(op: str, argument: Any) -> str:
    if op == "literal":
        return chr(argument)
    if op == "not_literal":
        return "a" if argument != ord("a") else "b"
    if op == "any":
        return "a"
    if op == "in":
        return _one_of(argument)
    if op in ("max_repeat", "min_repeat", "possessive_repeat"):
        low, _, inner = argument
        return _items(inner) * (low or (1 if len(inner) == 1 else 0))
    if op == "subpattern":
        return _items(argument[-1])
    if op == "branch":
        return _items(argument[1][0])
    return ""  # anchors and boundaries take no character


CATEGORIES = {
    "category_digit": "7",
    "category_word": "a",
    "category_space": " ",
    "category_not_space": "a",
    "category_not_digit": "a",
}


def _one_of(choices: Any) -> str:
    negated = any(str(op).lower() == "negate" for op, _ in choices)
    if negated:
        excluded = _characters(choices)
        return next((c for c in "a0-_.Z" if c not in excluded), "a")
    for op, argument in choices:
        kind = str(op).lower()
        if kind == "literal":
            return chr(argument)
        if kind == "range":
            return chr(argument[0])
        if kind == "category":
            return CATEGORIES.get(str(argument).lower(), "a")
    return "a"


def _characters(choices: Any) -> set[str]:
    found: set[str] = set()
    for op, argument in choices:
        kind = str(op).lower()
        if kind == "literal":
            found.add(chr(argument))
        elif kind == "range":
            found |= {chr(c) for c in range(argument[0], argument[1] + 1)}
    return found
