"""``envoysim simulate``: load over virtual time."""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

import click

from ..errors import OptionError
from ..model.timeline import Timeline
from ..render.text import plain
from ..render.timeline_text import timeline_json, timeline_text
from ..scenario.changes import check_upstreams
from ..scenario.play import Play
from ..scenario.read import read_scenario
from ..stages.proxy import Proxy
from .common import COLORS, load_dump


@click.command("simulate")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE... SCENARIO")
@click.option("--seed", type=int, help="seed of every random choice, in place of the scenario's  [default: 0]")
@click.option("--plot", "plot_path", metavar="FILE.html", help="write one self-contained page with plots")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="output format")
def command(sources: tuple[str, ...], seed: int | None, plot_path: str | None, output: str) -> int:
    """Play the traffic of a scenario (docs/scenarios.md) and say what came of it, and when and why it changed.

    One Envoy worker, one virtual clock: retries, ejections, circuit breakers, pools and queues work as they do from
    request to request. Ctrl-C ends the run and prints what is known so far.
    """
    *dumps, path = sources
    if not dumps:
        raise click.UsageError("SOURCE and SCENARIO are both needed: `envoysim simulate dump.json scenario.yaml`")
    if plot_path is not None and not Path(plot_path).resolve().parent.is_dir():
        raise OptionError(f"cannot write `{plot_path}`: no such directory")
    dump = load_dump(dumps)
    scenario = read_scenario(path, dump)
    proxy = Proxy(dump, scenario.runtime)
    check_upstreams(scenario, proxy, path)
    play = Play(proxy, scenario, scenario.seed if seed is None else seed)
    timeline = _run(play)
    if plot_path is not None:
        from ..render.plot import timeline_html

        try:
            Path(plot_path).write_text(timeline_html(timeline), encoding="utf-8")
        except OSError as error:
            raise OptionError(f"cannot write `{plot_path}`: {error.strerror}") from None
    if output == "json":
        click.echo(json.dumps(timeline_json(timeline), indent=1, ensure_ascii=False))
    else:
        style = (lambda kind, text: click.style(text, **COLORS[kind])) if sys.stdout.isatty() else plain
        click.echo(timeline_text(timeline, style), nl=False)
    return 130 if timeline.interrupted else 0


def _run(play: Play) -> Timeline:
    """Play, with progress on a terminal; an interrupt ends it early."""
    progress = _Progress(play.scenario.duration_ms) if sys.stderr.isatty() else None
    gc.collect()
    gc.freeze()  # the compiled dump stays: the collector need not look at it again and again
    interrupted = False
    try:
        play.run(progress.tell if progress is not None else None)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if progress is not None:
            progress.end()
        gc.unfreeze()
    return play.timeline(interrupted=interrupted)


class _Progress:
    """One line on stderr, from the second second on."""

    def __init__(self, duration_ms: float) -> None:
        self._duration_ms = duration_ms
        self._start = time.monotonic()
        self._next = self._start + 1.0
        self._shown = False

    def tell(self, now_ms: float, requests: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next, self._shown = now + 0.2, True
        share = min(1.0, now_ms / self._duration_ms)
        left = (now - self._start) * (1 - share) / share if share else 0.0
        words = f"\r{share:6.1%}  t={now_ms / 1000:.0f} s  {requests:,} requests  about {left:.0f} s left "
        click.echo(words, nl=False, err=True)

    def end(self) -> None:
        if self._shown:
            click.echo("\r" + " " * 70 + "\r", nl=False, err=True)
