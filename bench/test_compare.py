"""Tests of the driver with a fake C++ program: what it measures, and what it makes of failures."""

import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from pathlib import Path
from unittest import mock

import measure
import report
from cases import CASES, Case, select
from contenders import CONTENDERS, Contender
from results import CaseResult

SMALL = Case(16, 4, 2, 6, 5)

FAKE = f"""\
    #!{sys.executable}
    import json, sys, time
    from pathlib import Path

    _bench, _worker, name, _folder, folder, _threads, threads = sys.argv[1:]
    sys.path[:0] = [{str(measure.HERE)!r}]
    if name == "cpp-explicit":
        print("one\\nthe reason\\n", file=sys.stderr)
        sys.exit(3)
    from torch_peers import TorchForward

    forward = TorchForward("torch-sdpa", Path(folder), int(threads))
    passes = 0
    ready = {{"ready": True, "contender": name, "flops": 1000, "path": "fake"}}
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if "quit" in request:
            break
        if "run" in request:
            if name == "cpp-sdpa" and passes:
                print("no JSON", flush=True)
                continue
            passes += request["run"]
            times = [9.0] + [0.1 if name == "xattn" else 0.05] * (request["run"] - 1)
            answer = {{"seconds": times}}
        elif "output" in request:
            forward.save(Path(request["output"]))
            answer = {{}}
        else:
            answer = {{"peak_bytes": 7000000}}
        print(json.dumps(answer), flush=True)
"""


class FakeProgramTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.program = self.folder / "fake"
        self.program.write_text(textwrap.dedent(FAKE))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    def measure(self, *names: str) -> CaseResult:
        chosen = [contender for contender in CONTENDERS if contender.name in names]
        setup = measure.Setup(self.program, 1, 2, "xattn", chosen, self.folder, lambda _: None)
        with mock.patch.object(measure, "LIMITS", ()):
            return measure.measure(SMALL, setup)

    def test_figures(self) -> None:
        found = self.measure("xattn", "xattn-prepared", "torch-eager")
        ours, prepared, eager = found.results
        self.assertEqual([r.status for r in found.results], ["ok"] * 3)
        self.assertEqual((ours.rounds, ours.flops, ours.path), ([0.1, 0.1], 1000, "fake"))
        self.assertEqual((ours.peak_bytes, found.ratio(prepared).median), (7_000_000, 0.5))
        self.assertEqual(eager.flops, SMALL.explicit_flops)
        self.assertIs(found.fastest_peer, eager)
        for result in found.results:
            self.assertLess(result.error, 1e-6)
        self.assertIn("the fastest peer, torch-eager, takes", report.text(found))

    def test_failures_are_shown_and_the_others_go_on(self) -> None:
        found = self.measure("xattn", "cpp-explicit", "cpp-sdpa")
        self.assertEqual(
            [result.status for result in found.results],
            ["ok", "failed: the reason", "failed: not a line of JSON: b'no JSON\\n'"],
        )
        self.assertEqual(len(found.results[0].rounds), 2)
        self.assertIn("failed: the reason", report.text(found))
        self.assertIn("| failed: the reason |", report.markdown([found], ["a fact"]))

    def test_absence(self) -> None:
        self.assertRegex(CONTENDERS[0].absence(self.folder / "x"), "^not built: no .*/x$")
        contender = Contender("other", "runtime", "", ("torch", "absent_package"))
        self.assertEqual(contender.absence(self.program), "not installed: absent_package")

    def test_interrupted_workers_are_killed(self) -> None:
        command = [sys.executable, str(measure.HERE / "compare.py"), "--threads", "1",
                   "--cases", CASES[0].name, "--contenders", "xattn", "--rounds", "1000",
                   "--xattn", str(self.program)]  # fmt: skip
        driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while driver.poll() is None and not self.workers():
            time.sleep(0.1)
        _, stderr = self.interrupt(driver)
        self.assertEqual((driver.returncode, stderr[-13:]), (130, b"\ninterrupted\n"))
        self.assertNotIn(b"Traceback", stderr)
        # On a busy machine a process that was killed takes its time to go.
        for _ in range(100):
            if not self.workers():
                return
            time.sleep(0.1)
        self.fail(f"still running: {self.workers()}")

    def interrupt(self, driver: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
        """What a user does: once more, if an import swallowed the first."""
        for _ in range(10):
            driver.send_signal(signal.SIGINT)
            try:
                return driver.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                continue
        driver.kill()
        return driver.communicate()

    def workers(self) -> list[str]:
        """Command lines of processes that run the fake program."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{self.program}\0bench" in line:
                found.append(line)
        return found


class SelectTest(unittest.TestCase):
    def test_patterns(self) -> None:
        self.assertEqual(select(["ab", "ac", "b"], "b,a*"), ["ab", "ac", "b"])
        with self.assertRaisesRegex(ValueError, "'x' matches none of: a, b"):
            select(["a", "b"], "a,x")


class FlopsTest(unittest.TestCase):
    def test_explicit_algorithm(self) -> None:
        projections = 2 * 2 * (2 * 6 + 2 * 5) * 16 * 16
        self.assertEqual(SMALL.explicit_flops, projections + 2 * 2 * 2 * 6 * 5 * 16)


if __name__ == "__main__":
    unittest.main()
