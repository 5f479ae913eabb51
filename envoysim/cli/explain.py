"""``envoysim explain``: a rule's manual page."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..checks import ALL
from ..checks.base import Check
from ..lint import select
from ..render.findings import LEVELS


def page(check: Check) -> str:
    """Return the docstring of the module that defines the rule."""
    return (sys.modules[check.find.__module__].__doc__ or "").strip()


def rules() -> list[dict[str, Any]]:
    """Return the rules as SARIF wants them."""
    return [
        {
            "id": check.code,
            "name": check.name,
            "shortDescription": {"text": check.title},
            "fullDescription": {"text": page(check).split("\n\n")[0]},
            "help": {"text": page(check), "markdown": page(check)},
            "defaultConfiguration": {"level": LEVELS[check.severity]},
        }
        for check in ALL
    ]


@click.command("explain")
@click.argument("rule", required=False, metavar="[CODE]")
def command(rule: str | None) -> int:
    """Print the page of a rule (a code such as ESM301, or a name), or list all rules."""
    if rule is None:
        for check in ALL:
            click.echo(f"{check.code}  {check.severity:8s} {check.name:36s} {check.title}")
        return 0
    for check in select([rule]):
        click.echo(f"{check.code} {check.name} ({check.severity})\n\n{page(check)}\n")
    return 0
