"""Tests of the exporter: round trips, what an error leaves behind, the command."""

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import textwrap
import unittest
import warnings
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

import xattn_export
from xattn_export import export, load_safetensors, save_safetensors
from xattn_reference import CrossAttention, SimpleUNet

USER_MODULE = """
    import torch

    class Net(torch.nn.Module):
        def __init__(self, width, rate=0.5):
            super().__init__()
            self.width, self.rate, self.causal, self.kind = width, rate, True, "small"
            self.fc = torch.nn.Linear(width, width)
            self.drop = torch.nn.Dropout(rate)

        def forward(self, x):
            return self.drop(self.fc(x))

    class Unscriptable(Net):
        def forward(self, *x):
            return self.fc(x[0])

    def not_a_module():
        return 3
"""


def same(a: Tensor, b: Tensor) -> bool:
    """Whether dtype, shape and every byte agree (NaN included)."""
    equal_type = a.dtype == b.dtype and a.shape == b.shape
    return equal_type and bytes(xattn_export._bytes(a)) == bytes(xattn_export._bytes(b))


class FolderTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


class SafetensorsTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.file = self.folder / "t.safetensors"

    def test_every_dtype(self) -> None:
        raw = torch.randint(0, 256, (3, 16), dtype=torch.uint8)
        tensors = {name: raw.view(dtype) for name, dtype in xattn_export.DTYPES.items()}
        tensors["BOOL"] = raw > 127
        self.assertEqual(len(tensors), 19)
        save_safetensors(tensors, self.file)
        loaded, metadata = load_safetensors(self.file)
        self.assertEqual(metadata, {})
        self.assertEqual(set(loaded), set(tensors))
        for name, tensor in tensors.items():
            self.assertTrue(same(loaded[name], tensor), name)

    def test_shapes_and_views(self) -> None:
        base = torch.randn(4, 6)
        complex_base = torch.randn(5, dtype=torch.complex64)
        tensors = {
            "scalar": torch.tensor(2.5),
            "empty": torch.empty(0, 3),
            "transposed": base.t(),
            "strided": base[1::2, ::3],
            "expanded": base[:1].expand(3, 6),
            "conjugate": complex_base.conj(),
            "negative": complex_base.conj().imag,
            "parameter": torch.nn.Parameter(base),
        }
        save_safetensors(tensors, self.file)
        loaded, _ = load_safetensors(self.file)
        for name, tensor in tensors.items():
            self.assertEqual(loaded[name].shape, tensor.shape, name)
            self.assertTrue(torch.equal(loaded[name], tensor), name)

    def test_layout_of_the_file(self) -> None:
        tensors = {"a": torch.ones(3, dtype=torch.int8), "b": torch.ones(2), "c": torch.zeros(1)}
        save_safetensors(tensors, self.file, {"é": "ü\n"})
        data = self.file.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        self.assertEqual(length % 8, 0)
        header = json.loads(data[8 : 8 + length])
        self.assertEqual(header.pop("__metadata__"), {"é": "ü\n"})
        self.assertEqual(list(header), ["b", "c", "a"])
        self.assertEqual([entry["data_offsets"] for entry in header.values()],
                         [[0, 8], [8, 12], [12, 15]])  # fmt: skip
        self.assertEqual(len(data), 8 + length + 15)

    def test_no_tensors(self) -> None:
        save_safetensors({}, self.file, {"only": "metadata"})
        self.assertEqual(load_safetensors(self.file), ({}, {"only": "metadata"}))

    def test_refuses_what_the_format_cannot_hold(self) -> None:
        one = torch.ones(1)
        refused = [
            ({"x": torch.zeros(1, dtype=torch.complex128)}, None, "x: safetensors has no name for"),
            ({"x": one.to_sparse()}, None, "x: only dense tensors"),
            ({"x": torch.empty(1, device="meta")}, None, "x: only dense tensors"),
            ({"x": 3}, None, "x: int is not a tensor"),
            ({"__metadata__": one}, None, "may not be called"),
            ({"x": one}, {"heads": 8}, "metadata 'heads': 8 is not text"),
            ({"\ud800": one}, None, "surrogates not allowed"),
        ]
        for tensors, metadata, message in refused:
            with self.assertRaisesRegex(ValueError, message):
                save_safetensors(tensors, self.file, metadata)
        self.assertEqual(self.names(), [])

    def test_refuses_broken_files(self) -> None:
        save_safetensors({"x": torch.ones(4)}, self.file)
        data = self.file.read_bytes()
        for broken in (b"", data[:5], data[:30], data[:-1], b"\xff" * 8 + data[8:]):
            self.file.write_bytes(broken)
            with self.assertRaises(ValueError):
                load_safetensors(self.file)


class ExportTest(FolderTest):
    def test_every_format_gives_the_weights_back(self) -> None:
        model = SimpleUNet(16)
        inputs = [torch.randn(1, 3, 6, 6), torch.randn(1, 4, 16)]
        files = export(model, self.folder / "unet", inputs, {"note": "mine"})
        self.assertEqual(list(files), list(xattn_export.FORMATS))
        self.assertEqual(
            self.names(),
            ["unet.safetensors", "unet.scripted.pt", "unet.state_dict.pt", "unet.traced.pt"],
        )
        tensors, metadata = load_safetensors(files["safetensors"])
        states = {
            "scripted": torch.jit.load(files["scripted"]).state_dict(),
            "traced": torch.jit.load(files["traced"]).state_dict(),
            "state_dict": torch.load(files["state_dict"], weights_only=True),
            "safetensors": tensors,
        }
        for name, state in states.items():
            self.assertEqual(list(state), list(model.state_dict()), name)
            for key, value in model.state_dict().items():
                self.assertTrue(same(state[key], value), f"{name}: {key}")
        expected = {
            "class": "SimpleUNet",
            "embed_dim": "16",
            "token_layout": "spatial",
            "cross_attention.num_heads": "8",
            "cross_attention.embed_dim": "16",
            "upsample.transposed": "true",
            "note": "mine",
        }
        self.assertEqual(expected, {key: metadata.get(key) for key in expected})
        self.assertNotIn("training", metadata)

    def test_a_folder_gets_plain_names(self) -> None:
        export(CrossAttention(8), f"{self.folder}/new/", [torch.randn(1, 2, 8)] * 2)
        self.assertEqual(
            sorted(path.name for path in (self.folder / "new").iterdir()),
            ["scripted.pt", "state_dict.pt", "traced.pt", "weights.safetensors"],
        )

    def test_without_example_inputs_nothing_is_traced(self) -> None:
        files = export(CrossAttention(8), self.folder)
        self.assertEqual(list(files), ["scripted", "state_dict", "safetensors"])
        with self.assertRaisesRegex(ValueError, "traced format needs example inputs"):
            export(CrossAttention(8), self.folder, formats=["traced"])

    def test_a_failure_leaves_all_as_it_was(self) -> None:
        files = export(CrossAttention(8), self.folder)
        before = {file: file.read_bytes() for file in files.values()}
        wrong = [torch.randn(1, 2, 9)] * 2
        for path in (self.folder, self.folder / "made" / "for" / "this"):
            with self.assertRaises(RuntimeError):
                export(CrossAttention(8), path, wrong)
        self.assertEqual({file: file.read_bytes() for file in files.values()}, before)
        self.assertEqual(len(self.names()), len(before))


    def test_a_diffusers_model_has_save_pretrained(self) -> None:
        class Pretrained(CrossAttention):
            def save_pretrained(self, folder: str) -> None:
                raise NotImplementedError

        model, example = Pretrained(8), [torch.randn(1, 2, 8)] * 2
        for formats in (None, ["scripted"], ["traced"], ["safetensors", "scripted"]):
            with self.assertRaisesRegex(ValueError, r"^Pretrained is .* model\.save_pretrained\(FOLDER\)"):
                export(model, self.folder, example, formats=formats)
        self.assertEqual(list(self.folder.iterdir()), [])
        (file,) = export(model, self.folder, formats=["safetensors"]).values()
        self.assertEqual(set(load_safetensors(file)[0]), set(model.state_dict()))


class CommandTest(FolderTest):
    def setUp(self) -> None:
        super().setUp()
        (self.folder / "user_net.py").write_text(textwrap.dedent(USER_MODULE))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, xattn_export.__file__, *arguments],
            cwd=self.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def test_exports_a_users_model_with_weights(self) -> None:
        weight, bias = torch.randn(4, 4), torch.randn(4)
        torch.save({"fc.weight": weight, "fc.bias": bias}, self.folder / "trained.pt")
        done = self.command(
            "--model", "user_net:Net", "--args", '{"width": 4}', "--weights", "trained.pt",
            "--example-shapes", "2x4", "--out", "out/net",
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        files = [f"out/net{end}" for end in (".scripted.pt", ".traced.pt", ".state_dict.pt",
                                             ".safetensors")]  # fmt: skip
        self.assertEqual(done.stdout.split(), files)
        tensors, metadata = load_safetensors(self.folder / files[3])
        self.assertTrue(same(tensors["fc.weight"], weight))
        wanted = {"class": "Net", "width": "4", "rate": "0.5", "causal": "true", "kind": "small"}
        self.assertEqual(wanted, {key: metadata.get(key) for key in wanted})
        self.assertEqual(metadata["drop.p"], "0.5")
        x = torch.randn(3, 4)
        traced = torch.jit.load(self.folder / files[1])
        self.assertTrue(torch.allclose(traced(x), x @ weight.T + bias, atol=1e-5))  # no dropout

    def test_errors_are_one_line(self) -> None:
        (self.folder / "broken.pt").write_bytes(b"no weights\n" * 9)
        torch.save({"fc.weight": torch.zeros(4, 4)}, self.folder / "other.pt")
        good = ["--model", "user_net:Net", "--args", "[4]", "--out", "out/net"]
        of = {"Unscriptable": ["--model", "user_net:Unscriptable", *good[2:]]}
        wrong = [
            (2, "required: --out", good[:4]),
            (2, "is not MODULE:CLASS", ["--model", "user_net", *good[2:]]),
            (2, "No module named", ["--model", "absent:Net", *good[2:]]),
            (2, "no attribute 'Absent'", ["--model", "user_net:Absent", *good[2:]]),
            (2, "makes a int", ["--model", "user_net:not_a_module", "--args", "[]", *good[4:]]),
            (2, "--args is not JSON", [*good, "--args", "{"]),
            (2, "neither a JSON object", [*good, "--args", "4"]),
            (2, "unexpected keyword", [*good, "--args", '{"depth": 1}']),
            (2, "'onnx' is none of", [*good, "--formats", "onnx"]),
            (2, "needs --example-shapes", [*good, "--formats", "traced"]),
            (2, "is not like", [*good, "--example-shapes", "2xfour"]),
            (2, "negative", [*good, "--example-shapes=2x-4"]),
            (3, "No such file", [*good, "--weights", "absent.pt"]),
            (3, "", [*good, "--weights", "broken.pt"]),
            (3, "fc.bias", [*good, "--weights", "other.pt"]),
            (3, "mat1 and mat2", [*good, "--example-shapes", "2x5"]),
            (3, "", of["Unscriptable"]),
            (3, "user_net.py", [*good, "--out", "user_net.py/net"]),
        ]
        for code, message, arguments in wrong:
            with self.subTest(arguments=arguments):
                # In this process: starting torch anew for each would take a minute.
                done = self.call(arguments)
                self.assertEqual(done[0], code, done[1])
                self.assertEqual(done[1].count("\n"), 1, done[1])
                self.assertTrue(done[1].startswith("xattn_export.py: "), done[1])
                self.assertIn(message, done[1])
                self.assertFalse((self.folder / "out").exists())

    def test_the_process_exits_with_the_code(self) -> None:
        done = self.command("--model", "user_net:Net", "--args", "[4]", "--out", "user_net.py/x")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (3, 1), done.stderr)

    def call(self, arguments: list[str]) -> tuple[int, str]:
        """main() in this process and in the test's folder: (exit code, what went to stderr)."""
        stderr, started_in = io.StringIO(), os.getcwd()
        os.chdir(self.folder)
        try:
            with (
                contextlib.redirect_stderr(stderr),
                warnings.catch_warnings(),
                mock.patch.object(sys, "path", list(sys.path)),
            ):
                warnings.simplefilter("ignore", DeprecationWarning)  # unittest shows torch.jit's
                code = xattn_export.main(arguments)
        finally:
            os.chdir(started_in)
        return code, stderr.getvalue()


if __name__ == "__main__":
    unittest.main()
