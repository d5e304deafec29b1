"""Tests of unet.py: the whole of it with a tiny model, with a fake `xattn` and, where there is one, ours."""

import contextlib
import dataclasses
import io
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import unet
import unet_contenders
from unet import Found, Turn
from unet_contenders import PEERS, Conditions, choose
from unet_models import Case

HERE = Path(__file__).resolve().parent
TINY = ("--model", "tiny", "--size", "8", "--rounds", "1", "--threads", "1", "--kernels", "")
TINY_CONDITIONS = Conditions(Path("xattn"), Case(Path("/folder"), "tiny", 1, 8), 1)

# It hands over what diffusers computed, times FAKE_SCALE, and says how long that took.
FAKE = f"""\
    #!{sys.executable}
    import json, os, sys, time
    from pathlib import Path
    from safetensors.numpy import load_file, save_file

    arguments = sys.argv[1:]
    option = lambda name: arguments[arguments.index(name) + 1]
    time.sleep(float(os.environ.get("FAKE_SLEEP", "0")))
    expected = load_file(Path(option("--input")).parent / "expected.safetensors")
    save_file({{key: value * float(os.environ.get("FAKE_SCALE", "1")) for key, value in expected.items()}}, option("--output"))
    print(json.dumps({{"method": option("--method"), "seconds": [0.003, 0.002, 0.001][: int(option("--repeat"))]}}))
"""


def turns(*seconds: float, start: float = 1.0, peak: int = 1 << 30, difference: float = 0.0) -> list[Turn]:
    return [Turn(each, start, peak, difference) for each in seconds]


class TableTest(unittest.TestCase):
    def test_tells_medians_and_ratios_within_a_round(self) -> None:
        found = Found({"xattn": turns(1, 4, 2), "other": turns(3, 4, 4, start=7, peak=3 << 30, difference=2e-6), "broken": turns(1)})
        found.absent["openvino"] = "not installed: openvino"
        found.failed["broken"] = "Traceback\nno memory"
        rows = [line.split() for line in unet.table(found, "xattn").splitlines()[1:]]
        self.assertEqual(rows[0], ["xattn", "2.00", "1.00", "1.00", "1.00", "0.0e+00"])
        self.assertEqual(rows[1], ["other", "4.00", "2.00", "7.00", "3.00", "2.0e-06"])
        self.assertEqual(rows[2], ["openvino", "not", "installed:", "openvino"])
        self.assertEqual(rows[3:], [["broken", "failed:", "no", "memory"]])

    def test_tells_what_the_fastest_peer_takes(self) -> None:
        chosen = choose(["xattn", "diffusers", "openvino"], [""])
        found = Found({"xattn": turns(1, 4), "diffusers": turns(3, 9), "openvino": turns(2, 4)})
        self.assertIn("the fastest peer, openvino, takes 1.50 times xattn (1.00–2.00)\n", unet.notes(chosen, TINY_CONDITIONS, found))
        found.failed["openvino"] = "no memory"
        self.assertIn("the fastest peer, diffusers, takes 2.62 times", unet.notes(chosen, TINY_CONDITIONS, found))
        found.failed["xattn"] = "differs"
        self.assertNotIn("fastest", unet.notes(chosen, TINY_CONDITIONS, found))

    def test_a_prepared_text_has_its_own_verdict(self) -> None:
        chosen = choose(["xattn", "xattn-prepared", "diffusers"], [""])
        found = Found({"xattn": turns(2), "xattn-prepared": turns(1), "diffusers": turns(3)})
        notes = unet.notes(chosen, TINY_CONDITIONS, found)
        self.assertIn("diffusers, takes 1.50 times xattn (", notes)
        self.assertIn("diffusers, takes 3.00 times xattn-prepared (", notes)
        prepared = chosen[1]
        self.assertIn("forward_prepared", prepared.command(TINY_CONDITIONS, 3, Path("out")))
        decoder = dataclasses.replace(TINY_CONDITIONS, case=Case(Path("/folder"), "tiny-vae", 1, 8))
        self.assertIn("takes no text", prepared.absence(decoder))

    def test_says_that_something_disturbed_it(self) -> None:
        self.assertNotIn("disturbed", unet.notes(PEERS, TINY_CONDITIONS, Found(foreign_load=0.04)))
        self.assertIn("took 20% of the machine", unet.notes(PEERS, TINY_CONDITIONS, Found(foreign_load=0.2)))


class UsageTest(unittest.TestCase):
    def test_refuses_bad_usage(self) -> None:
        bad = (["--size", "60"], ["--rounds", "0"], ["--contenders", "nobody"], ["--kernels", "sse"], ["--model", "sd3"],
               ["--isa", "sse"], ["--isa", "avx2", "--kernels", "avx512"])  # fmt: skip
        for wrong in bad:
            with self.subTest(wrong), mock.patch("sys.stderr"), self.assertRaises(SystemExit) as stopped:
                unet.main(wrong)
            self.assertEqual(stopped.exception.code, 2)

    def test_says_who_is_absent(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = unet.main([*TINY, "--contenders", "xattn", "--xattn", "/nonexistent/xattn"])
        self.assertEqual((status, err.getvalue()), (1, "unet.py: nobody to measure\n"))
        self.assertIn("not built: no /nonexistent/xattn", out.getvalue())


class HeldTest(unittest.TestCase):
    def setUp(self) -> None:
        self.conditions = dataclasses.replace(TINY_CONDITIONS, isa="avx2")

    def test_all_are_told(self) -> None:
        ours, torch_kernels = choose(["xattn"], ["", "torch"])
        self.assertEqual(ours.environment(self.conditions)["XATTN_CPU_KERNELS"], "avx2")
        self.assertEqual(torch_kernels.environment(self.conditions)["XATTN_CPU_KERNELS"], "torch")
        self.assertEqual(PEERS[0].environment(self.conditions)["ATEN_CPU_CAPABILITY"], "avx2")
        self.assertNotIn("ATEN_CPU_CAPABILITY", TINY_CONDITIONS.environment())

    def test_who_cannot_be_held_is_left_out_where_there_is_more(self) -> None:
        runtime = next(peer for peer in PEERS if peer.name == "onnxruntime")
        with mock.patch.object(unet_contenders, "not_installed", return_value=None):
            with mock.patch.object(unet_contenders, "has_avx512", return_value=True):
                self.assertRegex(runtime.absence(self.conditions), "^left out: ")
                unheld = dataclasses.replace(self.conditions, unheld=True)
                self.assertIsNone(runtime.absence(unheld))
                self.assertIn("onnxruntime is not held: ", unet.notes([runtime], unheld, Found({runtime.name: turns(1)})))
            with mock.patch.object(unet_contenders, "has_avx512", return_value=False):
                self.assertIsNone(runtime.absence(self.conditions))


@unittest.skipUnless(find_spec("diffusers"), "diffusers is missing")
class DriverTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = Path(temporary.name)
        cls.program = cls.folder / "fake"
        cls.program.write_text(textwrap.dedent(FAKE))
        cls.program.chmod(cls.program.stat().st_mode | stat.S_IXUSR)

    def command(self, *arguments: str) -> list[str]:
        made = ("--folder", str(self.folder / "models"), "--xattn", str(self.program))
        return [sys.executable, str(HERE / "unet.py"), *TINY, *made, *arguments]

    def run_driver(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )

    def test_everybody_who_is_here(self) -> None:
        names = ["xattn", "diffusers", "diffusers-tuned", "onnxruntime", "openvino"]  # compiling takes a minute
        program = os.environ.get("XATTN_PROGRAM", str(self.program))
        for model in ("tiny-xl", "tiny-vae"):
            with self.subTest(model):
                file = self.folder / "found.json"
                ran = self.run_driver("--model", model, "--contenders", ",".join(names), "--json", str(file), "--xattn", program)
                self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran.stdout)
                found = json.loads(file.read_text())
                here = [name for name in names if name not in found["absent"]]
                self.assertLessEqual({"xattn", "diffusers", "diffusers-tuned"}, set(here))
                self.assertEqual((list(found["turns"]), found["failed"]), (here, {}))
                for name in here:
                    (turn,) = found["turns"][name]
                    self.assertGreater(turn["start"], turn["seconds"])
                    self.assertGreater(turn["peak"], 1 << 20)
                    self.assertLess(turn["difference"], 1e-5)
                    self.assertRegex(ran.stdout, rf"(?m)^{name} +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.e+-]+$")
                for name, why in found["absent"].items():
                    self.assertIn(why, ran.stdout)
                    self.assertRegex(ran.stdout, rf"(?m)^{name} +not installed: ")

    def test_a_result_that_differs_is_caught(self) -> None:
        ran = self.run_driver("--contenders", "xattn", FAKE_SCALE="1.000009")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""), ran.stdout)
        for scale in ("1.00002", "nan"):
            with self.subTest(scale):
                ran = self.run_driver("--contenders", "xattn", FAKE_SCALE=scale)
                self.assertEqual(ran.returncode, 1)
                self.assertRegex(ran.stderr, "^unet.py: xattn: differs from diffusers by .* allowed 1e-05\n$")
                self.assertIn("failed: differs", ran.stdout)

    def test_a_peer_that_fails_is_out_and_the_others_go_on(self) -> None:
        main = f"import sys; sys.path.insert(0, {str(HERE)!r}); import unet, unet_contenders\n"
        main += "unet_contenders.Peer.command = lambda *_: [sys.executable, '-c', 'raise SystemExit(\"no memory\")']\n"
        self.run_driver("--contenders", "xattn")  # makes the models with commands that work
        command = [sys.executable, "-c", main + "sys.exit(unet.main(sys.argv[1:]))", *self.command("--contenders", "xattn,diffusers")[2:]]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual((ran.returncode, ran.stderr), (1, "unet.py: diffusers: exit status 1: no memory\n"))
        self.assertRegex(ran.stdout, r"(?m)^xattn +0\.00 ")
        self.assertRegex(ran.stdout, r"(?m)^diffusers +failed: exit status 1: no memory$")

    def test_ctrl_c_ends_all(self) -> None:
        self.run_driver("--contenders", "xattn")
        driver = subprocess.Popen(
            self.command("--contenders", "xattn"), env={**os.environ, "FAKE_SLEEP": "600"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        while driver.poll() is None and not self.workers():
            time.sleep(0.1)
        driver.send_signal(signal.SIGINT)
        _, stderr = driver.communicate(timeout=60)
        self.assertEqual((driver.returncode, stderr), (130, b"\ninterrupted\n"))
        self.assertEqual(self.workers(), [])

    def workers(self) -> list[str]:
        """Command lines of processes that run the fake program."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                line = file.read_bytes().decode(errors="replace")
                if f"{self.program}\0run" in line:
                    found.append(line)
        return found


if __name__ == "__main__":
    unittest.main()
