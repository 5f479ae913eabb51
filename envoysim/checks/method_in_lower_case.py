"""A method written in lower case matches no request.

## What it finds
A header matcher on `:method`, of a route or of an RBAC policy, whose exact text has lower-case letters.

## Why it matters
Methods are case-sensitive and clients send them in upper case: the matcher
never matches. Over HTTP/1 a request `get` does not even parse (400 `http1.codec_error`).

## Example
`{name: ":method", string_match: {exact: get}}`.

## When it is harmless
`ignore_case` is set (then nothing is reported), or clients use a method of their own.

## Fix
Write the method in upper case.

## Source
RFC 9110, 9.1; `source/common/http/header_utility.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg
from .base import Check
from .rbac_walk import headers_of, policies_of, rbac_filters
from .subject import Subject, origin_of

USUAL = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per matcher."""
    for route in subject.routes:
        for i, header in enumerate(route.msg.match.headers):
            text = _lower(header)
            if text:
                place = route.ref.at("match", "headers", i)
                yield _finding(place, f"route `{route.label}`", text, origin_of(route.msg))
    for item, rules in rbac_filters(subject):
        for name, policy, ref in policies_of(item, rules):
            for header, place in headers_of(policy, ref):
                text = _lower(header)
                if text:
                    yield _finding(place, f"policy `{name}`", text, None)


def _lower(header: Msg) -> str:
    text = header.exact_match or ("" if header.string_match.ignore_case else header.string_match.exact)
    return str(text) if header.name == ":method" and text not in USUAL and text.upper() in USUAL else ""


def _finding(ref: Ref, who: str, text: str, origin: str | None) -> Finding:
    message = f"{who} asks for method `{text}`: methods are compared by case, and clients send `{text.upper()}`"
    return CHECK.finding(ref, message, origin=origin)


CHECK = Check(
    code="ESM330",
    name="method-in-lower-case",
    severity="warning",
    title="Method in lower case",
    fix="write the method in upper case",
    find=find,
)
