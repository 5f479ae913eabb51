"""``envoysim inspect``: what is in a dump, and what is not."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import click

from ..inventory import KINDS, Row, missing, rows
from ..load.dump import Dump
from ..load.redact import redact
from .common import load_dump, progress

NAMES = tuple(name for name, _ in KINDS)


@click.command("inspect")
@click.argument("arguments", nargs=-1, required=True, metavar="SOURCE... [KIND]")
@click.option("--name", metavar="TEXT", help="only resources whose name contains TEXT")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--against", is_flag=True, help="two SOURCEs: what a control plane sends, and what a proxy runs")
@click.option("-v", "--verbose", is_flag=True, help="every unknown field and type, not only how many")
def command(arguments: tuple[str, ...], name: str | None, output: str, against: bool, verbose: bool) -> int:
    """Say what a dump holds: listeners, filter chains, routes, clusters, endpoints, secrets, bootstrap.

    Also what is missing, warming or rejected, and what is unknown to envoysim. KIND is one of listeners, routes,
    scoped_routes, clusters, endpoints, secrets, ecds, bootstrap; with it, `-o json` prints each resource whole,
    secrets redacted. With --against, which resources of the first SOURCE (a control plane's) the second (a proxy's)
    does not run, and why; exit 1 when there are any.
    """
    if against:
        return _against(arguments, output)
    *sources, last = arguments
    kind = last if last in NAMES else None
    dump = load_dump(sources if kind is not None else arguments)
    found = list(progress(rows(dump, kind, name), "decoding", total=len(dump.all_resources)))
    if output == "json":
        click.echo(json.dumps(_json(dump, found, kind), indent=1, ensure_ascii=False))
        return 0
    _print(dump, found, kind, verbose)
    return 0


def _json(dump: Dump, found: list[Row], kind: str | None) -> dict[str, Any]:
    return {
        "resources": [
            {
                "kind": row.kind,
                "name": row.name,
                "state": row.state,
                "version": row.version,
                "ref": dump.pointer(row.resource.ref),
                **row.facts,
                **({"problem": row.problem} if row.problem else {}),
                **({"config": redact(row.resource.plain())} if kind is not None else {}),
            }
            for row in found
        ],
        "missing": missing(dump),
        "notes": [{"ref": None if n.ref is None else dump.pointer(n.ref), "text": n.text} for n in dump.notes],
    }


def _print(dump: Dump, found: list[Row], kind: str | None, verbose: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    console = Console(highlight=False, soft_wrap=not terminal, width=None if terminal else 10_000)
    for title in NAMES:
        mine = [row for row in found if row.kind == title]
        if not mine:
            continue
        states = Counter(row.state for row in mine)
        counts = ", ".join(f"{n} {state}" for state, n in states.items())
        table = Table(title=f"{title}: {len(mine)} ({counts})", title_justify="left", box=None, padding=(0, 2, 0, 0))
        headings = list(dict.fromkeys(h for row in mine for h in row.facts))
        for heading in ("name", "state", *headings):
            table.add_column(heading, overflow="fold")
        limit = len(mine) if kind is not None or verbose else 25
        for row in mine[:limit]:
            table.add_row(row.name or "-", row.state, *(str(row.facts.get(h, "-")) for h in headings))
        console.print(table)
        if limit < len(mine):
            console.print(f"… {len(mine) - limit} more: `envoysim inspect SOURCE {title}`")
        console.print()
    for row in found:
        if row.problem:
            console.print(f"{row.state} {row.kind} `{row.name}`: {row.problem}", markup=False)
    for text in missing(dump) if kind is None else ():
        console.print(f"missing: {text}", markup=False)
    _print_notes(dump, console, verbose)


def _print_notes(dump: Dump, console: Any, verbose: bool) -> None:
    if not dump.notes:
        return
    counted = Counter(note.text for note in dump.notes)
    console.print(f"not known to envoysim: {len(dump.notes)} places", markup=False)
    for text, count in counted.most_common(None if verbose else 10):
        first = next(n for n in dump.notes if n.text == text)
        place = f"  {dump.pointer(first.ref)}" if first.ref is not None else ""
        console.print(f"  {count:5d}  {text}{place}", markup=False)
    if not verbose and len(counted) > 10:
        console.print(f"  … {len(counted) - 10} more kinds (-v)", markup=False)


def _against(arguments: tuple[str, ...], output: str) -> int:
    from dataclasses import asdict

    from ..against import compare, in_order

    if len(arguments) != 2:
        raise click.UsageError("--against needs two SOURCEs: what a control plane sends, and what a proxy runs")
    plane, proxy = in_order(load_dump(arguments[:1]), load_dump(arguments[1:]))
    found = compare(plane, proxy)
    if output == "json":
        differences = [asdict(difference) for difference in found.differences]
        click.echo(json.dumps({"equal": found.equal, "differences": differences}, indent=1, ensure_ascii=False))
    else:
        for item in found.differences:
            click.echo(f"{item.state} {item.kind} `{item.name}`: {item.reason}")
            for change in item.changes:
                click.echo(f"    {change}")
        click.echo(f"{found.equal} equal, {len(found.differences)} differ")
    return 1 if found.differences else 0
