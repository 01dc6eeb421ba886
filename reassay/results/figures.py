"""Figures of results: an estimand over its seeds, and a curve with its spread.

Decides how they look: colours that the colour-blind tell apart, a legend below the axes so
that it covers nothing, ticks that do not touch. Draws with matplotlib's own canvas, no display
and no global state; the same values give the same picture. Knows nothing of the ledger.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db.errors import ExtraMissing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f5fa8",
)  # fmt: skip
MARKERS = "osD^vPX*"
INK, SOFT, REGION = "#222222", "#8a8a8a", "#dcebdd"
SIZE_IN, DPI = (7.2, 4.4), 150
TICK_GAP = 0.055  # of the axis: two ticks that are nearer would touch
LEGEND_COLUMNS = 3
LEGEND_CHARACTERS = 104  # in one row of the legend
ROW_IN = 0.22  # height of one row of the legend


@dataclass(frozen=True)
class EstimandFigure:
    """An estimand over the number of seeds."""

    title: str
    unit: str
    values: tuple[float, ...]  # one a seed
    counts: tuple[int, ...]  # seeds at which the interval was read
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    region: tuple[float | None, float | None]
    margin: float
    bounds: tuple[float, float] | None
    alpha: float


@dataclass(frozen=True)
class Point:
    """A mean over seeds with the smallest and the largest seed."""

    x: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class CurveFigure:
    """Series of points, each with its label."""

    title: str
    x_label: str
    y_label: str
    series: tuple[tuple[str, tuple[Point, ...]], ...]
    is_log_x: bool
    seeds: int


def check_plots() -> None:
    """Say so now, in one line, where figures cannot be drawn.

    Raises:
        ExtraMissing: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            "figures need matplotlib, which is not installed: pip install 'reassay[plots]', "
            "or leave them out with --no-figures"
        ) from error


def draw_estimand(figure: EstimandFigure) -> bytes:
    """Each seed, the interval over the number of seeds, the claim region and its margin."""
    from matplotlib.ticker import MaxNLocator

    canvas, axes = _open(figure.title)
    bottom, top = find_limits(figure)
    _shade_region(axes, figure, bottom, top)
    seeds = range(1, len(figure.values) + 1)
    far = 10 * (top - bottom)  # beyond the axes, where a bound is infinite
    lows = [max(low, bottom - far) for low in figure.lows]
    highs = [min(high, top + far) for high in figure.highs]
    axes.fill_between(
        figure.counts, lows, highs, color=COLOURS[0], alpha=0.22, linewidth=0, zorder=2,
        label=f"interval, valid at any time, α = {figure.alpha:g} an end",
    )  # fmt: skip
    axes.plot(figure.counts, lows, color=COLOURS[0], linewidth=1.3, zorder=3)
    axes.plot(figure.counts, highs, color=COLOURS[0], linewidth=1.3, zorder=3)
    axes.plot(
        list(seeds), figure.values, linestyle="none", marker="o", color=INK, zorder=4,
        markersize=4.5 if len(figure.values) <= 60 else 2.5, label="one seed", alpha=0.85,
        clip_on=False,
    )  # fmt: skip
    axes.set_ylim(bottom, top)
    most = len(figure.values)
    axes.set_xlim(0.5 if most > 1 else 0.0, most + max(0.5, most * 0.02))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("seeds")
    axes.set_ylabel(_wrap(figure.unit, 34))
    return _close(canvas, axes)


def draw_curve(figure: CurveFigure) -> bytes:
    """Means over seeds with a band from the smallest to the largest seed."""
    canvas, axes = _open(figure.title)
    shade = 0.15 if len(figure.series) <= 4 else 0.06
    for number, (label, points) in enumerate(figure.series):
        colour = COLOURS[number % len(COLOURS)]
        xs = [point.x for point in points]
        axes.fill_between(
            xs, [p.low for p in points], [p.high for p in points], color=colour, alpha=shade,
            linewidth=0, zorder=2,
        )  # fmt: skip
        for point in points:  # a band of one point has no width
            axes.plot([point.x] * 2, [point.low, point.high], color=colour, alpha=0.5, zorder=3)
        axes.plot(
            xs, [p.mean for p in points], color=colour, marker=MARKERS[number % len(MARKERS)],
            markersize=5, linewidth=1.6, label=_wrap(label, 40), zorder=4,
            linestyle="-" if number < len(COLOURS) else "--",
        )  # fmt: skip
    _set_ticks(axes, sorted({p.x for _, points in figure.series for p in points}), figure.is_log_x)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(_wrap(figure.y_label, 34))
    seeds = f"{figure.seeds} seed{'' if figure.seeds == 1 else 's'}"
    axes.text(
        1.0, 1.015, f"mean of {seeds}, band: smallest to largest", transform=axes.transAxes,
        ha="right", va="bottom", fontsize=7.5, color=SOFT,
    )  # fmt: skip
    return _close(canvas, axes)


def find_limits(figure: EstimandFigure) -> tuple[float, float]:
    """The range of the y axis: seeds, region, margin and the last interval, with some room."""
    low, high = figure.region
    marks = [*figure.values, *figure.lows[-1:], *figure.highs[-1:]]
    if low is not None:
        marks += [low, low - figure.margin]
    if high is not None:
        marks += [high, high + figure.margin]
    finite = [mark for mark in marks if math.isfinite(mark)]
    bottom, top = min(finite), max(finite)
    room = 0.12 * (top - bottom) or 0.1 * (abs(top) or 1.0)
    if figure.bounds is None:
        return bottom - room, top + room
    least, most = figure.bounds  # no seed lies beyond them: a sliver keeps its mark whole
    return max(bottom - room, least - room / 3), min(top + room, most + room / 3)


def choose_ticks(values: Sequence[float], is_log: bool) -> list[float]:
    """The values that can carry a tick without touching the one before."""
    if not values:
        return []
    places = [math.log(v) if is_log and v > 0 else v for v in values]
    span = (places[-1] - places[0]) or 1.0
    chosen = [0]
    for number in range(1, len(values)):
        if (places[number] - places[chosen[-1]]) / span >= TICK_GAP:
            chosen.append(number)
    if chosen[-1] != len(values) - 1 and len(chosen) > 1:
        chosen[-1] = len(values) - 1  # the ends are always named
    return [values[number] for number in chosen]


def _open(title: str) -> tuple[Any, "Axes"]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white", layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    figure.suptitle(_wrap(title, 78), fontsize=11, color=INK, x=0.01, ha="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(SOFT)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7, zorder=0)
    axes.tick_params(colors=INK, labelsize=9)
    return canvas, axes


def _close(canvas: Any, axes: "Axes") -> bytes:
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        columns = _count_columns(labels)
        canvas.figure.legend(
            handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5,
            frameon=False, handlelength=1.8, columnspacing=1.4,
        )  # fmt: skip
        rows = -(-len(labels) // columns)
        canvas.figure.set_size_inches(SIZE_IN[0], SIZE_IN[1] + ROW_IN * max(rows - 1, 0))
    picture = io.BytesIO()
    canvas.figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _count_columns(labels: Sequence[str]) -> int:
    """As many as fit beside each other, by the longest line of a label."""
    longest = max(len(line) for label in labels for line in label.splitlines()) + 6
    return max(1, min(LEGEND_COLUMNS, len(labels), LEGEND_CHARACTERS // longest))


def _shade_region(axes: "Axes", figure: EstimandFigure, bottom: float, top: float) -> None:
    low, high = figure.region
    least, most = figure.bounds or (bottom, top)
    axes.axhspan(
        max(bottom, least) if low is None else low, min(top, most) if high is None else high,
        color=REGION, linewidth=0, zorder=1, label="the claim's region",
    )  # fmt: skip
    ends = [end for end in (low, high) if end is not None]
    beyond = [low - figure.margin] if low is not None else []
    beyond += [high + figure.margin] if high is not None else []
    for end in ends:
        axes.axhline(end, color="#5f9e66", linewidth=1.0, zorder=1.5)
    for number, end in enumerate(beyond):
        label = "beyond the margin: shifted" if number == 0 else None
        axes.axhline(
            end, color=COLOURS[1], linewidth=1.1, linestyle=(0, (5, 3)), zorder=2.5, label=label
        )


def _set_ticks(axes: "Axes", values: list[float], is_log: bool) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    if is_log and values and values[0] > 0:
        axes.set_xscale("log")
    ticks = choose_ticks(values, is_log)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([_write_tick(tick) for tick in ticks])


def _write_tick(value: float) -> str:
    """``0.16``, ``64``, ``10 M``."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= 10 * size or (abs(value) >= size and value % size == 0):
            return f"{value / size:.3g}{unit}"
    return f"{value:g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _wrap(text: str, width: int) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width)) or text
