"""Header regex that matches the whole value only.

## What it finds
A route that matches `cookie`, `user-agent`, `referer` or `accept-language` by a regex without a repetition (`*`, `+`,
`{n}`).

## Why it matters
A regex has to match the whole value. These headers hold longer texts: `Mobile` does not match `Mozilla/5.0 (Mobile)`,
`user=jason` not a cookie header with a second cookie.

## Example
`safe_regex: {regex: iPhone|Android}` on `user-agent`.

## When it is harmless
Clients send exactly this text.

## Fix
Write .* around the text, or use contains.

## Source
`source/common/common/regex.cc` (`RE2::FullMatch`).
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject, origin_of

LONG = ("cookie", "user-agent", "referer", "accept-language")
REPEATS = "*+{"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per header matcher."""
    for route in subject.routes:
        for i, header in enumerate(route.msg.match.headers):
            regex = header.string_match.safe_regex.regex or header.safe_regex_match.regex
            if regex and header.name.lower() in LONG and not any(sign in regex for sign in REPEATS):
                yield CHECK.finding(
                    route.ref.at("match", "headers", i),
                    f"route `{route.label}` matches header `{header.name}` by regex `{regex}`, which has to match the "
                    "whole value: longer values do not match",
                    origin=origin_of(route.msg),
                )


CHECK = Check(
    code="ESM337",
    name="header-regex-without-rest",
    severity="warning",
    title="Header regex that matches the whole value only",
    fix="write .* around the text, or use contains",
    find=find,
)
