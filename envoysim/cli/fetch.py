"""``envoysim fetch``: ask a live source and save what it says."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path
from typing import Any

import click

from ..errors import OptionError
from ..fetch.save import Fetched, save


@click.command("fetch")
@click.argument("address", required=False, metavar="[ADDRESS]")
@click.option("-o", "--output", "path", required=True, metavar="FILE", help="where to save it (`-`: standard output)")
@click.option("--ads", metavar="HOST:PORT", help="a control plane: speak aggregated xDS to it as --node-id")
@click.option("--csds", metavar="HOST:PORT", help="a gRPC client or control plane that serves client status discovery")
@click.option("--node-id", metavar="ID", help="the node to ask as")
@click.option("--node-cluster", metavar="NAME", default="", help="the node's cluster")
@click.option("--node-metadata", metavar="FILE", help="the node's metadata, JSON or YAML")
@click.option("--node-locality", metavar="REGION/ZONE/SUB_ZONE", default="", help="where the node is")
@click.option("--delta", is_flag=True, help="delta xDS instead of state of the world")
@click.option("--tls", is_flag=True, help="speak TLS (implied by --ca and --cert)")
@click.option("--ca", metavar="FILE", help="PEM of the authorities to trust instead of the system's")
@click.option("--cert", metavar="FILE", help="PEM of the client certificate")
@click.option("--key", metavar="FILE", help="PEM of the client certificate's key")
@click.option("--server-name", metavar="NAME", help="the name the server's certificate is for")
@click.option("--token-file", metavar="FILE", help="a bearer token, sent as `authorization`")
@click.option("--token-header", metavar="NAME", help="send the token bare in this header instead")
@click.option("--timeout", type=float, default=15.0, show_default=True, metavar="SECONDS", help="for all answers")
@click.option("--settle", type=float, default=0.5, show_default=True, metavar="SECONDS", help="quiet that ends xDS")
def command(address: str | None, path: str, **options: Any) -> int:
    """Save what a proxy, a control plane or a gRPC client runs, secrets redacted, as one config_dump.

    ADDRESS is a proxy's admin interface such as http://127.0.0.1:15000. Nothing is sent to any other address than
    the one given. Exit 2 when it fails; a result that broke off half-way is saved and marked as partial.
    """
    if sum(given is not None for given in (address, options["ads"], options["csds"])) != 1:
        raise OptionError("say what to ask: an admin ADDRESS, --ads HOST:PORT or --csds HOST:PORT")
    if (options["cert"] is None) != (options["key"] is None):
        raise OptionError("--cert and --key belong together")
    fetched = _admin(address, options) if address is not None else _grpc(options)
    save(fetched, path)
    for line in fetched.said:
        click.echo(f"envoysim: {line}", err=True)
    partial = fetched.record.get("partial")
    if partial:
        click.echo(f"envoysim: {path} is partial: {partial}", err=True)
    return 2 if partial else 0


def _admin(address: str, options: dict[str, Any]) -> Fetched:
    from ..fetch.admin import fetch_admin
    from ..fetch.target import bearer

    if not address.startswith(("http://", "https://")):
        raise OptionError(f"`{address}` is no address of an admin interface", help=f"http://{address}")
    token = read_token(options["token_file"])
    headers = {options["token_header"] or "authorization": bearer(token, options["token_header"])} if token else None
    return fetch_admin(address, seconds=options["timeout"], tls=_context(address, options), headers=headers)


def _context(address: str, options: dict[str, Any]) -> ssl.SSLContext | None:
    if not address.startswith("https://"):
        return None
    try:
        context = ssl.create_default_context(cafile=options["ca"])
        if options["cert"] is not None:
            context.load_cert_chain(options["cert"], options["key"])
    except (OSError, ssl.SSLError) as error:
        raise OptionError(f"certificates cannot be used: {error}") from None
    return context


def _grpc(options: dict[str, Any]) -> Fetched:
    from ..fetch.ads import fetch_ads
    from ..fetch.csds import fetch_csds
    from ..fetch.node import make_node, read_metadata
    from ..fetch.target import Target

    if options["ads"] is not None and not options["node_id"]:
        raise OptionError("--ads needs --node-id: a control plane sends each node something else")
    target = Target(
        address=options["ads"] or options["csds"],
        tls=options["tls"],
        ca=options["ca"],
        certificate=options["cert"],
        key=options["key"],
        token=read_token(options["token_file"]),
        token_header=options["token_header"],
        server_name=options["server_name"],
    )
    metadata = read_metadata(options["node_metadata"])
    node = make_node(options["node_id"] or "", options["node_cluster"], metadata, options["node_locality"])
    if warning := target.plaintext_warning():
        click.echo(f"envoysim: {warning}", err=True)
    if options["csds"] is not None:
        return fetch_csds(target, node, seconds=options["timeout"])
    progress = _Line()
    try:
        return fetch_ads(
            target,
            node,
            delta=options["delta"],
            seconds=options["timeout"],
            settle=options["settle"],
            progress=progress.show,
        )
    finally:
        progress.clear()


class _Line:
    """One line on a terminal that is written over and over; nothing elsewhere."""

    def __init__(self) -> None:
        self._width = 0

    def show(self, text: str) -> None:
        """Write ``text`` in place of what stands there."""
        if sys.stderr.isatty():
            click.echo("\r" + text.ljust(self._width), nl=False, err=True)
            self._width = len(text)

    def clear(self) -> None:
        """Leave no trace."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", nl=False, err=True)


def read_token(path: str | None) -> str | None:
    """Return the text of a token file without white space around it."""
    if path is None:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read the token: {error}") from None
