"""Charts as inline SVG: no script, no font of their own, colours from the page's style sheet (light, dark, print).

>>> intervals([Bar("fine-tuned", 0.88, 0.86, 0.90, "0.880", "[0.86, 0.90]", main=True)], "{:.1f}".format)
Markup('<svg class="chart" viewBox="0 0 720 74" role="img">...</svg>')

Everything that stands in a chart goes through `Markup.format`, which escapes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 720
_LABELS = 210  # room at the left for names
_VALUES = 130  # room at the right for numbers
_ROW = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of an interval chart; `low` and `high` are None where no interval is defined. `shown` and `range` are
    the numbers as text."""

    name: str
    value: float
    low: float | None
    high: float | None
    shown: str
    range: str
    main: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: points (x, y) in order. `kind` is its CSS class: train, validation."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]


def svg(height: float, *parts: Markup) -> Markup:
    """The parts inside one picture that scales with its column."""
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img">{}</svg>').format(
        WIDTH, round(height), Markup("").join(parts))


def text(x: float, y: float, value: str, cls: str = "", anchor: str = "start") -> Markup:
    """A text whose base line starts (ends, centres) at (x, y)."""
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}" text-anchor="{}">{}</text>').format(x, y, cls, anchor, value)


def rule(x1: float, y1: float, x2: float, y2: float, cls: str) -> Markup:
    """A straight line."""
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(x1, y1, x2, y2, cls)


def dot(x: float, y: float, r: float, cls: str, title: str = "") -> Markup:
    """A filled circle; `title` shows when the mouse rests on it."""
    return Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" class="{}"><title>{}</title></circle>').format(
        x, y, r, cls, title)


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) inside [low, high].

    >>> ticks(0.77, 0.92)
    [0.8, 0.85, 0.9]
    """
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)]


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """The linear map of [low, high] onto [start, end]; the middle when there is nothing to tell apart."""
    span = high - low
    return lambda v: start + (end - start) * (v - low) / span if span else (start + end) / 2


def intervals(bars: Sequence[Bar], tick: Callable[[float], str]) -> Markup:
    """A dot with its interval for each bar on one axis, the numbers beside it. `tick` writes the axis."""
    edges = [v for b in bars for v in (b.value, b.low, b.high) if v is not None]
    low, high = _padded(edges)
    x = scale(low, high, _LABELS, WIDTH - _VALUES)
    bottom = 10 + _ROW * len(bars)
    parts = [rule(x(v), 6, x(v), bottom, "grid") + text(x(v), bottom + 16, tick(v), "tick", "middle")
             for v in ticks(low, high)]
    parts += [_interval(b, 6 + _ROW * (i + 0.5), x) for i, b in enumerate(bars)]
    return svg(bottom + 24, *parts)


def _interval(bar: Bar, y: float, x: Callable[[float], float]) -> Markup:
    cls = "main" if bar.main else "base"
    right = WIDTH - _VALUES + 16
    parts = [text(_LABELS - 14, y + 5, shorten(bar.name, 30), f"name {cls}", "end"),
             text(right, y + (0 if bar.range else 5), bar.shown, f"value {cls}"),
             text(right, y + 15, bar.range, "tick")]
    if bar.low is not None and bar.high is not None:
        parts.append(rule(x(bar.low), y, x(bar.high), y, f"whisker {cls}"))
    parts.append(dot(x(bar.value), y, 6, f"dot {cls}", f"{bar.shown} {bar.range}"))
    return Markup("").join(parts)


def curves(lines: Sequence[Line], best: float | None, height: float = 230, best_name: str = "",
           x_name: str = "") -> Markup:
    """Curves over steps in one frame with a legend; a dashed line at the best step."""
    xs = [p[0] for line in lines for p in line.points]
    ys = [p[1] for line in lines for p in line.points]
    low, high = _padded(ys)
    x = scale(min(0.0, *xs), max(xs), 56, WIDTH - 14)
    y = scale(low, high, height - 34, 30)
    parts = [rule(56, y(v), WIDTH - 14, y(v), "grid") + text(48, y(v) + 4, f"{v:g}", "tick", "end")
             for v in ticks(low, high, 4)]
    parts += [text(x(v), height - 16, f"{v:g}", "tick", "middle") for v in ticks(0, max(xs), 8)]
    parts.append(text(WIDTH - 14, height - 2, x_name, "tick", "end"))
    if best is not None:
        parts += [rule(x(best), 30, x(best), height - 34, "best"),
                  text(x(best) - 5, 42, best_name, "tick best-name", "end")]
    parts += [_curve(line, x, y) for line in lines]
    parts += [_legend(line, 56 + 190 * i) for i, line in enumerate(lines)]
    return svg(height, *parts)


def _curve(line: Line, x: Callable[[float], float], y: Callable[[float], float]) -> Markup:
    path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line.points)
    dots = [dot(x(a), y(b), 3, f"dot {line.kind}", f"{a:g}: {b:.4g}") for a, b in line.points
            ] if len(line.points) <= 40 else []
    return Markup('<polyline points="{}" class="line {}"/>').format(path, line.kind) + Markup("").join(dots)


def _legend(line: Line, x: float) -> Markup:
    return rule(x, 12, x + 22, 12, f"line {line.kind}") + text(x + 28, 16, line.name, "tick")


def scatter(points: Sequence[tuple[float, float]], x_name: str, y_name: str, height: float = 420) -> Markup:
    """Points (x, y) on equal axes with the diagonal where y = x."""
    low, high = _padded([v for p in points for v in p])
    left, right = (WIDTH - height) / 2 + 30, (WIDTH + height) / 2 - 10
    x, y = scale(low, high, left, right), scale(low, high, height - 46, 14)
    parts = [rule(left, y(v), right, y(v), "grid") + text(left - 8, y(v) + 4, f"{v:g}", "tick", "end")
             + text(x(v), height - 28, f"{v:g}", "tick", "middle") for v in ticks(low, high)]
    parts.append(rule(x(low), y(low), x(high), y(high), "best"))
    parts += [dot(x(a), y(b), 3, "point", f"{a:.4g} → {b:.4g}") for a, b in points]
    parts += [text((left + right) / 2, height - 8, x_name, "tick", "middle"),
              text(left - 40, 14, y_name, "tick", "end")]
    return svg(height, *parts)


def histogram(values: Sequence[float], x_name: str, bins: int = 21, height: float = 200) -> Markup:
    """How often each range of values occurs; the axis is symmetric around 0, which is marked."""
    edge = max(map(abs, values)) or 1.0
    counts = [0] * bins
    for v in values:
        counts[min(bins - 1, int((v + edge) / (2 * edge) * bins))] += 1
    x, y = scale(-edge, edge, 56, WIDTH - 14), scale(0, max(counts), height - 40, 12)
    width = (WIDTH - 70) / bins
    parts = [Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="bar"><title>{}</title></rect>')
             .format(56 + i * width + 1, y(n), width - 2, height - 40 - y(n), n) for i, n in enumerate(counts)]
    parts += [text(x(v), height - 24, f"{v:g}", "tick", "middle") for v in ticks(-edge, edge, 8)]
    parts += [rule(x(0), 8, x(0), height - 40, "best"), text(WIDTH / 2, height - 6, x_name, "tick", "middle")]
    return svg(height, *parts)


def smooth(points: Sequence[tuple[float, float]], wanted: int = 120) -> list[tuple[float, float]]:
    """At most `wanted` points, each the mean of its neighbours in the original: a noisy loss becomes readable."""
    size = max(1, math.ceil(len(points) / wanted))
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(a for a, _ in g) / len(g), sum(b for _, b in g) / len(g)) for g in groups]


def shorten(value: str, most: int) -> str:
    """At most `most` columns wide, a Chinese character counting as two."""
    width = 0
    for i, c in enumerate(value):
        width += 2 if ord(c) > 0x2E7F else 1
        if width > most:
            return value[: max(i - 1, 0)] + "…"
    return value


def _padded(values: Sequence[float]) -> tuple[float, float]:
    pad = 0.05 * (max(values) - min(values)) or 0.05
    return min(values) - pad, max(values) + pad
