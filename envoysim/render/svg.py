"""Small drawing: axes with round numbers, lines, bars; nothing but text comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape


def element(name: str, inside: str = "", **attributes: object) -> str:
    """Write an element; ``class_`` and ``font_size`` become ``class`` and ``font-size``."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(str(value))


def label(x: float, y: float, text: str, *, anchor: str = "start", class_: str = "label") -> str:
    """Write a text."""
    return element("text", escape(text), x=x, y=y, text_anchor=anchor, class_=class_)


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Return about ``count`` round numbers from ``low`` to ``high``."""
    span = (high - low) / max(count, 1)
    if span <= 0:
        return [low]
    step = 10.0 ** math.floor(math.log10(span))
    step = next((step * f for f in (1, 2, 5, 10) if step * f >= span * 0.999), step * 10)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def time_ticks(end_s: float, count: int) -> list[float]:
    """Return about ``count`` round times in seconds."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((s for s in steps if end_s / s <= count), steps[-1])
    return [n * step for n in range(int(end_s / step + 1e-9) + 1)]


def time_text(seconds: float) -> str:
    """Write a time on the axis: ``20 s``, ``1:30``, ``1:00:00``."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(value: float) -> str:
    """Write a number in few signs: ``1.2k``."""
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class Frame:
    """A panel's place on the page, and its y range; ``log`` scales by the logarithm."""

    left: float
    top: float
    width: float
    height: float
    end_ms: float
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    def x(self, at_ms: float) -> float:
        """Return where a time is."""
        return self.left + self.width * min(1.0, max(0.0, at_ms / self.end_ms))

    def y(self, value: float) -> float:
        """Return where a value is; what is out of range stays at the edge."""
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        share = (at - low) / (high - low) if high > low else 0.0
        return self.top + self.height * (1.0 - min(1.0, max(0.0, share)))

    def grid(self, ticks: Iterable[float], text: Callable[[float], str]) -> str:
        """Draw lines and numbers at ``ticks``."""
        parts = []
        for tick in ticks:
            y = self.y(tick)
            parts.append(element("line", x1=self.left, x2=self.left + self.width, y1=y, y2=y, class_="grid"))
            parts.append(label(self.left - 8, y + 4, text(tick), anchor="end", class_="tick"))
        return "".join(parts)

    def time_axis(self) -> str:
        """Draw the times below."""
        base = self.top + self.height
        parts = [element("line", x1=self.left, x2=self.left + self.width, y1=base, y2=base, class_="axis")]
        for tick in time_ticks(self.end_ms / 1000.0, 10):
            x = self.x(tick * 1000.0)
            parts.append(element("line", x1=x, x2=x, y1=base, y2=base + 4, class_="axis"))
            parts.append(label(x, base + 17, time_text(tick), anchor="middle", class_="tick"))
        return "".join(parts)

    def line(self, points: Sequence[tuple[float, float | None]], class_: str) -> str:
        """Draw a line through ``(time, value)``; ``None`` interrupts it, and a point on its own is a dot."""
        parts, run = [], list[tuple[float, float]]()
        for at_ms, value in [*points, (0.0, None)]:
            if value is not None:
                run.append((self.x(at_ms), self.y(value)))
                continue
            if len(run) == 1:
                parts.append(element("circle", cx=run[0][0], cy=run[0][1], r=1.5, class_=f"dot {class_}"))
            elif run:
                path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
                parts.append(element("path", d=path, class_=f"line {class_}"))
            run = []
        return "".join(parts)

    def area(self, points: Sequence[tuple[float, float]], class_: str) -> str:
        """Fill what is below a line."""
        if not points:
            return ""
        base = self.top + self.height
        inner = "L".join(f"{self.x(at_ms):.1f} {self.y(value):.1f}" for at_ms, value in points)
        first, last = self.x(points[0][0]), self.x(points[-1][0])
        return element("path", d=f"M{first:.1f} {base:.1f}L{inner}L{last:.1f} {base:.1f}Z", class_=f"area {class_}")
