#!/usr/bin/env python3
"""Runs the fuzzers, one after the other: run.py BUILD [--seconds 60] [--executions N] [--max-len 4096] [NAME ...].

BUILD is the folder of the preset `fuzz`. Each goes on from the corpus that it found before; the
number of executions over all runs is kept beside it and printed, and --executions is where that ends. Ends
with 1 at the first input that breaks a promise, which lies in BUILD/tests/fuzz/found.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

# A second for what may take 0.2 s: sanitizers make it several times slower. The choice of inputs by entropy
# and the stack of each allocation take more time than our readers.
OPTIONS = ["-timeout=5", "-rss_limit_mb=1024", "-entropic=0", "-print_final_stats=1"]
ENVIRONMENT = {"ASAN_OPTIONS": "malloc_context_size=2", **os.environ}


def run(build, name, seconds, most_executions, max_len):
    folder = build / "tests" / "fuzz"
    grown, found = folder / "grown" / name, folder / "found"
    grown.mkdir(parents=True, exist_ok=True)
    found.mkdir(exist_ok=True)
    total = folder / "grown" / f"{name}.executions"
    before = int(total.read_text()) if total.exists() else 0
    if before >= most_executions:
        print(f"{name}: {before} executions in all", flush=True)
        return True
    dictionary = pathlib.Path(__file__).with_name("dictionary.txt")
    result = subprocess.run(
        [build / "bin" / f"{name}_fuzzer", grown, folder / "corpus" / name, *OPTIONS]
        + [f"-max_total_time={seconds}", f"-runs={min(most_executions - before, 2**31 - 1)}", f"-max_len={max_len}"]
        + [f"-dict={dictionary}", f"-artifact_prefix={found}/{name}-"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        errors="replace",
    )
    executions = re.search(r"number_of_executed_units: *(\d+)", result.stderr)
    count = int(executions[1]) if executions else 0
    total.write_text(f"{before + count}\n")
    print(f"{name}: {count} executions, {before + count} in all", flush=True)
    if result.returncode != 0:
        print(result.stderr[-4000:])
    return result.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--executions", type=int, default=2**62, help="of each over all runs; the default is no end")
    parser.add_argument("--max-len", type=int, default=4096, help="bytes of the longest input; shorter ones run faster")
    arguments = parser.parse_intermixed_args()
    build = arguments.build.resolve()
    corpus = build / "tests" / "fuzz" / "corpus"
    names = arguments.names or sorted(each.name for each in corpus.iterdir() if each.is_dir())
    limits = (arguments.seconds, arguments.executions, arguments.max_len)
    sys.exit(0 if all([run(build, name, *limits) for name in names]) else 1)


if __name__ == "__main__":
    main()
