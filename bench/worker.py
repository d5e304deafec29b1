"""A worker process, and the line protocol it obeys: JSON lines on stdin and stdout."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

from process import TICKS

START_TIMEOUT = 900.0  # seconds; torch.compile on a slow machine
ANSWER_TIMEOUT = 300.0
QUIT_TIMEOUT = 5.0


class WorkerError(Exception):
    """The worker ended, answered nonsense, or did not answer in time."""


class Worker:
    """A contender's process; it waits blocked on stdin whenever it is not asked."""

    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self._stderr = tempfile.TemporaryFile()
        # A session of its own: Ctrl-C reaches the driver alone, which then ends the whole group.
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )

    def wait_ready(self) -> dict[str, Any]:
        """The worker's first line: {"ready": true, …}."""
        answer = self._read(START_TIMEOUT)
        if answer.get("ready") is not True:
            raise WorkerError(f"the first line is not 'ready' but {json.dumps(answer)}")
        return answer

    def run(self, passes: int) -> list[float]:
        """The seconds of each of `passes` forward passes."""
        seconds = self._ask({"run": passes}).get("seconds")
        if not isinstance(seconds, list) or len(seconds) != passes or min(seconds) <= 0:
            raise WorkerError(f"asked for the times of {passes} passes, got {seconds}")
        return seconds

    def write_output(self, path: os.PathLike) -> None:
        """Has the result written as tensor `output` of a safetensors file."""
        self._ask({"output": os.fspath(path)})

    def peak_bytes(self) -> int:
        """The largest resident size since the process began (VmHWM)."""
        return int(self._ask({"memory": True})["peak_bytes"])

    def cpu_seconds(self) -> float:
        """Processor time that all its threads have used so far."""
        with open(f"/proc/{self._process.pid}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def close(self) -> None:
        """Asks the worker to end, and kills what is left of its process group."""
        if self._process.poll() is None:
            with contextlib.suppress(WorkerError, subprocess.TimeoutExpired):
                self._send({"quit": True})
                self._process.wait(QUIT_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """Ends the process group at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        self._send(request)
        return self._read(ANSWER_TIMEOUT)

    def _send(self, request: dict[str, Any]) -> None:
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._last_words()) from None

    def _read(self, timeout: float) -> dict[str, Any]:
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            os.killpg(self._process.pid, signal.SIGKILL)

        timer = threading.Timer(timeout, expire)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if expired.is_set():
            raise WorkerError(f"no answer in {timeout:.0f} s")
        if not line:
            raise WorkerError(self._last_words())
        return _parse(line)

    def _last_words(self) -> str:
        code = self._process.wait()
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1] if said else f"ended with exit status {code} and no message"


def _parse(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        raise WorkerError(f"not a line of JSON: {line[:200]!r}") from None
    if not isinstance(answer, dict):
        raise WorkerError(f"not a JSON object: {line[:200]!r}")
    if "error" in answer:
        raise WorkerError(str(answer["error"]))
    return answer
