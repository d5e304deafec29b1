"""The tables: plain text for the terminal, Markdown for docs/performance.md."""

from collections.abc import Sequence

from results import CaseResult, Result, flops_per_second

ABSENT = "–"
NOISY = 0.05  # of the machine taken by others, or of a core by a waiting worker


def text(found: CaseResult) -> str:
    """One case as a table of aligned columns, with its summary below."""
    rows = [_header(found), *(_row(found, result) for result in found.results)]
    widths = [max(len(row[i]) for row in rows if len(row) > 2) for i in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = [found.case.name, found.case.title]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        aligned = zip(row[1:], widths[1:], strict=False)
        cells += row[1:] if len(row) == 2 else [cell.rjust(width) for cell, width in aligned]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines + [f"  {line}" for line in _summary(found) + _warnings(found)])


def markdown(found: Sequence[CaseResult], facts: Sequence[str]) -> str:
    """The facts of the run, a table over all cases, and one for each case."""
    lines = [f"- {fact}" for fact in facts] + ["", *_overview(found)]
    for case in found:
        lines += ["", f"### {case.case.title}", ""]
        lines += _markdown_table([_header(case), *(_row(case, r) for r in case.results)])
        lines += ["", *(f"{line}  " for line in _summary(case) + _warnings(case))]
    return "\n".join(line.rstrip() if not line.endswith("  ") else line for line in lines) + "\n"


def _header(found: CaseResult) -> list[str]:
    return ["contender", "ms", f"/ {found.baseline}", "min–max", "of limit", "error", "peak MB", ""]


def _row(found: CaseResult, result: Result) -> list[str]:
    name = result.contender.name
    if not result.ok:
        return [name, result.status]
    ratio = found.ratio(result)
    share = found.share_of_limit(result)
    return [
        name,
        milliseconds(result),
        f"{ratio.median:.2f}" if ratio else ABSENT,
        f"{ratio.low:.2f}–{ratio.high:.2f}" if ratio else ABSENT,
        f"{share:.0%}" if share is not None else ABSENT,
        f"{result.error:.1e}",
        f"{result.peak_bytes / 1e6:.0f}",
        result.path,
    ]


def milliseconds(result: Result) -> str:
    """Three significant figures."""
    value = result.seconds * 1e3
    return f"{value:#.3g}".rstrip(".") if value < 999.5 else f"{value:.0f}"


def _summary(found: CaseResult) -> list[str]:
    lines = []
    peer = found.fastest_peer
    for ours in (result for result in found.results if result.ok and result.contender.ours):
        ratio = found.ratio(peer, ours.contender.name) if peer else None
        if ratio:
            lines.append(
                f"the fastest peer, {peer.contender.name}, takes {ratio.median:.2f} times "
                f"the time of {ours.contender.name} ({ratio.low:.2f}–{ratio.high:.2f})"
            )
    measured = [result for result in found.limits if result.ok]
    if measured:
        rates = (f"{r.contender.name} {flops_per_second(r) / 1e9:.0f}" for r in measured)
        lines.append(f"limit: the faster of {', '.join(rates)} GFLOP/s")
    return lines


def _warnings(found: CaseResult) -> list[str]:
    lines = []
    if found.foreign_load > NOISY:
        lines.append(f"disturbed: other processes took {found.foreign_load:.0%} of the machine")
    for result in found.results + found.limits:
        if result.idle_cpu > NOISY:
            lines.append(
                f"disturbing: {result.contender.name} took {result.idle_cpu:.0%} of a core "
                "while it waited"
            )
        if result.failed and result in found.limits:
            lines.append(f"{result.contender.name} {result.status}")
    return lines


def _overview(found: Sequence[CaseResult]) -> list[str]:
    names = [result.contender.name for result in found[0].results]
    header = ["ms", *names, f"fastest peer / {found[0].baseline}"]
    return _markdown_table([header, *(_overview_row(case) for case in found)])


def _overview_row(found: CaseResult) -> list[str]:
    peer = found.fastest_peer
    ratio = found.ratio(peer) if peer else None
    cells = []
    for result in found.results:
        cell = milliseconds(result) if result.ok else ABSENT
        cells.append(f"**{cell}**" if result is peer else cell)
    return [found.case.name, *cells, f"{ratio.median:.2f}" if ratio else ABSENT]


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    width = len(rows[0])
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.replace("|", "\\|") for cell in [*row, *[""] * (width - len(row))]]
        lines.append(f"| {' | '.join(cells)} |")
        if number == 0:
            lines.append(f"|---|{'---:|' * (width - 1)}")
    return lines
