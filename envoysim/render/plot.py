"""A timeline as one self-contained page: load, success, latency and hosts over the same time axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ..model.timeline import Bin, Lane, Moment, Span, Timeline
from .svg import Frame, element, label, round_ticks, short
from .timeline_text import moment_text, percent, timeline_text

WIDTH, LEFT, RIGHT = 1000.0, 150.0, 20.0
PANEL, GAP, LANE = 120.0, 54.0, 18.0
MAX_LANES = 60
MAX_MARKS = 40
MAX_LISTED = 300
KINDS = frozenset(
    {"ejected", "back", "kept", "panic", "calm", "health", "scenario", "overflow", "failing", "fine", "storm"}
)
"""Moments that get a mark on the plots."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #667085; --grid: #e4e7ec; --page: #ffffff; --blue: #2f6fde;
  --light: #9dbcf3; --red: #d92d20; --amber: #dc8a04; --green: #2e9e5b; --pale: #cfe8d8; --grey: #98a2b3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --grid: #2c3440; --page: #14181f;
  --pale: #244534; --light: #35538f; } }
body { font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1040px;
  margin: 24px auto; padding: 0 16px; }
h1 { font-size: 20px; margin: 0 0 2px; } h2 { font-size: 15px; margin: 28px 0 6px; }
p { margin: 0 0 12px; color: var(--soft); }
svg { width: 100%; height: auto; display: block; } pre { overflow-x: auto; font-size: 12px; line-height: 1.4; }
text { fill: var(--ink); font: 12px system-ui, sans-serif; } .tick { fill: var(--soft); font-size: 11px; }
.title { font-weight: 600; font-size: 13px; } .key { fill: var(--soft); font-size: 12px; }
.title, .key { paint-order: stroke; stroke: var(--page); stroke-width: 4px; }
.grid { stroke: var(--grid); } .axis { stroke: var(--soft); }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.dot { stroke: none; } .area { stroke: none; } .mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 3; }
.number { font-size: 10px; fill: var(--soft); }
path.sent { stroke: var(--amber); } path.arrived { fill: var(--light); fill-opacity: .55; }
circle.sent { fill: var(--amber); }
path.ok { stroke: var(--green); } path.p50 { stroke: var(--blue); } path.p99 { stroke: var(--red); }
circle.ok { fill: var(--green); } circle.p50 { fill: var(--blue); } circle.p99 { fill: var(--red); }
rect.healthy { fill: var(--pale); } rect.ejected { fill: var(--red); } rect.unhealthy { fill: #8a1c13; }
rect.degraded { fill: var(--amber); } rect.draining { fill: var(--grey); } rect.panic { fill: #7a3fc4; }
rect.scripted { fill: var(--ink); } rect.arrived { fill: var(--light); } rect.sent { fill: var(--amber); }
rect.ok { fill: var(--green); } rect.p50 { fill: var(--blue); } rect.p99 { fill: var(--red); }
ol { padding-left: 34px; margin: 0; font-size: 13px; } li { margin: 1px 0; }
li.more { list-style: none; color: var(--soft); }
"""
STATES = ("healthy", "ejected", "unhealthy", "degraded", "draining")


def timeline_html(timeline: Timeline) -> str:
    """Write the page: nothing is loaded from anywhere else."""
    ok = sum(row.ok for row in timeline.streams)
    share = f", {percent(ok / timeline.requests)} ok" if timeline.requests else ""
    cut = f" (interrupted at {timeline.simulated_ms / 1000:.1f} s)" if timeline.interrupted else ""
    facts = f"{timeline.duration_ms / 1000:g} s{cut}, {timeline.requests:,} requests{share}, seed {timeline.seed}"
    marked = _marked(timeline)
    title = escape(timeline.title)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style></head>\n'
        f"<body>\n<h1>{title}</h1>\n<p>{escape(facts)}</p>\n{_drawing(timeline, marked)}\n"
        f"{_list(timeline, marked)}\n<h2>Numbers</h2>\n<pre>{escape(_numbers(timeline))}</pre>\n</body></html>\n"
    )


def _numbers(timeline: Timeline) -> str:
    """The text report without its headline and its moments: both are on the page already."""
    text = timeline_text(timeline).partition("\n\n")[2]
    return text.partition("\nmoments\n")[0] + "\n"


def _marked(timeline: Timeline) -> list[Moment]:
    return [moment for moment in timeline.moments if moment.kind in KINDS][:MAX_MARKS]


def _list(timeline: Timeline, marked: Sequence[Moment]) -> str:
    """The moments in words, numbered as on the plots; those without a mark follow."""
    if not timeline.moments:
        return ""
    others = [moment for moment in timeline.moments if not any(moment is known for known in marked)]
    ordered = [*marked, *others[: MAX_LISTED - len(marked)]]
    lines = "".join(f"<li>{escape(moment_text(moment))}</li>\n" for moment in ordered)
    more = len(timeline.moments) - len(ordered) + timeline.moments_left_out
    rest = f'<li class="more">and {more} more</li>\n' if more else ""
    return f"<h2>Moments</h2>\n<ol>\n{lines}{rest}</ol>"


def _drawing(timeline: Timeline, marked: Sequence[Moment]) -> str:
    end_ms = timeline.duration_ms
    bins = [b for b in timeline.bins if b.start_ms < end_ms]  # what is left to end after it tells little
    width = WIDTH - LEFT - RIGHT
    tops = [46.0 + n * (PANEL + GAP) for n in range(3)]
    frames = [Frame(LEFT, top, width, PANEL, end_ms) for top in tops]
    lanes_top = tops[-1] + PANEL + GAP + 8
    lanes, height = _lanes(timeline, Frame(LEFT, lanes_top, width, 0.0, end_ms))
    bottom = lanes_top + height
    parts = [_marks(marked, Frame(LEFT, tops[0], width, bottom - tops[0], end_ms))]
    parts += [_load(timeline.bin_ms, bins, frames[0]), _success(timeline.bin_ms, bins, frames[1])]
    parts += [_latency(timeline.bin_ms, bins, frames[2]), lanes]
    return element(
        "svg",
        "".join(parts),
        viewBox=f"0 0 {WIDTH:g} {bottom + 30:g}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )


def _marks(marked: Sequence[Moment], frame: Frame) -> str:
    """Lines through all panels where something changed; numbers that would cover each other are written together."""
    parts, groups = [], list[tuple[float, int, int]]()
    for number, moment in enumerate(marked, 1):
        x = frame.x(moment.at_ms)
        line = element("line", x1=x, x2=x, y1=frame.top, y2=frame.top + frame.height, class_="mark")
        parts.append(element("g", element("title", escape(moment_text(moment))) + line))
        if groups and x - groups[-1][0] < 34:
            groups[-1] = (groups[-1][0], groups[-1][1], number)
        else:
            groups.append((x, number, number))
    for x, first, last in groups:
        text = str(first) if first == last else f"{first}-{last}"
        parts.append(label(x, frame.top - 28, text, anchor="middle", class_="number"))
    return "".join(parts)


def _head(frame: Frame, title: str, keys: Sequence[tuple[str, str]]) -> str:
    """A panel's title above it, and what its colours mean."""
    parts = [label(frame.left, frame.top - 9, title, class_="title")]
    x = frame.left + 7.6 * len(title) + 16
    for class_, text in keys:
        if class_:
            parts.append(element("rect", x=x, y=frame.top - 17, width=10, height=8, class_=class_))
        parts.append(label(x + 14, frame.top - 9, text, class_="key"))
        x += 26 + 6.4 * len(text)
    return "".join(parts)


def _load(bin_ms: float, bins: Sequence[Bin], frame: Frame) -> str:
    per_s, middle = 1000.0 / bin_ms, bin_ms / 2
    arrived = [(b.start_ms + middle, b.arrivals * per_s) for b in bins]
    sent = [(b.start_ms + middle, b.attempts * per_s) for b in bins]
    high = max((value for _, value in [*arrived, *sent]), default=1.0) * 1.08 or 1.0
    frame = Frame(frame.left, frame.top, frame.width, frame.height, frame.end_ms, 0.0, high)
    return (
        _head(frame, "requests per second", (("arrived", "arrivals"), ("sent", "attempts of requests that ended")))
        + frame.grid(round_ticks(0.0, high, 4), short)
        + frame.area(arrived, "arrived")
        + frame.line(sent, "sent")
        + frame.time_axis()
    )


def _success(bin_ms: float, bins: Sequence[Bin], frame: Frame) -> str:
    middle = bin_ms / 2
    points = [(b.start_ms + middle, 100.0 * b.ok / b.ended if b.ended else None) for b in bins]
    lowest = min((value for _, value in points if value is not None), default=100.0)
    low = next(low for low in (99.0, 95.0, 90.0, 80.0, 50.0, 0.0) if lowest >= low or low == 0.0)
    span = 100.0 - low
    frame = Frame(frame.left, frame.top, frame.width, frame.height, frame.end_ms, low, 100.0 + span * 0.05)
    return (
        _head(frame, "success rate", (("ok", "answers below 500, %"),))
        + frame.grid(round_ticks(low, 100.0, 4), lambda tick: f"{tick:g} %")
        + frame.line(points, "ok")
        + frame.time_axis()
    )


def _latency(bin_ms: float, bins: Sequence[Bin], frame: Frame) -> str:
    middle = bin_ms / 2
    values = [v for b in bins for v in (b.p50_ms, b.p99_ms) if v > 0]
    low, high = (min(values), max(values)) if values else (1.0, 10.0)
    if high / low < 3:
        frame = Frame(frame.left, frame.top, frame.width, frame.height, frame.end_ms, 0.0, high * 1.1)
        ticks = round_ticks(0.0, high * 1.1, 4)
    else:
        low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high * 1.02))
        frame = Frame(frame.left, frame.top, frame.width, frame.height, frame.end_ms, low, high, log=True)
        ticks = [10.0**n for n in range(round(math.log10(low)), round(math.log10(high)) + 1)]

    def line(which: str) -> str:
        points: list[tuple[float, float | None]] = [
            (b.start_ms + middle, getattr(b, f"{which}_ms") if b.ended else None) for b in bins
        ]
        return frame.line(points, which)

    return (
        _head(frame, "latency", (("p50", "p50"), ("p99", "p99"), ("", "log scale" if frame.log else "")))
        + frame.grid(ticks, _ms)
        + line("p99")
        + line("p50")
        + frame.time_axis()
    )


def _ms(value: float) -> str:
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def _lanes(timeline: Timeline, frame: Frame) -> tuple[str, float]:
    """One lane per host, by cluster: its health, and below it what the scenario did; a cluster's panic on top."""
    busy = [lane for lane in timeline.lanes if len(lane.health) > 1 or lane.scripted]
    shown = list(timeline.lanes) if len(timeline.lanes) <= MAX_LANES else busy[:MAX_LANES]
    seen = {span.state for lane in shown for span in lane.health}
    keys = [(state, state) for state in STATES if state in seen]
    keys += [("panic", "cluster in panic")] if timeline.panics else []
    keys += [("scripted", "the scenario's doing")] if any(lane.scripted for lane in shown) else []
    parts = [_head(frame, "hosts", keys)]
    y = frame.top
    for cluster in dict.fromkeys(lane.cluster for lane in shown):
        parts.append(label(frame.left, y + 13, cluster, class_="key"))
        panics = timeline.panics.get(cluster, ())
        parts += [_bar(frame, span, y + 17, 3.0, "panic") for span in panics]
        y += 22
        for lane in (lane for lane in shown if lane.cluster == cluster):
            parts.append(_lane(frame, lane, y))
            y += LANE
        y += 4
    left_out = len(timeline.lanes) - len(shown)
    if left_out:
        parts.append(label(frame.left, y + 12, f"and {left_out} more", class_="key"))
        y += 18
    axis = Frame(frame.left, frame.top, frame.width, y - frame.top, frame.end_ms)
    return "".join(parts) + axis.time_axis(), y - frame.top


def _lane(frame: Frame, lane: Lane, y: float) -> str:
    parts = [label(frame.left - 8, y + 11, lane.endpoint, anchor="end", class_="tick")]
    parts += [_bar(frame, span, y, LANE - 6, span.state) for span in lane.health]
    parts += [_bar(frame, span, y + LANE - 5, 3.0, "scripted") for span in lane.scripted]
    return "".join(parts)


def _bar(frame: Frame, span: Span, y: float, height: float, class_: str) -> str:
    x, end = frame.x(span.start_ms), frame.x(span.end_ms)
    told = f"{span.state} from {span.start_ms / 1000:.1f} s to {span.end_ms / 1000:.1f} s"
    return element(
        "rect", element("title", escape(told)), x=x, y=y, width=max(end - x, 1.0), height=height, class_=class_
    )
