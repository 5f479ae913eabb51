"""``envoysim``: one group, each command in a module of its own that is imported when it is called."""

from __future__ import annotations

import gc
import importlib
import sys

import click

from .. import __version__
from ..errors import EnvoysimError

COMMANDS = (
    (
        "inspect",
        "what is in a dump: listeners, chains, routes, clusters, endpoints, secrets, what is missing",
    ),
    ("trace", "follow one request from connection to endpoint and say why"),
    ("check", "find misbehaviour in a dump, with a request that shows it and a fix"),
    ("explain", "the page of a rule of `check`, or the list of all rules"),
    ("run", "many requests in, one outcome per line out (docs/contract.md)"),
    ("simulate", "load over virtual time: success, latency, retries, ejections, and when and why they change"),
    ("verify", "play requests through a real Envoy beside the simulation and compare"),
    ("fetch", "ask a proxy, a control plane or a gRPC client what it runs, and save it"),
    ("show", "print what stands at a reference of a dump, secrets redacted"),
)
"""Every command and its line of help; module ``cli/<name>.py`` defines ``command``."""


class LazyGroup(click.Group):
    """Imports a command's module only when that command is called, so that ``--help`` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the registry."""
        return [name for name, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import ``cli/<name>.py``."""
        if cmd_name not in dict(COMMANDS):
            return None
        module = importlib.import_module(f".{cmd_name.replace('-', '_')}", __package__)
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="envoysim")
def cli() -> None:
    """Simulate requests through the configuration an Envoy proxy is really running.

    SOURCE is a config_dump, `istioctl proxy-config ... -o json`, `egctl config`, a bootstrap, a directory, `-`
    for standard input, or an admin address such as http://127.0.0.1:15000.
    """


def main() -> None:
    """Run the command line; exit 0 fine, 1 findings or disagreement, 2 unusable input."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("envoysim: interrupted", err=True)
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except EnvoysimError as error:
        click.echo(f"envoysim: {error}", err=True)
        if error.help:
            click.echo(f"help: {error.help}", err=True)
        code = 2
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone: nothing is left to say
        code = 0
    gc.freeze()  # leaving, too, would look through all of it
    sys.exit(code if isinstance(code, int) else 0)
