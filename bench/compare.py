#!/usr/bin/env python3
"""Times cross attention in xattn and in its peers, side by side. README.md tells the method.

    python bench/compare.py [--threads N] [--rounds 7] [--cases 'E256*,unet*']
        [--contenders 'xattn*,onnxruntime'] [--baseline xattn] [--xattn build/release/bin/xattn]
        [--json FILE] [--markdown FILE] [--plot FILE.png]

Exit codes: 0 done, 1 a contender failed, 2 bad usage, 130 interrupted.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import linear
import plot
import report
from cases import CASES, ROOT, select
from contenders import ALLOCATOR, CONTENDERS, versions
from measure import Setup, measure
from results import CaseResult


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line, with cases and contenders chosen."""
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(
        description="Times cross attention in xattn and in its peers, side by side.",
        epilog=f"cases: {', '.join(case.name for case in CASES)}; contenders: {', '.join(names)}",
    )
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help="default: all cores")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cases", default="*", metavar="PATTERNS")
    parser.add_argument("--contenders", default="*", metavar="PATTERNS")
    parser.add_argument("--no-linear", action="store_true", help="leave out the linear layers")
    parser.add_argument("--baseline", default="xattn", choices=names, metavar="CONTENDER")
    parser.add_argument("--xattn", type=Path, default=ROOT / "build/release/bin/xattn")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    options = parser.parse_args(argv)
    if options.threads < 1 or options.rounds < 1:
        parser.error("--threads and --rounds are 1 or more")
    try:
        chosen = select([case.name for case in CASES], options.cases)
        options.cases = [case for case in CASES if case.name in chosen]
        chosen = select(names, options.contenders)
        options.contenders = [contender for contender in CONTENDERS if contender.name in chosen]
    except ValueError as error:
        parser.error(str(error))
    return options


def log(message: str) -> None:
    """Progress, on one line that the next one overwrites, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message}", end="", file=sys.stderr, flush=True)


def run(options: argparse.Namespace, scratch: Path) -> list[CaseResult]:
    """Measures the cases one after the other and prints each table as it is ready."""
    found = []
    for case in options.cases:
        setup = Setup(
            program=options.xattn,
            threads=options.threads,
            rounds=options.rounds,
            baseline=options.baseline,
            contenders=options.contenders,
            scratch=scratch,
            log=lambda message, case=case: log(f"{case.name}: {message}"),
        )
        found.append(measure(case, setup))
        log("")
        print(f"{report.text(found[-1])}\n", flush=True)
    return found


def processor() -> str:
    """The processor's name."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = (line.partition(":")[2].strip() for line in file if line.startswith("model name"))
        return next(names, platform.machine())


def conditions(options: argparse.Namespace) -> dict[str, Any]:
    """What must be the same for numbers to be compared."""
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": options.threads,
        "rounds": options.rounds,
        "baseline": options.baseline,
        "allocator": ALLOCATOR,
        "versions": versions(),
    }


def facts(of: dict[str, Any]) -> list[str]:
    """The conditions as lines for people."""
    shown = ("torch", "onnxruntime", "openvino")
    packages = [f"{name} {of['versions'][name]}" for name in shown if name in of["versions"]]
    return [
        f"{of['date']}, {of['processor']}, {of['processors']} processors, {of['system']}",
        f"{of['threads']} threads, float32, {of['rounds']} rounds, Python {of['python']}",
        ", ".join(packages),
    ]


def write(
    options: argparse.Namespace,
    found: list[CaseResult],
    linear_rows: list[dict[str, Any]],
    of: dict[str, Any],
) -> None:
    """The files that were asked for."""
    written = []
    if options.json:
        content = {**of, "cases": [case.to_json() for case in found], "linear": linear_rows}
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        written.append(str(options.json))
    if options.markdown:
        text = report.markdown(found, facts(of))
        if linear_rows:
            text += "\n" + linear.markdown(linear_rows)
        options.markdown.write_text(text, encoding="utf-8")
        written.append(str(options.markdown))
    if options.plot and not plot.absence():
        plot.save(found, options.plot)
        written.append(str(options.plot))
    if written:
        print(f"written: {', '.join(written)}")


def end(_signal: int, _frame: FrameType | None) -> None:
    """SIGTERM ends as Ctrl-C does: the workers are killed on the way out."""
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = parse(argv)
    signal.signal(signal.SIGTERM, end)
    torch.set_num_threads(options.threads)
    of = conditions(options)
    print("\n".join(facts(of)), end="\n\n", flush=True)
    if options.plot and plot.absence():
        print(f"no picture: {plot.absence()}\n", flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="xattn-compare-") as scratch:
            found = run(options, Path(scratch))
        rows = [] if options.no_linear else linear.measure(
            options.xattn, options.threads, options.rounds
        )
    except KeyboardInterrupt:
        # Once is enough: one more would be a traceback while Python ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\ninterrupted", file=sys.stderr)
        return 130
    if rows:
        print(linear.markdown(rows))
    write(options, found, rows, of)
    return 1 if any(result.failed for case in found for result in case.results) else 0


if __name__ == "__main__":
    sys.exit(main())
