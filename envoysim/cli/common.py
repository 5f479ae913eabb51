"""What several commands share: reading sources, worlds and upstream files."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ..contract import upstreams_from_json
from ..errors import OptionError, ScenarioError
from ..load import load
from ..load.dump import Dump
from ..model.behaviour import Upstream
from ..model.chance import Sampled
from ..model.world import World

T = TypeVar("T")
COLORS: dict[str, dict[str, Any]] = {
    "good": {"fg": "green", "bold": True},
    "bad": {"fg": "red", "bold": True},
    "dim": {"dim": True},
    "strong": {"bold": True},
}
"""How a terminal shows the kinds of a renderer's ``Style``."""
HEALTH_WORDS = ("healthy", "unhealthy", "degraded", "draining", "timeout")


def load_dump(sources: Sequence[str], *, one: bool = True) -> Dump:
    """Load SOURCE...; raises SourceError. Where ``one`` proxy is asked about, dumps of several are warned of."""
    dump = load(list(sources))
    if one and len(dump.documents) > 1 and len(proxies := dump.proxies()) > 1:
        nodes = ", ".join(f"`{proxy.node_id}`" for proxy in proxies)
        click.echo(f"envoysim: warning: the sources are of different proxies ({nodes}): they are read as one", err=True)
    return dump


def read_upstreams(path: str | None) -> dict[str, Upstream]:
    """Read an upstreams file (YAML or JSON); raises ScenarioError with file and line."""
    if path is None:
        return {}
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"cannot read upstreams: {error}", place=path) from None
    if text.lstrip().startswith("{"):
        import json

        try:
            return upstreams_from_json(json.loads(text))
        except ValueError as error:
            raise ScenarioError(f"not JSON: {error}", place=path) from None
    import yaml

    try:
        return upstreams_from_json(yaml.safe_load(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else path
        raise ScenarioError(f"not YAML: {getattr(error, 'problem', error)}", place=place) from None
    except ScenarioError as error:
        raise ScenarioError(error.message, place=path) from None


def make_world(
    *,
    upstreams: dict[str, Upstream] | None = None,
    seed: int | None = None,
    settings: Sequence[str] = (),
    explain: bool = False,
    patience_ms: float | None = None,
) -> World:
    """Build a World; ``settings`` are ``--set`` texts: ``runtime.KEY=V``, ``verdict.NAME=V``, ``IP:PORT=unhealthy``."""
    runtime: dict[str, str] = {}
    health: dict[str, str] = {}
    verdicts: dict[str, str] = {}
    value: int | None = None
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise OptionError(f"`--set {setting}`: expected KEY=VALUE")
        if key.startswith("runtime."):
            runtime[key.removeprefix("runtime.")] = text
        elif key.startswith("verdict."):
            verdicts[key.removeprefix("verdict.")] = text
        elif key == "random":
            if not text.isdigit():
                raise OptionError(f"`--set {setting}`: the random value must be a whole number")
            value = int(text)
        elif text in HEALTH_WORDS:
            health[key] = text
        else:
            raise OptionError(
                f"`--set {setting}`: unknown setting `{key}`",
                help="use runtime.KEY=VALUE, random=NUMBER, verdict.FILTER=allow|deny, IP:PORT=unhealthy",
            )
    return World(
        upstreams=upstreams or {},
        chance=Sampled(seed or 0, value),
        runtime=runtime,
        health=health,
        verdicts=verdicts,
        explain=explain,
        patience_ms=math.inf if patience_ms is None else patience_ms,
    )


def progress(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Pass ``items`` on with a progress bar on stderr: only on a terminal, only when it takes over a second."""
    if not sys.stderr.isatty():
        yield from items
        return
    start = time.monotonic()
    bar = None
    for item in items:
        if bar is None and time.monotonic() - start > 1.0:
            bar = click.progressbar(length=total, label=label, file=sys.stderr)
            bar.__enter__()
        if bar is not None:
            bar.update(1)
        yield item
    if bar is not None:
        bar.__exit__(None, None, None)
