"""CORS origin that strangers match too.

## What it finds
A CORS policy whose allowed origins are a `prefix`, a `contains`, a regex that takes any ending, or everything while
credentials are allowed.

## Why it matters
An origin is chosen by whoever serves the page: `https://shop.example.evil.com` begins with `https://shop.example`.
Its scripts may read the answers, with cookies where credentials are allowed.

## Example
`allow_origin_string_match: [{prefix: "https://shop.example"}]`.

## When it is harmless
The answers are public.

## Fix
Write the whole origin (exact), or end the regex at the host's end.

## Source
`source/extensions/filters/http/cors/cors_filter.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from .base import Check
from .filter_walk import per_filter_messages
from .subject import Subject

POLICY = "envoy.extensions.filters.http.cors.v3.CorsPolicy"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per origin matcher."""
    for entry, policy in per_filter_messages(subject, POLICY):
        where = f"route `{entry.route.label}`" if entry.route is not None else f"route table `{entry.table.name}`"
        for i, origin in enumerate(policy.allow_origin_string_match):
            kind = origin.WhichOneof("match_pattern")
            text = origin.safe_regex.regex if kind == "safe_regex" else str(getattr(origin, kind)) if kind else ""
            credentials = policy.allow_credentials.value
            everything = (kind == "exact" and text == "*") or (kind == "safe_regex" and text in (".*", ".+", "^.*$"))
            prefix = kind == "prefix" and text.startswith("http") and not text.endswith((":", "/"))
            loose = prefix or kind == "contains" or (kind == "safe_regex" and len(text) > 2 and text.endswith(".*"))
            if (everything and credentials) or (loose and not everything):
                yield CHECK.finding(
                    entry.ref.at("allow_origin_string_match", i),
                    f"{where} allows origins by {kind.replace('_', ' ')} `{text}`: strangers' origins match it"
                    f"{', and credentials are allowed' if credentials else ''}",
                )


CHECK = Check(
    code="ESM513",
    name="open-cors-origin",
    severity="warning",
    title="CORS origin that strangers match too",
    fix="write the whole origin (exact), or end the regex at the host's end",
    find=find,
)
