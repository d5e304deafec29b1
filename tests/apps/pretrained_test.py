"""xattn on the folders of models: run and convert beside Python, inspect, verify, and bad folders."""

import json
import os
import shutil
import sys
import unittest
from pathlib import Path
from typing import Any

import torch

try:
    from safetensors.torch import load_file, save_file
except ImportError:  # then there is no golden data either
    load_file = save_file = None

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "python"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from programs_test import ProgramTest, call  # noqa: E402
from xattn_export import load_safetensors, save_safetensors  # noqa: E402

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
FOLDERS = Path(os.environ.get("XATTN_GOLDEN_MODELS_DIR", "")) / "pretrained"
MODELS = ("unet", "vae", "text", "text_with_projection")


def have_folders() -> bool:
    if (FOLDERS / "manifest.json").exists():
        return True
    if os.environ.get("CI"):
        raise RuntimeError("CI without golden data of pretrained (XATTN_GOLDEN_MODELS_DIR)")
    return False


def original(name: str, folder: Path) -> Any:
    """The Python model of a folder."""
    import diffusers
    import transformers

    classes = {
        "unet": diffusers.UNet2DConditionModel,
        "vae": diffusers.AutoencoderKL,
        "text": transformers.CLIPTextModel,
        "text_with_projection": transformers.CLIPTextModelWithProjection,
    }
    return classes[name].from_pretrained(folder)


def inputs_of(name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    if name == "unet":
        return {
            "sample": torch.randn(2, 4, 8, 8),
            "timestep": torch.tensor([3, 500]),
            "encoder_hidden_states": torch.randn(2, 5, 12),
        }
    if name == "vae":
        return {"sample": torch.randn(1, 3, 16, 16)}
    return {
        "input_ids": torch.tensor([[97, 3, 4, 98, 98], [97, 5, 6, 7, 98]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]),
    }


@unittest.skipUnless(have_folders(), "no golden data: they are made by a Python with diffusers")
class FolderTest(ProgramTest):
    def file(self, name: str, tensors: dict[str, torch.Tensor]) -> Path:
        path = self.folder / name
        save_file(tensors, path)
        return path

    def run_model(self, folder: Path, inputs: dict[str, torch.Tensor], *more: object) -> dict[str, torch.Tensor]:
        given, out = self.file("in.safetensors", inputs), self.folder / "out.safetensors"
        self.succeed("xattn", "run", folder, "--input", given, "--output", out, *more)
        return load_file(out)

    def assert_near(self, actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
        self.assertEqual(actual.shape, expected.shape)
        self.assertLessEqual(float((actual - expected).abs().max()), tolerance * float(expected.abs().max()))

    def copy(self, name: str) -> Path:
        path = self.folder / name
        shutil.copytree(FOLDERS / name, path)
        return path


class Run(FolderTest):
    def test_gives_what_the_originals_give(self) -> None:
        fields = {
            "unet": {"sample"},
            "vae": {"sample"},
            "text": {"last_hidden_state", "pooler_output"},
            "text_with_projection": {"last_hidden_state", "text_embeds"},
        }
        for name in MODELS:
            for kind in ("single", "sharded", "pickled", "bfloat16"):
                with self.subTest(name=name, kind=kind):
                    folder = FOLDERS / f"{name}_{kind}"
                    with torch.no_grad():
                        expected = original(name, folder).float()(**inputs_of(name))
                    outputs = self.run_model(folder, inputs_of(name))
                    self.assertLessEqual(fields[name], set(outputs))
                    for field in fields[name]:
                        self.assert_near(outputs[field], expected[field])

    def test_encodes_and_decodes(self) -> None:
        folder, images = FOLDERS / "vae_single", inputs_of("vae")["sample"]
        with torch.no_grad():
            vae = original("vae", folder)
            posterior = vae.encode(images).latent_dist
            decoded = vae.decode(posterior.mean).sample
        outputs = self.run_model(folder, {"sample": images}, "--method", "encode")
        self.assertEqual(set(outputs), {"mean", "logvar"})
        self.assert_near(outputs["mean"], posterior.mean)
        self.assert_near(outputs["logvar"], posterior.logvar)
        for argument in ("z", "sample"):
            outputs = self.run_model(folder, {argument: posterior.mean}, "--method", "decode")
            self.assert_near(outputs["sample"], decoded)

    def test_prepares_a_text_for_all_runs(self) -> None:
        folder, inputs = FOLDERS / "unet_single", inputs_of("unet")
        text = inputs["encoder_hidden_states"]
        inputs["encoder_attention_mask"] = torch.ones(text.shape[:2])
        inputs["encoder_attention_mask"][:, -2:] = 0
        with torch.no_grad():
            expected = original("unet", folder)(**inputs).sample
        method = ("--method", "forward_prepared", "--repeat", 3)
        self.assert_near(self.run_model(folder, inputs, *method)["sample"], expected)
        inputs["encoder_hidden_states"] = text + 0.01
        with self.assertRaises(AssertionError):
            self.assert_near(self.run_model(folder, inputs, *method)["sample"], expected)

    def test_variant_and_dtype(self) -> None:
        folder = FOLDERS / "unet_variant"
        whole = self.run_model(folder, inputs_of("unet"), "--variant", "fp16")["sample"]
        half = self.run_model(folder, inputs_of("unet"), "--variant", "fp16", "--dtype", "float16")["sample"]
        self.assertEqual(half.dtype, torch.float16)
        self.assert_near(half.float(), whole, 2e-2)

    def test_refuses_wrong_inputs(self) -> None:
        inputs = inputs_of("unet")
        for bad in ({"sample": inputs["sample"]}, {**inputs, "more": torch.zeros(1)}):
            given = self.file("bad.safetensors", bad)
            command = ("run", FOLDERS / "unet_single", "--input", given, "--output", self.folder / "out")
            self.assertIn("expected for forward the tensors sample, timestep", self.fail_with(3, "xattn", *command))
        given = self.file("in.safetensors", inputs)
        command = ("run", FOLDERS / "unet_single", "--input", given, "--output", self.folder / "out")
        self.assertIn("--method: expected forward, forward_prepared of a UNet2DConditionModel, got 'encode'",
                      self.fail_with(2, "xattn", *command, "--method", "encode"))
        self.fail_with(2, "xattn", *command, "--dtype", "int8")
        self.fail_with(2, "xattn", *command, "--heads", 3)


class Convert(FolderTest):
    def test_writes_what_python_reads(self) -> None:
        for name in MODELS:
            for more in ((), ("--max-shard-size", 20_000)):
                with self.subTest(name=name, more=more):
                    out = self.folder / f"{name}{len(more)}"
                    self.succeed("xattn", "convert", FOLDERS / f"{name}_single", out, *more)
                    expected = original(name, FOLDERS / f"{name}_single").state_dict()
                    actual = original(name, out).state_dict()
                    self.assertEqual(list(actual), list(expected))
                    for key, value in expected.items():
                        self.assertTrue(torch.equal(actual[key], value), key)
                    self.assertEqual(len(list(out.glob("*.index.json"))), 1 if more else 0)

    def test_keeps_the_config(self) -> None:
        def config_of(name: str, folder: Path) -> dict[str, Any]:
            config = original(name, folder).config
            fields = dict(config) if name in ("unet", "vae") else config.to_dict()
            about = ("transformers_version", "dtype")
            return {key: value for key, value in fields.items() if not key.startswith("_") and key not in about}

        for name in MODELS:
            out = self.folder / name
            self.succeed("xattn", "convert", FOLDERS / f"{name}_single", out)
            self.assertEqual(config_of(name, out), config_of(name, FOLDERS / f"{name}_single"))

    def test_writes_half_precision(self) -> None:
        out = self.folder / "half"
        more = ("--dtype", "float16", "--output-variant", "fp16")
        self.succeed("xattn", "convert", FOLDERS / "unet_single", out, *more)
        written = load_file(out / "diffusion_pytorch_model.fp16.safetensors")
        self.assertEqual({value.dtype for value in written.values()}, {torch.float16})


class Inspect(FolderTest):
    def test_counts_parameters(self) -> None:
        for name in MODELS:
            model = original(name, FOLDERS / f"{name}_single")
            total = sum(parameter.numel() for parameter in model.parameters())
            self.assertIn(f"{total:,} parameters", self.succeed("xattn", "inspect", FOLDERS / f"{name}_single"))
            tree = json.loads(self.succeed("xattn", "inspect", FOLDERS / f"{name}_single", "--json"))
            self.assertEqual(tree["parameters"], total)
            self.assertEqual(tree["class"], type(model).__name__)

    def test_shows_the_tree(self) -> None:
        out = self.succeed("xattn", "inspect", FOLDERS / "unet_single")
        self.assertRegex(out, r"\n  conv_in: Conv2d\(4, 8, kernel_size=3.* 296\n")
        self.assertRegex(out, r"\n    0: CrossAttnDownBlock2D +[\d,]+\n")


class BadFolders(FolderTest):
    """One clear line each, and exit code 3, of both commands."""

    def refuse(self, folder: Path, text: str) -> None:
        given = self.file("in.safetensors", inputs_of("unet"))
        for command in (("inspect", folder), ("run", folder, "--input", given, "--output", self.folder / "out")):
            self.assertIn(text, self.fail_with(3, "xattn", *command))

    def change_config(self, folder: Path, **fields: object) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **fields}))

    def test_config(self) -> None:
        folder = self.copy("unet_single")
        self.change_config(folder, _class_name="UNet3DConditionModel")
        self.refuse(folder, "UNet2DConditionModel, got UNet3DConditionModel")
        self.change_config(folder, _class_name="UNet2DConditionModel", dual_cross_attention=True)
        self.refuse(folder, "dual_cross_attention")
        (folder / "config.json").write_text("{")
        self.refuse(folder, "config.json: expected a JSON object, got an error at byte 2")
        (folder / "config.json").unlink()
        self.refuse(folder, "config.json: cannot be opened: No such file or directory")

    def test_weights(self) -> None:
        folder = self.copy("unet_single")
        weights = folder / "diffusion_pytorch_model.safetensors"
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-9])
        self.refuse(folder, "safetensors header: expected ")
        tensors = load_file(FOLDERS / "unet_single/diffusion_pytorch_model.safetensors")
        save_file({**tensors, "conv_in.bias": torch.zeros(9)}, weights)
        self.refuse(folder, "conv_in.bias: expected float32 [8], got float32 [9]")
        tensors["more"] = tensors.pop("conv_in.bias")
        save_file(tensors, weights)
        self.refuse(folder, "missing conv_in.bias; unexpected more")
        weights.unlink()
        self.refuse(folder, "expected one of the files diffusion_pytorch_model.safetensors.index.json, ")

    def test_shards(self) -> None:
        folder = self.copy("unet_sharded")
        shard = next(iter(folder.glob("*-00002-of-*")))
        content = shard.read_bytes()
        shard.unlink()
        self.refuse(folder, f"names the shard '{shard.name}', which is not in the folder")
        shard.write_bytes(content)
        index = folder / "diffusion_pytorch_model.safetensors.index.json"
        whole = json.loads(index.read_text())
        for change, text in (
            ({"conv_in.bias": "x.safetensors"}, "names the shard 'x.safetensors', which is not in the folder"),
            ({"conv_in.bias": "../x"}, "expected a file of this folder, got '../x'"),
            ({"more": shard.name}, "lacks 1 of its tensors, such as 'more'"),
        ):
            index.write_text(json.dumps({"weight_map": {**whole["weight_map"], **change}}))
            self.refuse(folder, text)

    def test_variant(self) -> None:
        self.assertIn(
            "expected one of the files diffusion_pytorch_model.safetensors.index.fp16.json",
            self.fail_with(3, "xattn", "inspect", FOLDERS / "unet_single", "--variant", "fp16"),
        )


class Verify(FolderTest):
    def record(self, name: str, model: Any = None, **options: Any) -> Path:
        from xattn_record import record

        golden = self.folder / f"{name}.golden.safetensors"
        model = model or original(name, FOLDERS / f"{name}_single")
        with torch.no_grad(), record(model, golden, **options):
            model(**inputs_of(name))
        return golden

    def test_finds_no_difference_where_there_is_none(self) -> None:
        for name in MODELS:
            for prefix in ("", "pipe.part"):
                with self.subTest(name=name, prefix=prefix):
                    golden = self.record(name, prefix=prefix)
                    command = ("verify", FOLDERS / f"{name}_single", "--golden", golden)
                    report = json.loads(self.succeed("xattn", *command, "--json"))
                    self.assertEqual(report["prefix"], prefix)
                    self.assertIsNone(report["first"])
                    compared = {call["class"] for call in report["calls"]}
                    self.assertFalse({call for call in report["calls"] if "problem" in call})
                    model = type(original(name, FOLDERS / f"{name}_single")).__name__
                    self.assertIn(model, compared | set(report["not_compared"]))
                    known = {"SiLU", "Dropout", "QuickGELUActivation", "GELUActivation", "AutoencoderKL"}
                    self.assertLessEqual(set(report["not_compared"]), known)
                    self.assertIn("are within", self.succeed("xattn", *command))

    def test_names_the_layer_whose_weight_is_changed(self) -> None:
        layers = {
            "unet": ("conv_in", "mid_block.attentions.0.transformer_blocks.0.attn2.to_k", "up_blocks.1.resnets.1.norm2"),
            "vae": ("encoder.mid_block.attentions.0.to_q", "decoder.up_blocks.0.resnets.1.conv2", "post_quant_conv"),
            "text": ("embeddings.token_embedding", "encoder.layers.1.mlp.fc1"),
            "text_with_projection": ("text_model.encoder.layers.0.self_attn.out_proj", "text_projection"),
        }
        for name, corrupted in layers.items():
            golden = self.record(name)
            for layer in corrupted:
                with self.subTest(name=name, layer=layer):
                    folder = self.folder / "corrupted"
                    shutil.rmtree(folder, ignore_errors=True)
                    shutil.copytree(FOLDERS / f"{name}_single", folder)
                    weights = next(
                        path for path in folder.glob("*.safetensors") if path.name != "golden.safetensors"
                    )
                    tensors = load_file(weights)
                    weight = tensors[f"{layer}.weight"]
                    weight += 0.1 * weight.abs().max()
                    save_file(tensors, weights)
                    result = self.check_failed("verify", folder, "--golden", golden, "--json")
                    self.assertEqual(json.loads(result)["first"], layer)
                    text = self.check_failed("verify", folder, "--golden", golden)
                    self.assertIn(f"the first, in the order of execution, is {layer} (", text)

    def check_failed(self, *arguments: object) -> str:
        result = call("xattn", *arguments)
        self.assertEqual(result.returncode, 1, result.stderr)
        return result.stdout

    def test_half_precision(self) -> None:
        from xattn_record import record

        golden = self.folder / "half.safetensors"
        model = original("unet", FOLDERS / "unet_single").bfloat16()
        inputs = {k: v.bfloat16() if v.is_floating_point() else v for k, v in inputs_of("unet").items()}
        with torch.no_grad(), record(model, golden):
            model(**inputs)
        command = ("verify", FOLDERS / "unet_single", "--golden", golden)
        report = json.loads(self.succeed("xattn", *command, "--json"))
        self.assertEqual(report["tolerance"], 0.08)
        # The dtype is the recording's unless another is asked for, which is said once.
        result = call("xattn", *command, "--dtype", "float32", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["tolerance"], 0.08)
        line = "xattn: verify: the recording is in bfloat16, its inputs are converted to float32\n"
        self.assertEqual(result.stderr, line)
        self.assertIn("diverge", self.check_failed(*command, "--dtype", "float32", "--tolerance", 1e-6))

    def test_outputs_keep_their_order(self) -> None:
        golden = self.record("unet")
        tensors, metadata = load_safetensors(golden)
        name, call_text = next((name, text) for name, text in metadata.items() if "CrossAttnDownBlock2D" in text)
        recorded = json.loads(call_text)
        self.assertGreater(len(recorded["outputs"]), 1)
        # Names that sort in another order than they are written in.
        renamed = [f"{len(recorded['outputs']) - i}" for i in range(len(recorded["outputs"]))]
        recorded["outputs"] = dict(zip(renamed, recorded["outputs"].values(), strict=True))
        save_safetensors(tensors, golden, {**metadata, name: json.dumps(recorded)})
        self.succeed("xattn", "verify", FOLDERS / "unet_single", "--golden", golden)

    def test_refuses_recordings_that_are_damaged(self) -> None:
        golden = self.record("unet")
        tensors, metadata = load_safetensors(golden)
        name = next(name for name in metadata if name.startswith("call."))
        for text in ("", "{", "[]", "null", "{}", "[" * 100_000, '{"a":' * 70, '{"module": 1}', "1e999"):
            save_safetensors(tensors, golden, {**metadata, name: text})
            line = self.fail_with(3, "xattn", "verify", FOLDERS / "unet_single", "--golden", golden)
            self.assertIn(f"{name}: expected a call as xattn_record.py writes it", line)

    def test_several_calls_and_some_modules(self) -> None:
        from xattn_record import record

        golden = self.folder / "calls.safetensors"
        model = original("unet", FOLDERS / "unet_single")
        inputs = inputs_of("unet")
        with torch.no_grad(), record({"unet": model}, golden, calls=2, only=lambda name, _: "mid_block" in name):
            for timestep in (1, 2, 3):
                model(inputs["sample"], timestep, inputs["encoder_hidden_states"])
        command = ("verify", FOLDERS / "unet_single", "--golden", golden, "--json")
        report = json.loads(self.succeed("xattn", *command))
        self.assertEqual({call["call"] for call in report["calls"]}, {1, 2})
        self.assertTrue(all("mid_block" in call["module"] for call in report["calls"]))

    def test_refuses_other_files(self) -> None:
        folder = FOLDERS / "unet_single"
        other = self.file("other.safetensors", inputs_of("unet"))
        self.assertIn("expected a recording", self.fail_with(3, "xattn", "verify", folder, "--golden", other))
        self.assertIn("expected calls of a UNet2DConditionModel",
                      self.fail_with(3, "xattn", "verify", folder, "--golden", self.record("text")))
        self.assertIn("with a folder --golden", self.fail_with(3, "xattn", "verify", folder))


if __name__ == "__main__":
    unittest.main()
