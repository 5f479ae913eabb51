"""``envoysim run``: the batch interface, exactly as docs/contract.md says."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import click

from ..contract import line_id, request_from_line
from ..errors import EnvoysimError, RequestError
from ..model.request import Request
from ..render.json import outcome_json
from ..run import run
from ..stages.proxy import Proxy
from .common import load_dump, make_world, read_upstreams


@click.command("run")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--requests",
    "requests_path",
    required=True,
    metavar="FILE",
    help="one JSON request per line, - for stdin",
)
@click.option("--upstreams", "upstreams_path", metavar="FILE", help="standing upstream behaviours (YAML or JSON)")
@click.option("--seed", type=int, default=0, show_default=True, help="seed of every random choice")
@click.option("--patience", type=click.FloatRange(min=0), metavar="MS", help="a client leaves when it waits longer")
@click.option("--independent", is_flag=True, help="a fresh worker for every request: nothing is remembered")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="runtime.KEY=V, random=N, IP:PORT=unhealthy, ...",
)
def command(
    sources: tuple[str, ...],
    requests_path: str,
    upstreams_path: str | None,
    seed: int,
    patience: float | None,
    independent: bool,
    settings: tuple[str, ...],
) -> int:
    """Play the requests of a JSON-lines file and print one outcome per line, in the same order.

    State (round robin, ejections, circuit breakers, token buckets, the clock) is kept from line to line. A line
    that cannot be used gives {"id": ..., "error": ...}; the rest goes on and the exit status is 1.
    """
    dump = load_dump(sources)
    world = make_world(upstreams=read_upstreams(upstreams_path), seed=seed, settings=settings, patience_ms=patience)
    proxy = Proxy(dump, world.runtime)
    lines = sys.stdin if requests_path == "-" else _open(requests_path)
    reader = _Reader(lines, requests_path)
    write = sys.stdout.write
    for trace in run(proxy, reader.requests(), world, independent=independent):
        for bad in reader.errors_before(trace.request):
            write(bad)
        write(json.dumps(outcome_json(trace.outcome, dump.pointer), ensure_ascii=False) + "\n")
    for bad in reader.errors_before(None):
        write(bad)
    return 1 if reader.failed else 0


def _open(path: str) -> TextIO:
    try:
        return open(path, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise RequestError(f"cannot read requests: {error.strerror}", place=path) from None


class _Reader:
    """Yields usable requests and keeps the errors of the others at their place in the order."""

    def __init__(self, lines: TextIO, name: str) -> None:
        self._lines = lines
        self._name = name
        self._order: list[Request | str] = []
        self.failed = False

    def requests(self) -> Iterator[Request]:
        for number, line in enumerate(self._lines, 1):
            if not line.strip():
                continue
            try:
                request = request_from_line(line, number)
            except EnvoysimError as error:
                self.failed = True
                place = f"{self._name}:{number}"
                click.echo(f"envoysim: {place}: {error}", err=True)
                self._order.append(_error_line(line_id(line, number), f"line {number}: {error}"))
                continue
            self._order.append(request)
            yield request

    def errors_before(self, request: Request | None) -> Iterator[str]:
        """Yield the error lines that stand before ``request`` (all that are left, for ``None``)."""
        while self._order:
            item = self._order.pop(0)
            if not isinstance(item, str):
                return
            yield item


def _error_line(id_: str, message: str) -> str:
    obj: dict[str, Any] = {"id": id_, "error": message}
    return json.dumps(obj, ensure_ascii=False) + "\n"
