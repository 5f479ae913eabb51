"""Findings as text for people, as JSON, and for tools: SARIF 2.1, JUnit, GitHub annotations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from ..model.finding import SEVERITIES, Finding
from ..model.ref import Ref
from .text import Style, plain

Pointer = Callable[[Ref], str]
File = Callable[[Ref], str]
"""The name of the source a place stands in."""
Json = dict[str, Any]
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def summary(found: Sequence[Finding]) -> dict[str, int]:
    """Count by severity."""
    counted: Counter[str] = Counter()
    for finding in found:
        counted[finding.severity] += finding.count
    return {severity: counted[severity] for severity in SEVERITIES}


def text(
    found: Sequence[Finding], pointer: Pointer, source: str, *, verbose: bool = False, style: Style = plain
) -> str:
    """Worst first; ``verbose`` adds related places, the witness and the fix to every finding."""
    lines: list[str] = []
    for finding in found:
        kind = "bad" if finding.severity == "error" else "strong"
        count = f" ({finding.count} places)" if finding.count > 1 else ""
        lines.append(f"{style(kind, finding.severity)} {finding.code} {finding.name}: {finding.message}{count}")
        lines.append(style("dim", f"    at {pointer(finding.ref)}"))
        if finding.origin:
            lines.append(f"    from {finding.origin}")
        if verbose:
            lines += [style("dim", f"    see {pointer(r.ref)}: ") + r.text for r in finding.related]
        if finding.witness is not None:
            lines.append(f"    try envoysim trace {source} {finding.witness.command}")
        lines.append(f"    fix {finding.fix}")
    counts = ", ".join(f"{n} {severity}{'s' if n != 1 else ''}" for severity, n in summary(found).items() if n)
    lines.append(counts or "nothing found")
    return "\n".join(lines) + "\n"


def as_json(found: Sequence[Finding], pointer: Pointer, source: str, witness_json: Callable[[Finding], Any]) -> Json:
    """Return the object ``check -o json`` prints (docs/contract.md)."""
    return {
        "findings": [
            {
                "code": f.code,
                "name": f.name,
                "severity": f.severity,
                "message": f.message,
                "ref": pointer(f.ref),
                "related": [{"ref": pointer(r.ref), "text": r.text} for r in f.related],
                "origin": f.origin,
                "witness": witness_json(f),
                "fix": f.fix,
                "count": f.count,
            }
            for f in found
        ],
        "summary": summary(found),
    }


def sarif(found: Sequence[Finding], pointer: Pointer, file: File, version: str, rules: Sequence[Json]) -> Json:
    """Return a SARIF 2.1.0 log; places are logical locations (JSON pointers) of the sources."""
    ids = {rule["id"]: i for i, rule in enumerate(rules)}
    results: list[Json] = []
    for f in found:
        result: Json = {
            "ruleId": f.code,
            "ruleIndex": ids[f.code],
            "level": LEVELS[f.severity],
            "message": {"text": f"{f.message}. fix: {f.fix}"},
            "locations": [_location(f.ref, pointer, file)],
            "occurrenceCount": f.count,
        }
        if f.related:
            related = [{**_location(r.ref, pointer, file), "message": {"text": r.text}} for r in f.related]
            result["relatedLocations"] = [{"id": i, **place} for i, place in enumerate(related)]
        if f.witness is not None:
            result["properties"] = {"witness": f"envoysim trace {file(f.ref)} {f.witness.command}"}
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
        f"    <failure type={quoteattr(f.severity)} message={quoteattr(f.message)}>{escape(f.fix)}</failure>\n"
        f"  </testcase>"
        for f in found
    ] or [f'  <testcase classname="envoysim" name={quoteattr(source)}/>']
    head = f'<testsuite name="envoysim check" tests="{len(cases)}" failures="{len(found)}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>", ""])


def github(found: Sequence[Finding], pointer: Pointer, file: File) -> str:
    """Return workflow commands that GitHub shows as annotations."""
    return "".join(
        f"::{GITHUB[f.severity]} file={_property(file(f.ref))},title={_property(f'{f.code} {f.name}')}::"
        f"{_escaped(f'{f.message} at {pointer(f.ref)}')}\n"
        for f in found
    )


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def dumps(value: Json) -> str:
    """Print JSON for people and programs."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
