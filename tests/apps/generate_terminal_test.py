"""xattn generate on a terminal and under signals: the bar, pictures as half blocks, colours, Ctrl-C."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate_test import BIN, PROMPT, GenerateTest, have_pipelines, pixels  # noqa: E402
from programs_test import ProgramTest  # noqa: E402

ENVIRONMENT = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
ENVIRONMENT.pop("NO_COLOR", None)
MANY = 1000  # steps, of some milliseconds each


def on_terminal(words: list[str], columns: int, rows: int, **environment: str) -> tuple[int, str]:
    """Runs a program on a terminal of that size: its exit code, and all that it wrote there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env={**ENVIRONMENT, **environment}) as run:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # so Linux says that the other side is closed
            while part := os.read(ours, 65536):
                written += part
    os.close(ours)
    return run.returncode, written.decode().replace("\r\n", "\n")


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


class TerminalTest(GenerateTest):
    def terminal(self, *more: object, columns: int = 80, rows: int = 24, **environment: str) -> tuple[int, str]:
        words = self.words("--prompt", PROMPT, "--steps", 3, "--seed", 1, "--force", *more)
        return on_terminal([str(BIN / "xattn"), *map(str, words[1:])], columns, rows, **environment)


@unittest.skipUnless(have_pipelines(), "no golden data: they are made by a Python with diffusers")
class Terminal(TerminalTest):
    def test_a_bar_and_a_summary(self) -> None:
        code, written = self.terminal("--num-images", 2)
        self.assertEqual(code, 0, written)
        plain = without_colours(written)
        self.assertIn("loading sd2…", plain)
        for picture in (1, 2):
            for step in (1, 2, 3):
                line = rf"picture {picture} of 2  [━─]+  {step}/3  \d+\.\d\d (it/s|s/it)  0:\d\d left"
                self.assertRegex(plain, line)
        # What is left on the screen: each line from its last return on, less what was cleared.
        screen = [line.split("\r")[-1].replace("\x1b[K", "") for line in plain.split("\n")]
        stem = str(self.out).removesuffix(".png")
        self.assertEqual(screen[:2], [f"{stem}-0001.png: 64×64, seed 1", f"{stem}-0002.png: 64×64, seed 2"])
        self.assertRegex(screen[2], r"^\d+\.\d+ s in all: load .* s, text .* s, denoise .* s, decode .* s, save .* s$")
        self.assertRegex(screen[3], r"^3 steps a picture, .* s each; at most .* [MG]B of memory$")
        self.assertEqual(screen[4:], [""])

    def test_a_warning_has_a_line_of_its_own(self) -> None:
        code, written = self.terminal("--guidance-scale", 1, "--negative-prompt", "dark")
        self.assertEqual(code, 0, written)
        screen = [line.split("\r")[-1].replace("\x1b[K", "") for line in without_colours(written).split("\n")]
        self.assertEqual(screen[0], "xattn: warning: --negative-prompt has no effect without guidance (--guidance-scale 1)")

    def test_lines_are_no_longer_than_the_terminal(self) -> None:
        for columns in (20, 35, 50, 200):
            code, written = self.terminal(columns=columns)
            self.assertEqual(code, 0, written)
            steps = [part for part in without_colours(written).split("\r\x1b[K") if "/3" in part]
            self.assertGreaterEqual(len(steps), 3)
            self.assertTrue(all(len(step) < columns for step in steps), steps)

    def test_no_colours_where_they_are_not_wanted(self) -> None:
        self.assertIn("\x1b[36m", self.terminal()[1])
        self.assertNotRegex(self.terminal(NO_COLOR="1")[1], r"\x1b\[[0-9;]+m")
        code, written = self.terminal(TERM="dumb")
        self.assertNotIn("\x1b", written)
        self.assertIn("step 3 of 3, ", written)
        self.assertIn("##", without_colours(self.terminal(LC_ALL="C")[1]))

    def test_nothing_where_it_is_to_be_quiet(self) -> None:
        self.assertEqual(self.terminal("--quiet"), (0, ""))
        code, written = self.terminal("--quiet", "--show")
        self.assertEqual(code, 0, written)
        self.assertTrue(set(without_colours(written)) <= {"▀", "\n"}, written)

    def test_a_picture_in_half_blocks(self) -> None:
        """On a terminal that is larger than the picture, each of its pixels is there."""
        code, written = self.terminal("--show", "--quiet", columns=100, rows=50)
        self.assertEqual(code, 0, written)
        cell = r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀"
        rows = [re.findall(cell, line) for line in written.split("\n")[:-1]]
        expected = pixels(self.out)
        self.assertEqual([len(row) for row in rows], [64] * 32)
        for y, row in enumerate(rows):
            for x, values in enumerate(row):
                numbers = [int(value) for value in values]
                self.assertEqual(numbers, [*expected[2 * y, x].tolist(), *expected[2 * y + 1, x].tolist()])

    def test_a_picture_fits_the_terminal(self) -> None:
        for columns, rows, shown in ((40, 50, (40, 20)), (100, 11, (20, 10)), (1, 1, (1, 1))):
            _, written = self.terminal("--show", "--quiet", columns=columns, rows=rows)
            lines = without_colours(written).split("\n")[:-1]
            self.assertEqual((len(lines[0]), len(lines)), shown)

    def test_a_terminal_without_colours_is_no_place_for_pictures(self) -> None:
        for environment in ({"COLORTERM": ""}, {"COLORTERM": "16"}, {"LC_ALL": "C"}, {"TERM": "dumb"}):
            code, written = self.terminal("--show", **environment)
            self.assertEqual(code, 2)
            self.assertRegex(written, r"^xattn: --show: expected a terminal of 24-bit colours and UTF-8, .*\n$")


@unittest.skipUnless(have_pipelines(), "no golden data: they are made by a Python with diffusers")
class Signals(GenerateTest):
    def start(self, *more: object) -> subprocess.Popen[str]:
        words = self.words("--prompt", PROMPT, "--steps", MANY, *more)
        command = [str(BIN / "xattn"), *map(str, words[1:])]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_a_run_ends_within_a_step(self) -> None:
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            with self.subTest(signal=number), self.start("--save-latents", self.folder / "l.safetensors") as run:
                self.assertRegex(run.stderr.readline(), f"^step 1 of {MANY}, ")
                run.send_signal(number)
                out, errors = run.communicate(timeout=60)
                self.assertEqual(run.returncode, code, errors)
                self.assertEqual(out, "")
                self.assertRegex(errors.splitlines()[-1], rf"^xattn: stopped after \d+ of {MANY} steps$")
                self.assertLess(int(re.findall(r"stopped after (\d+)", errors)[0]), MANY)
                self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_run_may_end_at_any_time(self) -> None:
        codes = set()
        for moment in range(12):
            with self.start() as run:
                time.sleep(0.1 * moment)
                run.send_signal(signal.SIGINT)
                _, errors = run.communicate(timeout=60)
            codes.add(run.returncode)
            if run.returncode == -signal.SIGINT:  # nothing was begun
                self.assertEqual(errors, "")
            else:
                self.assertEqual(run.returncode, 130)
                end = errors.splitlines()[-1]
                self.assertRegex(end, r"^xattn: stopped (after \d+ of 1000 steps|before the first step)$")
            self.assertEqual(list(self.folder.iterdir()), [])
        self.assertIn(130, codes)

    def test_pictures_that_are_done_stay(self) -> None:
        with self.start("--num-images", 2) as run:
            self.assertIn("seed", run.stdout.readline())
            run.send_signal(signal.SIGINT)
            _, errors = run.communicate(timeout=60)
        self.assertEqual(run.returncode, 130, errors)
        self.assertRegex(errors.splitlines()[-1], r"^xattn: stopped (after \d+ of 1000 steps|before the first step) of picture 2 of 2$")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["out-0001.png"])
        self.assertEqual(pixels(self.folder / "out-0001.png").shape, (64, 64, 3))

    def test_a_preview_is_there_while_the_run_is(self) -> None:
        preview = self.folder / "out.preview.png"
        with self.start("--preview-every", 5) as run:
            end = time.monotonic() + 60
            while not preview.exists() and time.monotonic() < end:
                time.sleep(0.01)
            self.assertEqual(pixels(preview).shape, (8, 8, 3))
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
        self.assertEqual(run.returncode, 130)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.generate("--preview-every", 1)
        self.assertEqual(list(self.folder.iterdir()), [self.out])

    def test_a_signal_that_is_switched_off_stays_so(self) -> None:
        words = self.words("--prompt", PROMPT, "--steps", 200)
        command = [str(BIN / "xattn"), *map(str, words[1:])]

        def switch_off() -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, **pipes, text=True, preexec_fn=switch_off) as run:
            self.assertRegex(run.stderr.readline(), "^step 1 of 200, ")
            run.send_signal(signal.SIGINT)
            run.communicate(timeout=60)
        self.assertEqual(run.returncode, 0)
        self.assertTrue(self.out.exists())


# The discovery runs the other files' own tests by themselves.
del ProgramTest, GenerateTest, TerminalTest

if __name__ == "__main__":
    unittest.main()
