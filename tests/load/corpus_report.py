"""Load and decode every file of a corpus of real configurations: ``python -m tests.load.corpus_report [FOLDER]``.

Prints how many load, what is refused and why, and every unknown field and type by name with its first place.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from envoysim.errors import SourceError
from envoysim.load import load

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
KINDS = ("config_dump", "assembled", "bootstrap", "fragment")


@dataclass
class Report:
    """What came of a corpus."""

    files: Counter[str] = field(default_factory=Counter)
    loaded: Counter[str] = field(default_factory=Counter)
    resources: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    """Entries of the manifest with at least one file that loaded."""


def corpus_files(corpus: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield (entry, kind, path) of each file in the manifest once."""
    seen = set()
    for entry in json.loads((corpus / "MANIFEST.json").read_text(encoding="utf-8")):
        if entry["kind"] not in KINDS:
            continue
        for name in entry["files"]:
            if name not in seen:
                seen.add(name)
                yield f"{entry['source']}/{entry['case']}", entry["kind"], corpus / name


def read_corpus(corpus: Path) -> Report:
    """Load and decode everything."""
    report = Report()
    for entry, kind, path in corpus_files(corpus):
        report.files[kind] += 1
        name = str(path.relative_to(corpus))
        try:
            dump = load(str(path))
            for resource in dump.all_resources:
                resource.message()
                report.resources[resource.kind] += 1
        except SourceError as error:
            report.refused.append((name, str(error).removeprefix(f"{corpus}/")))
            continue
        report.loaded[kind] += 1
        report.whole.add(entry)
        for note in dump.notes:
            report.unknown[note.text] += 1
            report.first.setdefault(note.text, f"{name}#{dump.pointer(note.ref) if note.ref else ''}")
    return report


def main() -> None:
    """Print the report."""
    report = read_corpus(Path(sys.argv[1]) if len(sys.argv) > 1 else CORPUS)
    for kind in KINDS:
        print(f"{kind}: {report.loaded[kind]} of {report.files[kind]} files loaded and decoded")
    print("resources:", ", ".join(f"{count} {kind}" for kind, count in report.resources.most_common()))
    print(f"\nrefused: {len(report.refused)}")
    for name, why in report.refused:
        print(f"  {name}: {why.removeprefix(name).lstrip('#: ')}")
    print(f"\nnot known, kept and named: {len(report.unknown)}")
    for text, count in report.unknown.most_common():
        print(f"  {count:4d}  {text}  {report.first[text]}")


if __name__ == "__main__":
    main()
