"""xattn_record: what it writes down of a module's calls."""

import json
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import torch
from torch import Tensor, nn

from xattn_record import record

try:
    from safetensors import safe_open
except ImportError:  # to read here what the recorder wrote
    safe_open = None


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor, residuals: tuple[Tensor, ...], scale: float = 1.0) -> tuple[Tensor, list[Tensor]]:
        y = self.linear(x) * scale
        x.zero_()
        return y, [residuals[0], y]


class Outer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.act = nn.SiLU()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        y, _ = self.inner(x.clone(), (x + 1,), scale=2.0)
        y, _ = self.inner(y.clone(), residuals=(x,))
        return {"sample": self.act(y)}


@unittest.skipIf(safe_open is None, "no safetensors")
class Record(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "golden.safetensors"
        torch.manual_seed(0)
        self.outer = Outer()
        self.x = torch.randn(2, 3)

    def read(self) -> tuple[dict[str, Tensor], list[dict]]:
        with safe_open(self.path, "pt") as file:
            metadata = file.metadata()
            calls = [json.loads(metadata[name]) for name in sorted(metadata) if name.startswith("call.")]
            return {name: file.get_tensor(name) for name in file.keys()}, calls

    def test_calls_in_the_order_in_which_they_end(self) -> None:
        with record(self.outer, self.path, calls=2):
            self.outer(self.x)
        tensors, calls = self.read()
        names = [(call["module"], call["class"], call["call"]) for call in calls]
        expected = [("inner.linear", "Linear", 1), ("inner", "Inner", 1)]
        expected += [("inner.linear", "Linear", 2), ("inner", "Inner", 2), ("act", "SiLU", 1), ("", "Outer", 1)]
        self.assertEqual(names, expected)
        self.assertEqual(calls[1]["scalars"], {"scale": 2.0})
        self.assertEqual(set(calls[1]["inputs"]), {"x", "residuals.0"})
        self.assertEqual(list(calls[1]["outputs"]), ["0", "1.0", "1.1"])
        self.assertEqual(list(calls[-1]["outputs"]), ["sample"])

    def test_inputs_are_those_before_the_call(self) -> None:
        with record({"net": self.outer}, self.path):
            self.outer(x=self.x)
        tensors, calls = self.read()
        inner = next(call for call in calls if call["module"] == "net.inner")
        self.assertTrue(torch.equal(tensors[inner["inputs"]["x"]], self.x))
        self.assertEqual(calls[-1]["inputs"], {"x": "net/input.x"})

    def test_equal_tensors_are_stored_once(self) -> None:
        with record(self.outer, self.path):
            self.outer(self.x)
        tensors, calls = self.read()
        named = [name for call in calls for part in ("inputs", "outputs") for name in call[part].values()]
        self.assertLess(len(tensors), len(named))
        self.assertEqual(set(tensors), set(named))

    def test_keeps_dtypes(self) -> None:
        for dtype in (torch.bfloat16, torch.float16, torch.float64):
            with record(self.outer.to(dtype), self.path):
                self.outer(self.x.to(dtype))
            self.assertEqual({tensor.dtype for tensor in self.read()[0].values()}, {dtype})

    def test_only_some_modules_and_hooks_are_removed(self) -> None:
        with record(self.outer, self.path, only=lambda name, module: isinstance(module, nn.Linear)):
            self.outer(self.x)
        self.assertEqual([call["module"] for call in self.read()[1]], ["inner.linear"])
        self.assertFalse(any(module._forward_hooks or module._forward_pre_hooks for module in self.outer.modules()))

    def test_nothing_called(self) -> None:
        with self.assertRaisesRegex(ValueError, "no module was called"), record(self.outer, self.path):
            pass
        self.assertFalse(self.path.exists())

    def test_a_failure_leaves_what_was_there(self) -> None:
        self.path.write_text("before")
        with self.assertRaises(RuntimeError), record(self.outer, self.path):
            self.outer(torch.randn(2, 4))
        act = nn.Identity()
        with self.assertRaisesRegex(ValueError, "no name for torch.complex128"), record(act, self.path):
            act(self.x.to(torch.complex128))
        self.assertEqual(self.path.read_text(), "before")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])
        self.assertFalse(any(module._forward_hooks for module in self.outer.modules()))

    def test_dtypes_of_all_sizes_are_aligned(self) -> None:
        class Mixed(nn.Module):
            def forward(self, *x: Tensor) -> tuple[Tensor, ...]:
                return tuple(y + y for y in x)

        dtypes = (torch.uint8, torch.float64, torch.bfloat16, torch.bool, torch.int32, torch.float16, torch.complex64)
        given = [torch.ones(3, dtype=dtype) for dtype in dtypes] + [torch.ones(0), torch.ones(())]
        module = Mixed()
        with record(module, self.path):
            expected = module(*given)
        tensors, (call,) = self.read()
        for i, tensor in enumerate(expected):
            self.assertTrue(torch.equal(tensors[call["outputs"][str(i)]], tensor), tensor.dtype)
            self.assertEqual(tensors[call["inputs"][str(i)]].dtype, given[i].dtype)

    def test_memory_does_not_grow_with_what_is_recorded(self) -> None:
        program = """
            import resource, sys, torch
            from xattn_record import record

            class Next(torch.nn.Module):
                def forward(self, x):
                    return x + 1

            def peak():  # MiB
                return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

            model = torch.nn.Sequential(*(Next() for _ in range(64)))
            x = torch.zeros(1 << 20)  # 4 MiB, 65 of them different
            with torch.no_grad():
                model(x)
                before = peak()
                with record(model, sys.argv[1]):
                    model(x)
            print(peak() - before)
        """
        command = [sys.executable, "-c", textwrap.dedent(program), str(self.path)]
        folder = Path(__file__).parent
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        self.assertGreater(self.path.stat().st_size, 65 * 4 << 20)
        self.assertLess(float(done.stdout), 48)


if __name__ == "__main__":
    unittest.main()
