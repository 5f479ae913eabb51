"""A field that this version does not know.

## What it finds
A field of a listener, a route configuration or a virtual host that Envoy 1.40's API does not have.

## Why it matters
It is not read: what it asks for is not simulated. In a bootstrap that is written by hand, Envoy refuses to start:
`no such field`.

## Example
`retry_polcy: {...}` on a route.

## When it is harmless
The dump is of a newer Envoy or a vendor's build.

## Fix
Correct the field's name, or check by hand what the field does.

## Source
`source/common/protobuf/utility.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .subject import Subject

WORDS = "unknown field "


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per unknown field of what the other rules read."""
    assert subject.managers is not None
    assert subject.hosts is not None  # reading them fills the notes
    told = set()
    for note in tuple(subject.dump.notes):
        if note.ref is not None and note.text.startswith(WORDS) and note.ref not in told:
            told.add(note.ref)
            yield CHECK.finding(note.ref, f"{note.text} (schema of Envoy 1.40): it is ignored here")


CHECK = Check(
    code="ESM109",
    name="unknown-field",
    severity="info",
    title="Unknown field",
    fix="correct the field's name, or check by hand what the field does",
    find=find,
)
