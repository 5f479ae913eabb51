"""Values that a configuration's own matchers accept, and the headers its filters read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .regex_members import member

Json = dict[str, Any]
OTHER_VALUE = "other"


def header_value(matcher: Json) -> str | None:
    """Return a value that the header matcher accepts; ``None`` where it asks for the header's absence."""
    if matcher.get("invert_match"):
        return OTHER_VALUE
    if "range_match" in matcher:
        return str(matcher["range_match"].get("start", 0))
    if matcher.get("present_match") is False:
        return None
    for old in ("exact_match", "prefix_match", "suffix_match", "contains_match"):
        if old in matcher:
            return str(matcher[old])
    if "safe_regex_match" in matcher:
        return member(matcher["safe_regex_match"].get("regex", ""))
    return string_value(matcher.get("string_match", {}), "v")


def string_value(matcher: Json, otherwise: str) -> str:
    """Return a text that the ``StringMatcher`` accepts, ``otherwise`` where it names none."""
    for kind in ("exact", "prefix", "suffix", "contains"):
        if kind in matcher:
            return str(matcher[kind])
    return member(matcher["safe_regex"].get("regex", "")) if "safe_regex" in matcher else otherwise


def header_matchers(config: Any) -> Iterator[Json]:
    """Every header matcher anywhere in a configuration."""
    for level in levels(config):
        if "name" in level and any(key.endswith("_match") for key in level):
            yield level


def texts_of(config: Any, *keys: str) -> Iterator[str]:
    """Every text that stands under one of ``keys`` anywhere in a configuration."""
    for level in levels(config):
        for key in keys:
            if isinstance(level.get(key), str) and level[key]:
                yield level[key]


def levels(value: Any) -> Iterator[Json]:
    """Every object within a configuration, the outer ones first."""
    if isinstance(value, list):
        for item in value:
            yield from levels(item)
    elif isinstance(value, dict):
        yield value
        for item in value.values():
            yield from levels(item)
