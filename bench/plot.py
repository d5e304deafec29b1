"""The picture: a panel a case, a bar a contender, as multiples of the baseline's time."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from report import milliseconds
from results import CaseResult, Result

# Okabe and Ito's colours, which differ for colour-blind eyes and in grey; names are on the axis.
COLOURS = {"xattn": "#0072B2", "LibTorch": "#56B4E9", "PyTorch": "#E69F00", "runtime": "#009E73"}
COLUMNS = 2


def absence() -> str | None:
    """Why nothing can be drawn, None if it can."""
    return None if find_spec("matplotlib") else "matplotlib not installed"


def save(found: Sequence[CaseResult], path: Path) -> None:
    """Draws all cases; one in which the baseline was not measured, in milliseconds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(len(found), COLUMNS)
    rows = -(-len(found) // columns)
    bars = max(len(case.results) for case in found)
    size = (columns * 6.5, 0.4 + rows * (0.8 + 0.26 * bars))
    figure, axes = pyplot.subplots(rows, columns, figsize=size, squeeze=False)
    for axis, case in zip(axes.flat, found, strict=False):
        _draw_case(axis, case)
    for axis in axes.flat[len(found) :]:
        axis.axis("off")
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
    figure.legend(handles, COLOURS, loc="lower center", ncols=len(COLOURS), frameon=False)
    figure.tight_layout(rect=(0, 0.35 / size[1], 1, 1))
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _draw_case(axis, case: CaseResult) -> None:
    lengths = [_length(case, result) for result in case.results]
    colours = [COLOURS[result.contender.family] for result in case.results]
    bars = axis.barh([result.contender.name for result in case.results], lengths, color=colours)
    labels = [_label(case, result) for result in case.results]
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    axis.bar_label(bars, labels, padding=3, fontsize=8, bbox=behind)
    axis.invert_yaxis()
    axis.margins(x=0.22)
    axis.set_title(case.case.title, fontsize=9, loc="left")
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
    if case.find(case.baseline):
        axis.axvline(1, color="black", linewidth=0.8, linestyle=":", zorder=0)
        axis.set_xlabel(f"time / {case.baseline} (less is better)", fontsize=8)
    else:
        axis.set_xlabel("ms (less is better)", fontsize=8)


def _length(case: CaseResult, result: Result) -> float:
    if not result.ok:
        return 0.0
    ratio = case.ratio(result)
    return ratio.median if ratio else result.seconds * 1e3


def _label(case: CaseResult, result: Result) -> str:
    if not result.ok:
        return result.status.partition(":")[0]
    ratio = case.ratio(result)
    time = f"{milliseconds(result)} ms"
    return f"{ratio.median:.2f}×  {time}" if ratio else time
