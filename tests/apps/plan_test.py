"""--tune and --plan: what is measured is written, followed by whoever is given it, and refused elsewhere."""

import json
import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from generate_test import PIPELINES, PROMPT, have_pipelines, pixels  # noqa: E402
from pretrained_test import FOLDERS, have_folders, inputs_of  # noqa: E402
from programs_test import ProgramTest  # noqa: E402
from xattn_export import load_safetensors, save_safetensors  # noqa: E402


class Plans(ProgramTest):
    def setUp(self) -> None:
        super().setUp()
        self.plan = self.folder / "plan.json"


@unittest.skipUnless(have_folders(), "no golden data: they are made by a Python with diffusers")
class OfAUnet(Plans):
    def setUp(self) -> None:
        super().setUp()
        self.given, self.out = self.folder / "in.safetensors", self.folder / "out.safetensors"
        save_safetensors({name: value.contiguous() for name, value in inputs_of("unet").items()}, self.given)
        self.run = ("run", FOLDERS / "unet_single", "--input", self.given, "--output", self.out)

    def layers(self, *options: object) -> dict[str, dict[str, object]]:
        report = json.loads(self.succeed("xattn", *self.run, "--json", *options))
        return {layer["layer"]: layer for layer in report["layers"]}

    def output(self) -> torch.Tensor:
        return load_safetensors(self.out)[0]["sample"]

    def test_a_run_says_what_each_layer_took(self) -> None:
        layers = self.layers("--repeat", 3)
        self.assertTrue(any(name.startswith("conv2d 3x3 ") for name in layers))
        self.assertTrue(any(name.startswith("cross_attention ") for name in layers))
        for layer in layers.values():
            self.assertEqual(layer["uses"] % 3, 0)
            self.assertNotIn("milliseconds", layer)

    def test_what_is_measured_is_followed(self) -> None:
        plain = self.layers()
        expected = self.output()
        text = self.succeed("xattn", *self.run, "--tune", self.plan)
        self.assertRegex(text, r"conv2d 3x3 .*libtorch [\d.]+ ms")
        measured = json.loads(self.plan.read_text())["layers"]
        # Linear layers and norms are also parts of others' algorithms, and come and go with these.
        whole = {name for name in {*plain, *measured} if not name.startswith(("linear", "group_norm"))}
        self.assertTrue(whole)
        for layers in (plain, measured):
            self.assertEqual({name for name in layers if not name.startswith(("linear", "group_norm"))}, whole)
        for name, layer in measured.items():
            fastest = min(layer["milliseconds"], key=layer["milliseconds"].get, default=layer["algorithm"])
            self.assertEqual(layer["milliseconds"].get(layer["algorithm"]), layer["milliseconds"].get(fastest), name)
        followed = self.layers("--plan", self.plan)
        self.assertEqual({name: layer["algorithm"] for name, layer in followed.items()},
                         {name: layer["algorithm"] for name, layer in measured.items()})  # fmt: skip
        self.assertLess((self.output() - expected).abs().max() / expected.abs().max(), 1e-5)

    def test_what_it_says_is_what_is_taken(self) -> None:
        self.succeed("xattn", *self.run, "--tune", self.plan)
        document = json.loads(self.plan.read_text())
        for layer in document["layers"].values():
            if "libtorch" in layer["milliseconds"]:
                layer["algorithm"] = "libtorch"
        self.plan.write_text(json.dumps(document))
        for name, layer in self.layers("--plan", self.plan).items():
            if name in document["layers"]:  # not the norms that a convolution of LibTorch's is not fused with
                self.assertEqual(layer["algorithm"], document["layers"][name]["algorithm"], name)
        # What a plan knows is not measured again.
        more = self.folder / "more.json"
        self.succeed("xattn", *self.run, "--plan", self.plan, "--tune", more)
        layers = json.loads(more.read_text())["layers"]
        self.assertEqual({name: layers[name] for name in document["layers"]}, document["layers"])

    def test_other_plans_are_refused(self) -> None:
        self.succeed("xattn", *self.run, "--tune", self.plan)
        right = json.loads(self.plan.read_text())
        layer = next(name for name, of in right["layers"].items() if "libtorch" in of["milliseconds"])

        def refused(*words: str, **changes: object) -> None:
            self.plan.write_text(json.dumps({**right, **changes}))
            line = self.fail_with(3, "xattn", *self.run, "--plan", self.plan)
            for word in words:
                self.assertIn(word, line)

        of_it = right["layers"][layer]
        refused("processor: expected this machine's", "got \"a 486\"", "--tune", processor="a 486")
        refused("kernels: expected this machine's", kernels="banana")
        refused("threads: expected this machine's", "got 4096", threads=4096)
        refused("a plan, whose format is 'xattn plan 1'", format="xattn plan 9")
        refused("the plan: \"speed\" is not known", speed=3)
        refused("layers: expected an object, got []", layers=[])
        refused("expected an object, got 3", layers={layer: 3})
        refused("expected milliseconds, got none", layers={layer: {"algorithm": "libtorch"}})
        refused("numbers of at least 0, got -1", layers={layer: {**of_it, "milliseconds": {"libtorch": -1}}})
        refused("algorithm: expected a text, got null", layers={layer: {**of_it, "algorithm": None}})
        refused(f"[UsePlan] {layer}: expected ", "got 'banana'", layers={layer: {**of_it, "algorithm": "banana"}})
        self.plan.write_text("no JSON")
        self.assertIn("plan.json: ", self.fail_with(3, "xattn", *self.run, "--plan", self.plan))
        self.assertIn("in.safetensors: ", self.fail_with(3, "xattn", *self.run, "--plan", self.given))
        self.fail_with(3, "xattn", *self.run, "--plan", "")
        for unwritable in ("", self.folder, self.folder / "none/plan.json"):
            self.out.unlink(missing_ok=True)
            self.assertIn("[save_plan] ", self.fail_with(3, "xattn", *self.run, "--tune", unwritable))
            self.assertFalse(self.out.exists())

    def test_only_float32_on_the_cpu_has_one(self) -> None:
        for option in ("--plan", "--tune"):
            line = self.fail_with(2, "xattn", *self.run, option, self.plan, "--dtype", "float16")
            self.assertIn(f"{option}: expected none beside --dtype float16, only float32 has it", line)
        self.assertIn("--tune: ", self.fail_with(2, "xattn", *self.run, "--tune", self.given))
        self.assertFalse(self.plan.exists())


@unittest.skipUnless(have_pipelines(), "no golden data: they are made by a Python with diffusers")
class OfAPipeline(Plans):
    def test_a_picture_follows_it(self) -> None:
        out, other = self.folder / "out.png", self.folder / "other.png"
        generate = ("xattn", "generate", "--model", PIPELINES / "sd2", "--prompt", PROMPT, "--seed", 7, "--steps", 2)
        self.succeed(*generate, "--output", out)
        self.succeed("xattn", "bench", "--case", "Linear 2x320", "--tune", self.plan)
        self.succeed(*generate, "--output", other, "--plan", self.plan)
        self.assertLessEqual(abs(pixels(out).astype(int) - pixels(other)).max(), 1)
        line = self.fail_with(2, *generate, "--output", out, "--force", "--plan", self.plan, "--dtype", "bf16")
        self.assertIn("--plan: expected none beside --dtype bfloat16", line)


class OfLayers(Plans):
    def test_a_bench_measures_its_layers(self) -> None:
        text = self.succeed("xattn", "bench", "--case", "Linear 2x320->1280", "--tune", self.plan)
        self.assertRegex(text, r"linear 2x320->1280 +(xattn|libtorch) [\d.]+ ms")
        layers = json.loads(self.plan.read_text())["layers"]
        self.assertEqual(list(layers), ["linear 2x320->1280"])
        layers["linear 2x320->1280"]["algorithm"] = "libtorch"
        self.plan.write_text(json.dumps({**json.loads(self.plan.read_text()), "layers": layers}))
        report = json.loads(self.succeed("xattn", "bench", "--case", "Linear 2x320->1280", "--plan", self.plan,
                                         "--rounds", 1, "--json"))  # fmt: skip
        self.assertEqual([row["algorithm"] for row in report["layers"]], ["libtorch"])
        line = self.fail_with(2, "xattn", "bench", "--case", "CrossAttention E=256", "--tune", self.plan)
        self.assertIn("--tune: expected a --case of layers", line)


# The discovery runs the other files' own tests by themselves.
del ProgramTest, Plans

if __name__ == "__main__":
    unittest.main()
