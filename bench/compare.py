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
import sys
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch

import linear
import plot
import report
from cases import CASES, ROOT, select
from contenders import ALLOCATOR, CONTENDERS, versions
from measure import Setup, measure
from process import end_on_sigterm, interrupted, log, processor
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


def main(argv: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = parse(argv)
    end_on_sigterm()
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
        return interrupted()
    if rows:
        print(linear.markdown(rows))
    write(options, found, rows, of)
    return 1 if any(result.failed for case in found for result in case.results) else 0


if __name__ == "__main__":
    sys.exit(main())
