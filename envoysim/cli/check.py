"""``envoysim check``: find misbehaviour in a dump."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from .. import __version__
from ..lint import lint, sort
from ..load.dump import Dump
from ..model.finding import SEVERITIES, Finding
from ..model.ref import Ref
from ..model.world import World
from ..render import findings as render
from ..render.json import outcome_json
from ..render.text import plain
from ..simulate import simulate
from ..stages.proxy import Proxy
from .check_settings import known_findings, settings
from .common import COLORS, load_dump, progress


@click.command("check")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--select", "only", multiple=True, metavar="CODE", help="only these rules: a code, its beginning, or a name"
)
@click.option("--ignore", "without", multiple=True, metavar="CODE", help="not these rules")
@click.option("--severity", type=click.Choice(SEVERITIES), help="report only what is at or above this (default: info)")
@click.option("--fail-on", type=click.Choice([*SEVERITIES, "never"]), help="exit 1 at or above this (default: error)")
@click.option("--baseline", metavar="FILE", help="report only what is not in this earlier `-o json` report")
@click.option("-v", "--verbose", is_flag=True, help="every finding with its related places, nothing folded")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "sarif", "junit", "github"]), default="text", show_default=True
)
def command(sources: tuple[str, ...], **options: Any) -> int:
    """Say what is wrong in a dump, why it bites, which request shows it, and how to fix it.

    Dumps of several proxies (by their node ids) are checked one by one.
    Rules and severities are chosen here, in `envoysim.toml`, or under [tool.envoysim] in pyproject.toml, as `select`,
    `ignore`, `severity` and `fail-on`. `envoysim explain CODE` prints a rule's page. Exit 1 when something at or
    above --fail-on is found.
    """
    chosen = settings(options)
    known = known_findings(options["baseline"])
    dump = load_dump(sources, one=False)
    identified = options["output"] in ("json", "sarif")
    found: list[Finding] = []
    proxies = dump.proxies()
    work = (
        done
        for proxy in proxies
        for done in lint(proxy, chosen.checks, known=known, folded=not options["verbose"], identified=identified)
    )
    for _, some in progress(work, "checking", total=len(chosen.checks) * len(proxies)):
        found += (f for f in some if chosen.shows(f))
    found = sort(found)
    for proxy in proxies:
        if not (proxy.listeners or proxy.clusters or proxy.route_configurations):
            names = ", ".join(d.name for d in proxy.documents if d.root is not None)
            click.echo(
                f"envoysim: warning: {names}: nothing to check: no listener, cluster or route configuration is in use "
                "(unknown fields are not read)",
                err=True,
            )
    _write(dump, proxies, found, " ".join(sources), options)
    return 1 if any(map(chosen.fails, found)) else 0


def _write(dump: Dump, proxies: Sequence[Dump], found: list[Finding], sources: str, options: Mapping[str, Any]) -> None:
    output = options["output"]

    def file(ref: Ref) -> str:
        return dump.documents[ref.source].name if ref.source < len(dump.documents) else sources

    def source(ref: Ref) -> str:
        """What to give `envoysim trace`: the sources of the proxy that the place belongs to."""
        if len(proxies) == 1:
            return sources
        return " ".join(d.name for d in _owner(proxies, ref).documents if d.root is not None)

    if output == "json":
        compiled: dict[int, Proxy] = {}

        def witness(finding: Finding) -> dict[str, Any] | None:
            owner = _owner(proxies, finding.ref)
            if id(owner) not in compiled:
                compiled[id(owner)] = Proxy(owner)
            return _witness(compiled[id(owner)], finding, source(finding.ref))

        render.write_json(render.as_json(found, dump.pointer, witness), sys.stdout)
    elif output == "sarif":
        from .explain import rules

        log = render.sarif(found, dump.pointer, file, __version__, rules())
        render.write_json(log, sys.stdout)
    elif output == "junit":
        click.echo(render.junit(found, dump.pointer, sources), nl=False)
    elif output == "github":
        click.echo(render.github(found, dump.pointer, file), nl=False)
    else:
        style = (lambda kind, text: click.style(text, **COLORS[kind])) if sys.stdout.isatty() else plain
        click.echo(render.text(found, dump.pointer, source, verbose=options["verbose"], style=style), nl=False)


def _owner(proxies: Sequence[Dump], ref: Ref) -> Dump:
    """The proxy whose document holds ``ref``."""
    holds = (p for p in proxies if ref.source < len(p.documents) and p.documents[ref.source].root is not None)
    return next(holds, proxies[0])


def _witness(proxy: Proxy, finding: Finding, source: str) -> dict[str, Any] | None:
    """The witness with what the simulation says of it."""
    if finding.witness is None:
        return None
    request = finding.witness.request
    trace = simulate(proxy, request, World())
    return {
        "command": f"envoysim trace {source} {finding.witness.command}",
        "request": {
            "connection": {"listener": request.connection.listener, "destination": request.connection.destination},
            "method": request.method,
            "authority": request.authority,
            "path": request.path,
            "headers": [list(h) for h in request.headers],
        },
        "outcome": outcome_json(trace.outcome, proxy.dump.pointer),
    }
