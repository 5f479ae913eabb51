"""``envoysim trace``: one request from connection to endpoint."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import click

from ..entry import Entry, find_entry
from ..explore import Explored, explore
from ..model.address import parse_address
from ..model.ref import Ref
from ..model.request import Certificate, Request, Tls
from ..render.json import trace_json
from ..render.text import plain, trace_text
from ..stages.proxy import Proxy
from .common import COLORS, load_dump, make_world, read_upstreams
from .curl import MEANINGLESS, CurlRequest, parse_curl
from .upstream_words import HELP as UPSTREAM_HELP
from .upstream_words import parse_upstreams


def _refuse(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        name = next(o for o in parameter.opts if o in MEANINGLESS)
        raise click.UsageError(f"`{name}` has no meaning in a simulation: {MEANINGLESS[name]}", context)


def _refused_options(command: Any) -> Any:
    """Add curl's options that have no meaning here, hidden, so that they are refused with the reason."""
    takes_value = {"-x", "--proxy", "-w", "--write-out", "-m", "--max-time", "--connect-timeout", "--retry"}
    for name in MEANINGLESS:
        kind: dict[str, Any] = {"default": None} if name in takes_value else {"is_flag": True}
        add = click.option(
            name,
            "refused_" + name.strip("-").replace("-", "_"),
            hidden=True,
            expose_value=False,
            callback=_refuse,
            **kind,
        )
        command = add(command)
    return command


@click.command("trace", context_settings={"show_default": True})
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE... URL")
@click.option("-X", "--request", "method", metavar="METHOD", help="method, as in curl")
@click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="header, as in curl; Host sets the authority",
)
@click.option("-d", "--data", "--data-raw", "data", multiple=True, metavar="DATA", help="body, as in curl")
@click.option("-G", "--get", is_flag=True, help="put -d into the query, as in curl")
@click.option("-I", "--head", is_flag=True, help="HEAD, as in curl")
@click.option("-u", "--user", metavar="USER:PASSWORD", help="basic authentication, as in curl")
@click.option("-A", "--user-agent", metavar="NAME", help="user-agent, as in curl")
@click.option("-b", "--cookie", metavar="'NAME=VALUE'", help="cookie header, as in curl")
@click.option("--resolve", multiple=True, metavar="HOST:PORT:ADDRESS", help="address of a host, as in curl")
@click.option("--http2/--http1.1", "http2", default=None, help="protocol the client speaks (with TLS: what it offers)")
@click.option("--http2-prior-knowledge", is_flag=True, help="HTTP/2 without TLS, as in curl")
@click.option("--http1.0", "http10", is_flag=True, help="HTTP/1.0, as in curl")
@click.option("--listener", metavar="NAME", help="the listener that accepts the connection")
@click.option(
    "--inbound", "direction", flag_value="inbound", help="a sidecar's inbound traffic (virtual listener on 15006)"
)
@click.option(
    "--outbound", "direction", flag_value="outbound", help="a sidecar's outbound traffic (virtual listener on 15001)"
)
@click.option("--source", metavar="IP[:PORT]", help="the client's address")
@click.option("--sni", metavar="NAME", help="server name in the TLS hello, where it is not the host")
@click.option("--alpn", metavar="A,B", help="ALPN list in the TLS hello, where it is not h2,http/1.1")
@click.option("--cert-uri", metavar="URI", help="URI SAN of the client certificate, e.g. spiffe://...; implies TLS")
@click.option("--cert-dns", metavar="NAME", help="DNS SAN of the client certificate; implies TLS")
@click.option("--upstream", "upstream_words", multiple=True, metavar="WHO=WHAT", help=UPSTREAM_HELP)
@click.option("--upstreams", "upstreams_path", metavar="FILE", help="standing upstream behaviours (docs/contract.md)")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="runtime.KEY=V, random=N, IP:PORT=unhealthy, verdict.FILTER=deny",
)
@click.option("--seed", type=int, help="draw every random choice once instead of going through all of them")
@click.option("--patience", type=click.FloatRange(min=0), metavar="MS", help="the client leaves when it waits longer")
@click.option("-v", "--verbose", is_flag=True, help="add what lost and why, headers, access log")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="output format")
@_refused_options
def command(**options: Any) -> int:
    """Follow one request through the proxy and say how it ends, stage by stage.

    The URL and the flags -X -H -d -G -I -u -A -b --resolve --http2 mean what they mean in curl; only the given
    headers are sent. The listener is found as traffic would find it: by --listener, by the address connected to, or, in
    a sidecar, by direction. What had to be assumed is said.
    """
    *sources, url = options["sources"]
    if not sources:
        raise click.UsageError("SOURCE and URL are both needed: `envoysim trace dump.json http://host/path`")
    curl = parse_curl(
        url,
        **{
            k: options[k]
            for k in ("method", "headers", "data", "resolve", "head", "get", "user", "user_agent", "cookie")
        },
    )
    upstreams = read_upstreams(options["upstreams_path"]) | parse_upstreams(options["upstream_words"])
    world = make_world(
        upstreams=upstreams,
        seed=options["seed"],
        settings=options["settings"],
        explain=True,
        patience_ms=options["patience"],
    )
    dump = load_dump(sources)
    entry = find_entry(
        dump, curl.host, curl.port, curl.address, listener=options["listener"], direction=options["direction"]
    )
    request = _request(curl, entry, options)
    proxy = Proxy(dump, world.runtime)
    explored = _play(proxy, request, world, options["seed"])
    _print(explored, entry, dump.pointer, options)
    return 0


def _play(proxy: Proxy, request: Request, world: Any, seed: int | None) -> Explored:
    if seed is None:
        explored = explore(proxy, request, world)
    else:
        from ..simulate import simulate

        explored = Explored(((1.0, simulate(proxy, request, world)),))
    if request.connection.protocol == "HTTP/2" and request.connection.tls is not None:
        details = explored.likeliest.outcome.response_code_details
        if details == "http1.codec_error" or explored.likeliest.outcome.closed == "tls":
            spoken = replace(request, connection=replace(request.connection, protocol="HTTP/1.1"))
            return _play(proxy, spoken, world, seed)  # the chain does not negotiate h2: the client falls back
    return explored


def _request(curl: CurlRequest, entry: Entry, options: dict[str, Any]) -> Request:
    certificate = None
    if options["cert_uri"] or options["cert_dns"]:
        uris, names = (options["cert_uri"],), (options["cert_dns"],)
        certificate = Certificate(tuple(u for u in uris if u), tuple(n for n in names if n))
    tls, protocol = None, "HTTP/1.1"
    if curl.scheme == "https" or certificate is not None:
        alpn = options["alpn"].split(",") if options["alpn"] else ["h2", "http/1.1"]
        if options["http2"] is False and not options["alpn"]:
            alpn = ["http/1.1"]
        is_name = not curl.host.replace(".", "").isdigit() and ":" not in curl.host
        tls = Tls(options["sni"] or (curl.host if is_name else None), tuple(alpn), certificate)
        protocol = "HTTP/2" if "h2" in alpn else "HTTP/1.1"
    elif options["http2_prior_knowledge"] or options["http2"]:
        protocol = "HTTP/2"
    if options["http10"]:
        protocol = "HTTP/1.0"
    return Request(
        id="1",
        connection=entry.connection(source=_source(options["source"]), tls=tls, protocol=protocol),
        method=curl.method,
        scheme=curl.scheme if protocol == "HTTP/2" else None,
        authority=curl.authority,
        path=curl.path,
        headers=curl.headers,
        body=curl.body,
    )


def _source(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(
            parse_address(text if text.rpartition(":")[2].isdigit() and text.count(":") == 1 else f"{text}:40000")
        )
    except ValueError as error:
        raise click.UsageError(f"--source: {error}") from None


def _print(explored: Explored, entry: Entry, pointer: Any, options: dict[str, Any]) -> None:
    trace = explored.likeliest
    shares = [(share, t.outcome) for share, t in explored.shares]

    def point(ref: Ref) -> str:
        return str(pointer(ref))

    if options["output"] == "json":
        shown = trace_json(trace, shares, point, verbose=options["verbose"], assumed=entry.assumed)
        click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
        return
    style = (lambda kind, text: click.style(text, **COLORS[kind])) if sys.stdout.isatty() else plain
    text = trace_text(
        trace,
        shares,
        point,
        verbose=options["verbose"],
        assumed=entry.assumed,
        doubt=entry.doubt,
        unexplored=explored.unexplored,
        style=style,
    )
    click.echo(text, nl=False)
