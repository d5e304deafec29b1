"""How the programs' OpenMP threads wait: a moment, unless the environment says how."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from programs_test import BIN, FILES


@unittest.skipUnless(Path("/proc/self/environ").exists(), "needs Linux")
class WaitPolicy(unittest.TestCase):
    def environment_of(self, program: str, folder: Path, **given: str) -> dict[str, str]:
        """The environment in which a program runs, once it does."""
        environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
        command = [program, "bench", "--worker", "xattn", "--folder", "."]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=folder, env={**environment, **given}, **pipes) as process:
            self.assertIn("ready", process.stdout.readline())
            entries = Path(f"/proc/{process.pid}/environ").read_bytes().decode().split("\0")
            self.assertEqual(Path(f"/proc/{process.pid}/comm").read_text(), "xattn\n")
            process.communicate('{"quit": true}\n')
            self.assertEqual(process.returncode, 0)
        return dict(entry.split("=", 1) for entry in entries if entry)

    def test_the_environment_wins(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            shutil.copy(FILES / "cross_attention.safetensors", folder / "weights.safetensors")
            shutil.copy(FILES / "cross_attention.input.safetensors", folder / "input.safetensors")
            program = str(BIN / "xattn")
            chosen = self.environment_of(program, folder)
            self.assertLess(int(chosen["GOMP_SPINCOUNT"]), 100_000)
            for own in ({"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": "7"}):
                found = self.environment_of(program, folder, **own)
                self.assertEqual({k: v for k, v in found.items() if k in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}, own)
            # Found by PATH, or by a relative name.
            on_path = self.environment_of("xattn", folder, PATH=f"{BIN}:{os.environ['PATH']}")
            self.assertEqual(on_path["GOMP_SPINCOUNT"], chosen["GOMP_SPINCOUNT"])
            (folder / "link").symlink_to(BIN / "xattn")
            linked = self.environment_of("./link", folder)
            self.assertEqual(linked["GOMP_SPINCOUNT"], chosen["GOMP_SPINCOUNT"])


if __name__ == "__main__":
    unittest.main()
