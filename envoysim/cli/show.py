"""``envoysim show``: what stands at a reference."""

from __future__ import annotations

import json

import click

from ..errors import OptionError
from ..load.redact import redact
from .common import load_dump


@click.command("show")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE... REF")
def command(sources: tuple[str, ...]) -> int:
    """Print what stands at REF, a JSON pointer as `trace` and `inspect` print it (`file#pointer` with several sources).

    Private keys, tokens and passwords are printed as [redacted].
    """
    *files, ref = sources
    if not files:
        raise click.UsageError("SOURCE and REF are both needed: `envoysim show dump.json /configs/0`")
    dump = load_dump(files)
    try:
        value = dump.at_pointer(ref)
    except (KeyError, IndexError, ValueError) as error:
        raise OptionError(f"nothing stands at `{ref}`: {error}") from None
    click.echo(json.dumps(redact(value, ref), indent=1, ensure_ascii=False))
    return 0
