"""``envoysim check``: find misbehaviour in a dump."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import OptionError
from ..lint import lint, select, sort
from ..load.dump import Dump
from ..model.finding import SEVERITIES, Finding
from ..model.ref import Ref
from ..model.world import World
from ..render import findings as render
from ..render.json import outcome_json
from ..render.text import plain
from ..simulate import simulate
from ..stages.proxy import Proxy
from .common import COLORS, load_dump, progress

CONFIG_FILES = ("envoysim.toml", "pyproject.toml")


@click.command("check")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--select", "only", multiple=True, metavar="CODE", help="only these rules: a code, its beginning, or a name"
)
@click.option("--ignore", "without", multiple=True, metavar="CODE", help="not these rules")
@click.option("--fail-on", type=click.Choice([*SEVERITIES, "never"]), help="exit 1 at or above this (default: error)")
@click.option("--baseline", metavar="FILE", help="report only what is not in this earlier `-o json` report")
@click.option("-v", "--verbose", is_flag=True, help="every finding with its related places, nothing folded")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "sarif", "junit", "github"]), default="text", show_default=True
)
def command(sources: tuple[str, ...], **options: Any) -> int:
    """Say what is wrong in a dump, why it bites, which request shows it, and how to fix it.

    Rules are selected and ignored here, in `envoysim.toml`, or under [tool.envoysim] in pyproject.toml.
    `envoysim explain CODE` prints a rule's page. Exit 1 when something at or above --fail-on is found.
    """
    config = _configuration()
    checks = select(options["only"] or config.get("select", ()), (*options["without"], *config.get("ignore", ())))
    fail_on = options["fail_on"] or config.get("fail-on", "error")
    known = _baseline(options["baseline"])
    dump = load_dump(sources)
    found: list[Finding] = []
    for _, some in progress(lint(dump, checks, folded=not options["verbose"]), "checking", total=len(checks)):
        found += some
    found = sort(found)
    found = [f for f in found if (f.code, f.message, dump.pointer(f.ref)) not in known]
    click.echo(_rendered(dump, found, " ".join(sources), options), nl=False)
    limit = SEVERITIES.index(fail_on) if fail_on in SEVERITIES else -1
    return 1 if any(SEVERITIES.index(f.severity) <= limit for f in found) else 0


def _rendered(dump: Dump, found: list[Finding], source: str, options: dict[str, Any]) -> str:
    output = options["output"]

    def file(ref: Ref) -> str:
        return dump.documents[ref.source].name if ref.source < len(dump.documents) else source

    if output == "json":
        proxy = Proxy(dump)
        return render.dumps(render.as_json(found, dump.pointer, source, lambda f: _witness(proxy, f, source)))
    if output == "sarif":
        from .explain import rules

        return render.dumps(render.sarif(found, dump.pointer, file, __version__, rules()))
    if output == "junit":
        return render.junit(found, dump.pointer, source)
    if output == "github":
        return render.github(found, dump.pointer, file)
    style = (lambda kind, text: click.style(text, **COLORS[kind])) if sys.stdout.isatty() else plain
    return render.text(found, dump.pointer, source, verbose=options["verbose"], style=style)


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


def _configuration() -> dict[str, Any]:
    """Read ``envoysim.toml`` or ``[tool.envoysim]`` of the folder; raises OptionError with the file."""
    for name in CONFIG_FILES:
        path = Path(name)
        if not path.is_file():
            continue
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            if name == "pyproject.toml":
                continue  # somebody else's file, and not ours to judge
            raise OptionError(f"{name}: cannot be read: {error}") from None
        section = data.get("tool", {}).get("envoysim", {}) if name == "pyproject.toml" else data
        unknown = set(section) - {"select", "ignore", "fail-on"}
        if unknown:
            raise OptionError(f"{name}: unknown key `{sorted(unknown)[0]}`", help="known keys: select, ignore, fail-on")
        if section:
            return dict(section)
    return {}


def _baseline(path: str | None) -> set[tuple[str, str, str]]:
    if path is None:
        return set()
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return {(f["code"], f["message"], f["ref"]) for f in data["findings"]}
    except OSError as error:
        raise OptionError(f"cannot read baseline `{path}`: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise OptionError(f"`{path}` is not a baseline", help="make one with: envoysim check SOURCE -o json") from None
