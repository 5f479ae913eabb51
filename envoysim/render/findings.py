"""Findings as text for people, as JSON, and for tools: SARIF 2.1, JUnit, GitHub annotations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TextIO
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from ..model.finding import SEVERITIES, Finding, Named
from ..model.ref import Ref
from .text import Style, plain

Pointer = Callable[[Ref], str]
File = Callable[[Ref], str]
"""The name of the source a place stands in."""
Json = dict[str, Any]
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
FINGERPRINT = "envoysim/v1"


def summary(found: Sequence[Finding]) -> dict[str, int]:
    """Count by severity."""
    counted: Counter[str] = Counter()
    for finding in found:
        counted[finding.severity] += finding.count
    return {severity: counted[severity] for severity in SEVERITIES}


def text(
    found: Sequence[Finding], pointer: Pointer, source: File, *, verbose: bool = False, style: Style = plain
) -> str:
    """Worst first; ``verbose`` adds the related places; ``source`` tells what a witness is traced through."""
    lines: list[str] = []
    for finding in found:
        kind = "bad" if finding.severity == "error" else "strong"
        lines.append(
            f"{style(kind, finding.severity)} {finding.code} {finding.name}: {finding.message}{_more(finding)}"
        )
        if len(finding.trail) > 1 or not all(named.name in finding.message for named in finding.trail):
            lines.append(f"    in {trail(finding)}")
        lines.append(style("dim", f"    at {pointer(finding.ref)}"))
        if finding.origin:
            lines.append(f"    from {finding.origin}")
        if verbose:
            lines += [style("dim", f"    see {pointer(r.ref)}: ") + r.text for r in finding.related]
        if finding.witness is not None:
            lines.append(f"    try envoysim trace {source(finding.ref)} {finding.witness.command}")
        lines.append(f"    fix {finding.fix}")
    counts = ", ".join(f"{n:,} {severity}{'s' if n != 1 else ''}" for severity, n in summary(found).items() if n)
    folded = any(finding.places for finding in found)
    lines.append((counts or "nothing found") + (f", folded into {len(found):,}: -v shows them all" if folded else ""))
    return "\n".join(lines) + "\n"


def trail(finding: Finding) -> str:
    """Write the names on the way to a finding's place."""
    return " → ".join(map(_named, finding.trail))


def _named(named: Named) -> str:
    name = f" `{named.name}`" if named.name else "" if named.index is None else f" number {named.index}"
    return named.kind + name + (f" and {named.more} more" if named.more else "")


def _more(finding: Finding) -> str:
    return f" (and {len(finding.places):,} more like it)" if finding.places else ""


def as_json(found: Sequence[Finding], pointer: Pointer, witness_json: Callable[[Finding], Any]) -> Json:
    """Return the object ``check -o json`` prints (docs/contract.md)."""
    return {
        "findings": [
            {
                "code": f.code,
                "name": f.name,
                "severity": f.severity,
                "message": f.message,
                "ref": pointer(f.ref),
                "trail": [_named_json(named) for named in f.trail],
                "fingerprint": f.fingerprint,
                "related": [{"ref": pointer(r.ref), "text": r.text} for r in f.related],
                "origin": f.origin,
                "witness": witness_json(f),
                "fix": f.fix,
                "count": f.count,
                "places": [{"ref": pointer(p.ref), "fingerprint": p.fingerprint} for p in f.places],
            }
            for f in found
        ],
        "summary": summary(found),
    }


def _named_json(named: Named) -> Json:
    more = {"index": named.index, "more": named.more or None}
    return {"kind": named.kind, "name": named.name, **{key: n for key, n in more.items() if n is not None}}


def sarif(found: Sequence[Finding], pointer: Pointer, file: File, version: str, rules: Sequence[Json]) -> Json:
    """Return a SARIF 2.1.0 log; places are logical locations (JSON pointers) of the sources."""
    ids = {rule["id"]: i for i, rule in enumerate(rules)}
    results: list[Json] = []
    for f in found:
        result: Json = {
            "ruleId": f.code,
            "ruleIndex": ids[f.code],
            "level": LEVELS[f.severity],
            "message": {"text": f"{f.message}{_more(f)}. fix: {f.fix}"},
            "locations": [_location(f.ref, pointer, file)],
            "occurrenceCount": f.count,
            "partialFingerprints": {FINGERPRINT: f.fingerprint},
        }
        others = [(r.ref, r.text) for r in f.related] + [(p.ref, "here too") for p in f.places]
        if others:
            result["relatedLocations"] = [
                {"id": i, **_location(ref, pointer, file), "message": {"text": words}}
                for i, (ref, words) in enumerate(others)
            ]
        more = {"trail": trail(f), "origin": f.origin}
        if f.witness is not None:
            more["witness"] = f"envoysim trace {file(f.ref)} {f.witness.command}"
        result["properties"] = {key: words for key, words in more.items() if words}
        results.append(result)
    driver = {"name": "envoysim", "version": version, "rules": list(rules)}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _location(ref: Ref, pointer: Pointer, file: File) -> Json:
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(file(ref), safe="/:-._~")}},
        "logicalLocations": [{"fullyQualifiedName": pointer(ref), "kind": "element"}],
    }


def junit(found: Sequence[Finding], pointer: Pointer, source: str) -> str:
    """Return a JUnit report: one failed case per finding, or one passed case when there is none."""
    cases = [
        f"  <testcase classname={quoteattr(f.code)} name={quoteattr(pointer(f.ref))}>\n"
        f"    <failure type={quoteattr(f.severity)} message={quoteattr(f.message + _more(f))}>"
        f"{escape(_body(f))}</failure>\n"
        f"  </testcase>"
        for f in found
    ] or [f'  <testcase classname="envoysim" name={quoteattr(source)}/>']
    head = f'<testsuite name="envoysim check" tests="{len(cases)}" failures="{len(found)}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def _body(finding: Finding) -> str:
    return (f"in {trail(finding)}\n" if finding.trail else "") + f"fix {finding.fix}"


def github(found: Sequence[Finding], pointer: Pointer, file: File) -> str:
    """Return workflow commands that GitHub shows as annotations."""
    return "".join(
        f"::{GITHUB[f.severity]} file={_property(file(f.ref))},title={_property(f'{f.code} {f.name}')}::"
        f"{_escaped(f'{f.message}{_more(f)} at {pointer(f.ref)}')}\n"
        for f in found
    )


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def write_json(value: Json, out: TextIO) -> None:
    """Write JSON for people and programs, piece by piece: a mesh has tens of thousands of places."""
    json.dump(value, out, indent=1, ensure_ascii=False)
    out.write("\n")
