"""xattn-demo and xattn as scripts use them: exit codes, output, files."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
from xattn_export import load_safetensors, save_safetensors  # noqa: E402
from xattn_reference import CrossAttention  # noqa: E402

BIN = Path(os.environ["XATTN_BIN_DIR"])
FILES = Path(os.environ["XATTN_GOLDEN_DIR"]) / "cli"
MODELS = ("cross_attention", "simple_unet_spatial", "simple_unet_reinterpret")
FORMATS = ("scripted.pt", "traced.pt", "state_dict.pt", "safetensors")


def call(*arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [BIN / str(arguments[0]), *map(str, arguments[1:])]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)


class ProgramTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def succeed(self, *arguments: object) -> str:
        result = call(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def fail_with(self, code: int, *arguments: object) -> str:
        """Runs a command that must fail with one line on stderr and nothing on stdout."""
        result = call(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        self.assertTrue(result.stderr.startswith(f"{arguments[0]}: "), result.stderr)
        return result.stderr


class Demo(ProgramTest):
    def demo(self, *more: object) -> str:
        return self.succeed("xattn-demo", "--pictures", self.folder, *more)

    def test_runs_the_published_example(self) -> None:
        out = self.demo("--device", "cpu")
        self.assertIn("[4, 3, 64, 64]", out)
        self.assertEqual(out.count("as expected"), 2)

    def test_auto_names_the_device(self) -> None:
        self.assertRegex(self.demo(), r"on (cpu|cuda:0) \(chosen by auto\)")

    def test_takes_sizes(self) -> None:
        sizes = ("--embed-dim", 16, "--batch", 2, "--image-size", 9, "--tokens", 3)
        self.assertIn("[2, 3, 8, 8]", self.demo(*sizes))

    def test_loads_exports(self) -> None:
        for name in ("simple_unet_spatial.scripted.pt", "cross_attention.safetensors"):
            self.assertIn(name, self.demo("--weights", FILES / name))

    def test_refuses_bad_usage(self) -> None:
        for bad in (
            ("--device", "gpu"),
            ("--device", "cuda:"),
            ("--device", "cuda:-1"),
            ("--device", "cuda:1x"),
            ("--batch", 0),
            ("--batch", "99999999999999999999"),
            ("--batch", "many"),
            ("--image-size", 1),
            ("--embed-dim", 12),
            ("--embed-dim", -8),
            ("--nothing",),
            ("--weights", "x", "--embed-dim", 8),
        ):
            with self.subTest(bad=bad):
                self.fail_with(2, "xattn-demo", *bad)

    def test_refuses_a_gpu_that_is_not_there(self) -> None:
        self.fail_with(4, "xattn-demo", "--device", "cuda:99")
        if not torch.cuda.is_available():
            self.assertIn("not available", self.fail_with(4, "xattn-demo", "--device", "cuda"))

    def test_refuses_bad_files(self) -> None:
        self.assertIn("/no/such", self.fail_with(3, "xattn-demo", "--weights", "/no/such"))
        self.fail_with(3, "xattn-demo", "--weights", self.folder)

    def test_says_version_and_help(self) -> None:
        self.assertRegex(self.succeed("xattn-demo", "--version"), r"^\d+\.\d+\.\d+\n$")
        self.assertIn("--weights", self.succeed("xattn-demo", "--help"))


class Inspect(ProgramTest):
    def test_lists_what_python_lists(self) -> None:
        for model in MODELS:
            state = torch.load(FILES / f"{model}.state_dict.pt", weights_only=True)
            for suffix in FORMATS:
                with self.subTest(model=model, suffix=suffix):
                    out = self.succeed("xattn", "inspect", FILES / f"{model}.{suffix}", "--json")
                    listed = {t["name"]: t for t in json.loads(out)["tensors"]}
                    self.assertEqual(set(listed), set(state))
                    for key, tensor in state.items():
                        self.assertEqual(listed[key]["shape"], list(tensor.shape))
                        self.assertEqual(listed[key]["dtype"], "float32")

    def test_shows_attributes(self) -> None:
        out = self.succeed("xattn", "inspect", FILES / "cross_attention.scripted.pt")
        self.assertRegex(out, r"num_heads +4\n")
        out = self.succeed("xattn", "inspect", FILES / "cross_attention.scripted.pt", "--json")
        self.assertEqual(json.loads(out)["attributes"]["num_heads"], 4)
        self.assertIs(json.loads(out)["attributes"]["training"], False)

    def test_refuses_what_is_no_checkpoint(self) -> None:
        text = self.folder / "notes.txt"
        text.write_text("no weights here\n")
        self.assertIn(str(text), self.fail_with(3, "xattn", "inspect", text))
        self.fail_with(3, "xattn", "inspect", self.folder / "missing")
        self.fail_with(2, "xattn", "inspect")
        self.fail_with(2, "xattn")
        self.fail_with(2, "xattn", "frobnicate")


class Convert(ProgramTest):
    def test_keeps_tensors_and_attributes(self) -> None:
        for model in MODELS:
            state = torch.load(FILES / f"{model}.state_dict.pt", weights_only=True)
            for suffix in FORMATS:
                with self.subTest(model=model, suffix=suffix):
                    out = self.folder / "out.safetensors"
                    self.succeed("xattn", "convert", FILES / f"{model}.{suffix}", out)
                    tensors, metadata = load_safetensors(out)
                    self.assertEqual(set(tensors), set(state))
                    for key, tensor in state.items():
                        self.assertTrue(torch.equal(tensors[key], tensor), key)
                    if suffix == "scripted.pt" and model == "cross_attention":
                        self.assertEqual(metadata["num_heads"], "4")

    def test_leaves_nothing_behind_when_it_fails(self) -> None:
        out = self.folder / "out.safetensors"
        self.fail_with(3, "xattn", "convert", self.folder / "missing", out)
        self.fail_with(3, "xattn", "convert", FILES / "cross_attention.safetensors", "/no/such/out")
        self.assertEqual(list(self.folder.iterdir()), [])


class Run(ProgramTest):
    def run_model(self, model: str, suffix: str, *options: object) -> torch.Tensor:
        out = self.folder / "out.safetensors"
        self.succeed(
            "xattn", "run", FILES / f"{model}.{suffix}", "--output", out,
            "--input", FILES / f"{model}.input.safetensors", *options,
        )  # fmt: skip
        tensors, _ = load_safetensors(out)
        self.assertEqual(list(tensors), ["output"])
        return tensors["output"]

    def test_gives_pythons_numbers(self) -> None:
        for model in MODELS:
            expected = load_safetensors(FILES / f"{model}.expected.safetensors")[0]["output"]
            for suffix in FORMATS:
                unknown = suffix in ("traced.pt", "state_dict.pt")
                options: tuple[object, ...] = ()
                if unknown and model == "cross_attention":
                    options = ("--heads", 4)
                if unknown and model != "cross_attention":
                    options = ("--token-layout", model.removeprefix("simple_unet_"))
                with self.subTest(model=model, suffix=suffix):
                    output = self.run_model(model, suffix, *options)
                    error = (output - expected).abs().max() / expected.abs().max()
                    self.assertLessEqual(error, 2e-6)

    def test_finds_a_module_deeper_in_what_was_saved(self) -> None:
        state = torch.load(FILES / "simple_unet_spatial.state_dict.pt", weights_only=True)
        nested, out = self.folder / "nested.pt", self.folder / "out.safetensors"
        torch.save({"state_dict": state, "epoch": 3}, nested)
        given = FILES / "simple_unet_spatial.input.safetensors"
        result = call("xattn", "run", nested, "--input", given, "--output", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("using state_dict.*", result.stderr)
        expected = load_safetensors(FILES / "simple_unet_spatial.expected.safetensors")[0]["output"]
        error = (load_safetensors(out)[0]["output"] - expected).abs().max() / expected.abs().max()
        self.assertLessEqual(error, 2e-6)
        torch.save({"a": state, "b": state}, nested)
        line = self.fail_with(3, "xattn", "run", nested, "--input", given, "--output", out)
        self.assertIn("several: a.*, b.*", line)

    def test_the_other_layout_gives_other_numbers(self) -> None:
        expected = load_safetensors(FILES / "simple_unet_spatial.expected.safetensors")[0]["output"]
        output = self.run_model("simple_unet_spatial", "traced.pt", "--token-layout", "reinterpret")
        self.assertGreater((output - expected).abs().max() / expected.abs().max(), 1e-3)

    def test_takes_a_text_mask(self) -> None:
        tensors, _ = load_safetensors(FILES / "cross_attention.input.safetensors")
        text = tensors["text_features"]
        tensors["text_mask"] = torch.zeros(text.shape[:2], dtype=torch.bool)
        masked, out = self.folder / "masked.safetensors", self.folder / "out.safetensors"
        save_safetensors(tensors, masked)
        model = FILES / "cross_attention.safetensors"
        self.succeed("xattn", "run", model, "--input", masked, "--output", out)
        bias = load_safetensors(model)[0]["out_proj.bias"]
        self.assertTrue(torch.equal(load_safetensors(out)[0]["output"], bias.expand_as(tensors["image_features"])))

    def test_refuses_what_it_cannot_run(self) -> None:
        attention = FILES / "cross_attention.traced.pt"
        good, other = FILES / "cross_attention.input.safetensors", FILES / "simple_unet_spatial.input.safetensors"
        out = self.folder / "out.safetensors"

        def refused(code: int, model: Path, given: Path, *options: object) -> str:
            return self.fail_with(code, "xattn", "run", model, "--input", given, "--output", out, *options)

        self.assertIn("--heads", refused(3, attention, good))
        self.assertIn("image_features, text_features", refused(3, attention, other, "--heads", 4))
        self.assertIn("multiple", refused(3, attention, good, "--heads", 7))
        self.assertIn("token_layout", refused(3, attention, good, "--heads", 4, "--token-layout", "spatial"))
        self.assertIn("4 as in the file", refused(3, FILES / "cross_attention.scripted.pt", good, "--heads", 8))
        self.assertIn("neither", refused(3, good, good))
        refused(2, attention, good, "--heads", 0)
        refused(2, attention, good, "--token-layout", "diagonal")
        self.assertEqual(list(self.folder.iterdir()), [])


class Verify(ProgramTest):
    def verify(self, code: int, file: Path) -> dict[str, object]:
        result = call("xattn", "verify", file, "--json")
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertIn("executes the program", result.stderr)
        return json.loads(result.stdout)

    def test_finds_the_reading_that_matches(self) -> None:
        for export in ("scripted.pt", "traced.pt"):
            with self.subTest(export=export):
                self.assertEqual(self.verify(0, FILES / f"cross_attention.{export}")["matches"], ["4 heads"])
                for layout in ("spatial", "reinterpret"):
                    found = self.verify(0, FILES / f"simple_unet_{layout}.{export}")
                    self.assertEqual(found["matches"], [layout])

    def test_says_what_the_published_reference_cannot_run(self) -> None:
        found = self.verify(0, FILES / "simple_unet_published.scripted.pt")
        self.assertEqual(found["matches"], ["spatial", "reinterpret"])
        problems = [trial.get("problem", "") for trial in found["trials"]]
        self.assertEqual([bool(p) for p in problems], [False, False, False, True, True, True])
        self.assertIn("shape", problems[-1])
        out = self.succeed("xattn", "verify", FILES / "simple_unet_published.scripted.pt")
        self.assertIn("the script itself cannot run 3 of 6 shapes", out)

    def test_finds_a_mismatch(self) -> None:
        class Doubled(CrossAttention):
            def forward(self, image_features: torch.Tensor, text_features: torch.Tensor) -> torch.Tensor:
                return 2.0 * super().forward(image_features, text_features)

        doubled = Doubled(16, 4).eval()
        example = (torch.randn(1, 2, 16), torch.randn(1, 3, 16))
        file = self.folder / "doubled.pt"
        torch.jit.trace(doubled, example).save(file)
        self.assertEqual(self.verify(1, file)["matches"], [])
        self.assertIn("MISMATCH", call("xattn", "verify", file).stdout)

    def test_refuses_what_has_no_program(self) -> None:
        self.fail_with(3, "xattn", "verify", FILES / "cross_attention.safetensors")
        self.fail_with(3, "xattn", "verify", FILES / "cross_attention.state_dict.pt")
        self.fail_with(3, "xattn", "verify", self.folder)
        other = self.folder / "linear.pt"
        torch.jit.script(torch.nn.Linear(2, 2)).save(other)
        self.assertIn("another module", self.fail_with(3, "xattn", "verify", other))


class Bench(ProgramTest):
    CONTENDERS = {"xattn": None, "xattn-prepared": None, "cpp-explicit": "explicit", "cpp-sdpa": "sdpa"}

    def small_case(self, model: str) -> Path:
        shutil.copy(FILES / f"{model}.safetensors", self.folder / "weights.safetensors")
        shutil.copy(FILES / f"{model}.input.safetensors", self.folder / "input.safetensors")
        return self.folder

    def serve(self, contender: str, requests: str) -> subprocess.CompletedProcess[str]:
        return call("xattn", "bench", "--worker", contender, "--folder", self.folder, given=requests)

    def test_compares_the_contenders(self) -> None:
        chosen = ("--case", "B=4 N=1024 T=10", "--threads", 1, "--rounds", 1)
        document = json.loads(self.succeed("xattn", "bench", "--json", *chosen))
        self.assertEqual(document["threads"], 1)
        self.assertGreater(document["sgemm_gflops"], 0)
        (case,) = document["cases"]
        self.assertEqual(case["case"], "CrossAttention E=256 H=8 B=4 N=1024 T=10")
        self.assertEqual([row["contender"] for row in case["contenders"]], list(self.CONTENDERS))
        for row in case["contenders"]:
            with self.subTest(contender=row["contender"]):
                self.assertRegex(row["path"], f"^{self.CONTENDERS[row['contender']] or '[a-z]+'}$")
                self.assertGreater(row["milliseconds"], 0)
                self.assertGreater(row["part_of_sgemm_peak"], 0)
                self.assertLess(row["difference_from_explicit"], 1e-5)
        out = self.succeed("xattn", "bench", *chosen)
        for name in self.CONTENDERS:
            self.assertRegex(out, rf"\n  {name} +[a-z]+ +\d+\.\d\d ms +\d+\.\d\dx ")

    def test_serves_every_contender(self) -> None:
        for model in MODELS:
            self.small_case(model)
            expected = load_safetensors(FILES / f"{model}.expected.safetensors")[0]["output"]
            for contender, path in self.CONTENDERS.items():
                with self.subTest(model=model, contender=contender):
                    out = self.folder / "out.safetensors"
                    asked = [{"run": 3}, {"output": str(out)}, {"memory": True}, {"quit": True}, {"run": 1}]
                    result = self.serve(contender, "".join(f"{json.dumps(line)}\n" for line in asked))
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
                    ready, ran, written, memory = map(json.loads, result.stdout.splitlines())
                    self.assertEqual((ready["ready"], ready["contender"]), (True, contender))
                    self.assertRegex(ready["path"], f"^{path or '[a-z]+'}$")
                    self.assertGreater(ready["flops"], 0)
                    self.assertEqual(len(ran["seconds"]), 3)
                    self.assertGreater(min(ran["seconds"]), 0)
                    self.assertEqual(written, {"written": str(out)})
                    self.assertGreater(memory["peak_bytes"], 1_000_000)
                    output = load_safetensors(out)[0]["output"]
                    error = (output - expected).abs().max() / expected.abs().max()
                    self.assertLessEqual(error, 2e-6)

    def test_ends_where_its_stdin_ends(self) -> None:
        self.small_case("cross_attention")
        result = self.serve("xattn", "")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(len(result.stdout.splitlines()), 1)

    def test_refuses_what_is_no_request(self) -> None:
        self.small_case("cross_attention")
        for request in ("run", "", "[1]", '{"run": "twice"}', '{"walk": 1}', '{"output": "/no/such/file"}'):
            with self.subTest(request=request):
                result = self.serve("xattn", f'{request}\n{{"memory": true}}\n')
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertEqual(len(result.stdout.splitlines()), 1)
                self.assertRegex(result.stderr, r"^xattn: .*\n$")

    def test_refuses_bad_usage(self) -> None:
        for bad in (
            ("--worker", "xattn"),
            ("--folder", self.folder),
            ("--worker", "xattn", "--folder", self.folder, "--case", "T=10"),
            ("--rounds", 0),
            ("--threads", "many"),
        ):
            with self.subTest(bad=bad):
                self.fail_with(2, "xattn", "bench", *bad)
        line = self.fail_with(2, "xattn", "bench", "--case", "E=7")
        self.assertIn("CrossAttention E=256 H=8 B=4 N=1024 T=10, ", line)
        line = self.fail_with(2, "xattn", "bench", "--worker", "numpy", "--folder", self.folder)
        for name in self.CONTENDERS:
            self.assertIn(name, line)

    def test_refuses_bad_files(self) -> None:
        worker = ("xattn", "bench", "--worker", "xattn", "--folder")
        self.assertIn("/no/such/weights.safetensors", self.fail_with(3, *worker, "/no/such"))
        folder = self.small_case("cross_attention")
        shutil.copy(FILES / "simple_unet_spatial.input.safetensors", folder / "input.safetensors")
        self.assertIn("image_features", self.fail_with(3, *worker, folder))
        (folder / "input.safetensors").unlink()
        self.assertIn("input.safetensors", self.fail_with(3, *worker, folder))


if __name__ == "__main__":
    unittest.main()
