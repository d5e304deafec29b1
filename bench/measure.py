"""Measures one case: starts the workers, checks their results, and times them in rounds."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from torch import Tensor

from cases import Case
from contenders import HERE, LIMITS, Contender, environment
from process import busy_seconds
from results import CaseResult, Result
from worker import Worker, WorkerError
from xattn_export import load_safetensors

PAUSE = 0.1  # seconds between contenders: by then the threads of the last one are asleep
FILL = 0.3  # seconds of timed passes in a round
MAX_PASSES = 1000


@dataclass(frozen=True)
class Setup:
    """What is the same for all cases of a run; `log` shows progress."""

    program: Path
    threads: int
    rounds: int
    baseline: str
    contenders: Sequence[Contender]
    scratch: Path
    log: Callable[[str], None]


class Contestant:
    """A contender's worker, its result so far, and the processor time it takes while it waits."""

    def __init__(self, result: Result, worker: Worker) -> None:
        self.result = result
        self.worker = worker
        self._passes = 0
        self._rest_since: tuple[float, float] | None = None
        self._rest = self._rest_cpu = 0.0

    def get_ready(self, case: Case) -> None:
        """Waits until the case is loaded."""
        ready = self.worker.wait_ready()
        self.result.flops = int(ready.get("flops", case.explicit_flops))
        self.result.path = str(ready.get("path", ""))

    def check(self, path: Path, reference: Tensor) -> None:
        """Notes the largest error over the largest value of the fp64 reference."""
        self.worker.write_output(path)
        output = load_safetensors(path)[0]["output"]
        path.unlink()
        if output.shape != reference.shape:
            raise WorkerError(
                f"output has shape {list(output.shape)}, expected {list(reference.shape)}"
            )
        error = (output.double() - reference).abs().max() / reference.abs().max()
        self.result.error = error.item()

    def calibrate(self) -> None:
        """Finds how many passes fill a round."""
        fastest = min(self.worker.run(3)[1:])
        self._passes = min(MAX_PASSES, math.ceil(FILL / fastest))

    def turn(self) -> float:
        """One round, its first pass thrown away; the processor time it took."""
        before = self.worker.cpu_seconds()
        if self._rest_since is not None:
            self._rest += time.monotonic() - self._rest_since[0]
            self._rest_cpu += before - self._rest_since[1]
            self.result.idle_cpu = self._rest_cpu / self._rest
        self.result.rounds.append(median(self.worker.run(1 + self._passes)[1:]))
        time.sleep(PAUSE)
        after = self.worker.cpu_seconds()
        self._rest_since = (time.monotonic(), after)
        return after - before


def measure(case: Case, setup: Setup) -> CaseResult:
    """Measures every contender that is here; the others are in the result with the reason."""
    folder = setup.scratch / case.name
    folder.mkdir()
    case.write(folder)
    results = [Result(contender) for contender in setup.contenders]
    limits = [Result(contender) for contender in LIMITS]
    for result in results + limits:
        result.status = result.contender.absence(setup.program) or result.status
    _export_onnx([r for r in results if r.ok and r.contender.onnx], folder, setup)
    found = CaseResult(case, setup.baseline, results, limits)
    with ExitStack() as stack:
        started = [_start(r, folder, setup, stack) for r in limits + results if r.ok]
        _prepare(started, found, folder, setup)
        found.foreign_load = _run_rounds(started, setup)
        for contestant in started:
            _guard(contestant, lambda c: setattr(c.result, "peak_bytes", c.worker.peak_bytes()))
    return found


def _export_onnx(results: Sequence[Result], folder: Path, setup: Setup) -> None:
    if not results:
        return
    setup.log("exporting to ONNX")
    done = subprocess.run(
        [sys.executable, str(HERE / "export_onnx.py"), str(folder)],
        env=environment(setup.threads, setup.scratch),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip() or "torch.onnx.export ended without a message"
        for result in results:
            result.status = f"failed: {said.splitlines()[-1]}"


def _start(result: Result, folder: Path, setup: Setup, stack: ExitStack) -> Contestant:
    command = result.contender.command(setup.program, folder, setup.threads)
    worker = Worker(command, environment(setup.threads, setup.scratch))
    stack.push(lambda error, *_: worker.kill() if error else worker.close())
    return Contestant(result, worker)


def _prepare(started: Sequence[Contestant], found: CaseResult, folder: Path, setup: Setup) -> None:
    for contestant in started:
        setup.log(f"loading {contestant.result.contender.name}")
        _guard(contestant, lambda c: c.get_ready(found.case))
    setup.log("checking the results")
    reference = found.case.reference()
    path = folder / "output.safetensors"
    for contestant in started:
        if contestant.result in found.results:
            _guard(contestant, lambda c: c.check(path, reference))
    for contestant in started:
        _guard(contestant, Contestant.calibrate)


def _run_rounds(started: Sequence[Contestant], setup: Setup) -> float:
    """A B C … A B C …; the share of the machine that other processes took meanwhile."""
    cpu: list[float] = []
    since, busy = time.monotonic(), busy_seconds()
    time.sleep(PAUSE)
    for number in range(1, setup.rounds + 1):
        setup.log(f"round {number} of {setup.rounds}")
        for contestant in started:
            _guard(contestant, lambda c: cpu.append(c.turn()))
    capacity = (time.monotonic() - since) * os.cpu_count()
    return max(0.0, (busy_seconds() - busy - sum(cpu)) / capacity)


def _guard(contestant: Contestant, step: Callable[[Contestant], None]) -> None:
    """Takes the step; a contestant that fails is out, and the others go on."""
    if not contestant.result.ok:
        return
    try:
        step(contestant)
    except (WorkerError, OSError, ValueError, KeyError) as error:
        contestant.result.status = f"failed: {' '.join(str(error).split())}"
        contestant.worker.close()
