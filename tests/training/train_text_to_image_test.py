"""xattn train text-to-image: pipelines that Python reads, what is trained and what stays, seeds, bad models."""

import json
import os
import shutil
import sys
import unittest
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from train_program import (  # noqa: E402
    LENGTH, PIPELINE_CONFIG, SIDE, TEXT_TO_IMAGE, TEXT_WEIGHTS, VAE_CONFIG, WEIGHTS, TrainTest, call, checkpoints_of,
    have_diffusers, log_of, losses_of, picture_size, tensors_of,
)  # fmt: skip

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
PIPELINES = Path(os.environ.get("XATTN_GOLDEN_MODELS_DIR", "")) / "pipelines"
VALIDATION = ("--validation-steps", 2, "--validation-prompt", "a wave of kind 2", "--validation-prompt", "물결",
              "--validation-inference-steps", 2)  # fmt: skip


class TextToImage(TrainTest):
    has_model = True

    def test_the_folder_has_all_of_the_run(self) -> None:
        run = self.train(TEXT_TO_IMAGE, "--max-train-steps", 4, "--checkpointing-steps", 2, *VALIDATION)
        self.assertEqual(checkpoints_of(run), ["checkpoint-000002", "checkpoint-000004"])
        self.assertEqual([entry["step"] for entry in log_of(run)], [1, 2, 3, 4])
        self.assertEqual(set(log_of(run)[0]), {"step", "loss", "lr", "pictures_per_second", "seconds", "grad_norm"})
        for step in (2, 4):
            width, height = picture_size(run / "samples" / f"step-{step:06}.png")
            self.assertGreaterEqual((width, height), (2 * SIDE, SIDE))
        self.assertGreater(picture_size(run / "samples.png")[0], width)
        self.assertGreater(min(picture_size(run / "loss.png")), 100)
        self.assertTrue((run / "latents.safetensors").exists())

    @unittest.skipUnless(have_diffusers(), "no diffusers")
    def test_python_draws_the_same_picture(self) -> None:
        import torch
        from diffusers import StableDiffusionPipeline

        run = self.train(TEXT_TO_IMAGE, "--train-text-encoder", "--prediction-type", "v_prediction")
        self.assertEqual(json.loads((run / "scheduler/scheduler_config.json").read_text())["prediction_type"],
                         "v_prediction")  # fmt: skip
        pipeline = StableDiffusionPipeline.from_pretrained(run)
        pipeline.set_progress_bar_config(disable=True)
        out = self.folder / "out.png"
        prompt = "a wave of kind 3, 물결"
        options: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 4.0, "height": SIDE, "width": SIDE}
        picture = pipeline(prompt, generator=torch.Generator().manual_seed(9), **options).images[0]
        result = call("generate", "--model", run, "--prompt", prompt, "--output", out, "--steps", 3, "--guidance-scale",
                      4, "--height", SIDE, "--width", SIDE, "--seed", 9, "--threads", 1)  # fmt: skip
        self.assertEqual(result.returncode, 0, result.stderr)
        with Image.open(out) as image:
            difference = np.asarray(image.convert("RGB"), int) - np.asarray(picture, int)
        self.assertLessEqual(np.abs(difference).max(), 2)
        self.assertGreater(np.asarray(picture).std(), 0)

    def test_what_is_trained_and_what_stays(self) -> None:
        model = self.shared / "model"
        run = self.train(TEXT_TO_IMAGE, output=self.folder / "unet")
        both = self.train(TEXT_TO_IMAGE, "--train-text-encoder")
        for name in (f"vae/{WEIGHTS}", f"text_encoder/{TEXT_WEIGHTS}"):
            self.assertEqual(set(tensors_of(run / name)), set(tensors_of(model / name)))
            for key, tensor in tensors_of(run / name).items():
                np.testing.assert_array_equal(tensor, tensors_of(model / name)[key])
        for path in ("vae/config.json", "scheduler/scheduler_config.json", "model_index.json", "tokenizer/vocab.json",
                     "tokenizer/merges.txt", "tokenizer/tokenizer_config.json"):  # fmt: skip
            self.assertEqual((run / path).read_bytes(), (model / path).read_bytes(), path)
        texts = [tensors_of(folder / "text_encoder" / TEXT_WEIGHTS) for folder in (model, both)]
        key = next(name for name in texts[0] if name.endswith("token_embedding.weight"))
        self.assertFalse(np.array_equal(texts[0][key], texts[1][key]))
        weights = [tensors_of(folder / "unet" / WEIGHTS)["conv_in.weight"] for folder in (model, run, both)]
        self.assertFalse(np.array_equal(weights[0], weights[1]))

    def test_averages(self) -> None:
        plain = self.train(TEXT_TO_IMAGE, "--train-text-encoder", output=self.folder / "plain")
        run = self.train(TEXT_TO_IMAGE, "--train-text-encoder", "--use-ema", "--ema-decay", 0.5)
        self.assertEqual(losses_of(run), losses_of(plain))
        checkpoint = run / checkpoints_of(run)[-1]
        for part, name in (("unet", WEIGHTS), ("text_encoder", TEXT_WEIGHTS)):
            trained, averages = (tensors_of(folder / part / name) for folder in (plain, run))
            kept = tensors_of(checkpoint / f"ema_{part}.safetensors")
            now = tensors_of(checkpoint / f"{part}.safetensors")
            self.assertTrue(any(not np.array_equal(averages[key], trained[key]) for key in trained))
            for key in trained:
                np.testing.assert_array_equal(averages[key], kept[key], key)
                np.testing.assert_array_equal(trained[key], now[key], key)

    def test_seeds(self) -> None:
        drawn = ("--train-text-encoder", "--caption-dropout", 0.3, "--random-flip", "--noise-offset", 0.1)
        one = self.train(TEXT_TO_IMAGE, *drawn, "--seed", 4, output=self.folder / "one")
        again = self.train(TEXT_TO_IMAGE, *drawn, "--seed", 4, output=self.folder / "again")
        other = self.train(TEXT_TO_IMAGE, *drawn, "--seed", 5, output=self.folder / "other")
        self.assert_same_weights(again, one)
        self.assertEqual(losses_of(again), losses_of(one))
        self.assertNotEqual(losses_of(other), losses_of(one))

    def test_brain_floats(self) -> None:
        plain = losses_of(self.train(TEXT_TO_IMAGE, output=self.folder / "plain"))
        halved = losses_of(self.train(TEXT_TO_IMAGE, "--mixed-precision", "bf16"))
        self.assertNotEqual(halved, plain)
        np.testing.assert_allclose(halved, plain, rtol=0.05)

    def test_numbers_that_are_not_finite_end_the_run(self) -> None:
        line = self.refused(1, *self.words(TEXT_TO_IMAGE, "--learning-rate", 1e18, "--max-train-steps", 9,
                                           "--checkpointing-steps", 1))  # fmt: skip
        self.assertRegex(line, r"expected a finite number at step \d+, got \S*(nan|inf); its pictures: '\d.png', '\d")
        step = int(line.split("at step ")[1].split(",")[0])
        self.assertEqual(len(log_of(self.run_folder)), step - 1)


class Refused(TrainTest):
    has_model = True

    def with_config(self, **changes: Any) -> tuple[object, ...]:
        """A run from configs of which some fields are others; None leaves an object out."""
        config = json.loads(json.dumps(PIPELINE_CONFIG))
        for name, change in changes.items():
            if change is None:
                del config[name]
            elif isinstance(change, dict):
                config[name] = config.get(name, {}) | change
            else:
                config[name] = change
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        return self.words(TEXT_TO_IMAGE, model=("--config", path, *self.from_configs()[2:]))

    def test_configs(self) -> None:
        for part, changes in (
            ("config: unet: expected an object, as in its config.json, got none", {"unet": None}),
            ("config: scheduler: expected an object, as in its config.json, got none", {"scheduler": None}),
            ("config: text_encoder: expected an object", {"text_encoder": [1]}),
            ("config: expected unet, text_encoder and scheduler, got vae", {"vae": {"in_channels": 3}}),
            ("norm_num_groups", {"unet": {"norm_num_groups": 3}}),
            ("cross_attention_dim: expected 16, as wide as the texts, got 24", {"unet": {"cross_attention_dim": 24}}),
            ("unet: in_channels: expected 4, the latents', got 9", {"unet": {"in_channels": 9}}),
            ("unet: out_channels: expected 4, the latents', got 3", {"unet": {"out_channels": 3}}),
            ("text_encoder: vocab_size: expected ", {"text_encoder": {"vocab_size": 500}}),
            (f"max_position_embeddings: expected {LENGTH} or more, the tokenizer's",
             {"text_encoder": {"max_position_embeddings": LENGTH - 1}}),
            ("NoScheduler", {"scheduler": {"_class_name": "NoScheduler"}}),
            ("prediction_type", {"scheduler": {"prediction_type": "banana"}}),
            ("beta_schedule", {"scheduler": {"beta_schedule": "banana"}}),
        ):  # fmt: skip
            with self.subTest(changes=changes):
                self.assertIn(part, self.refused(3, *self.with_config(**changes)))
        unknown = call(*self.with_config(unet={"no_such_field": 3}), "--output", self.folder / "unknown")
        self.assertEqual(unknown.stderr,
                         "xattn: warning: [UNet2DConditionModel] config.json: no_such_field: unknown, ignored\n")  # fmt: skip
        path = self.folder / "config.json"
        for text in ("", "{", "[]", "no JSON", '"unet"'):
            with self.subTest(text=text):
                path.write_text(text)
                words = self.words(TEXT_TO_IMAGE, model=("--config", path, *self.from_configs()[2:]))
                self.assertIn("config", self.refused(3, *words))
        words = self.words(TEXT_TO_IMAGE, model=("--config", self.folder / "missing", *self.from_configs()[2:]))
        self.assertIn("missing", self.refused(3, *words))

    def test_parts_of_configs(self) -> None:
        config, vae, tokenizer = self.shared / "pipeline.json", self.shared / "vae", self.shared / "tokenizer"

        def refused(code: int, *words: object) -> str:
            return self.refused(code, *self.words(TEXT_TO_IMAGE, model=("--config", config, *words)))

        self.assertIn("--vae and --tokenizer", refused(2, "--vae", vae))
        self.assertIn("--vae and --tokenizer", refused(2, "--tokenizer", tokenizer))
        self.assertIn("--train-text-encoder", refused(2, "--vae", vae, "--tokenizer", tokenizer))
        rest = ("--train-text-encoder",)
        for path, part in ((tokenizer, "tokenizer"), (self.folder / "none", "none"), (config, "pipeline.json")):
            self.assertIn(part, refused(3, "--vae", path, "--tokenizer", tokenizer, *rest))
        for path, part in ((vae, "vocab.json"), (self.folder / "none", "none"), (config, "pipeline.json")):
            self.assertIn(part, refused(3, "--vae", vae, "--tokenizer", path, *rest))
        wide = self.folder / "wide.json"
        wide.write_text(json.dumps(VAE_CONFIG | {"latent_channels": 8}))
        other = self.train("autoencoder", "--max-train-steps", 1, model=("--config", wide), output=self.folder / "wide")
        self.assertIn("in_channels: expected 8, the latents', got 4",
                      refused(3, "--vae", other, "--tokenizer", tokenizer, *rest))  # fmt: skip

    def test_models(self) -> None:
        model = self.shared / "model"

        def refused(path: Path, code: int = 3) -> str:
            return self.refused(code, *self.words(TEXT_TO_IMAGE, model=("--model", path)))

        for path, said in (
            (model / "unet" / WEIGHTS, "is a single file, expected a pipeline's folder"),
            (self.folder / "missing", "there is no such folder"),
            (model / "unet", f"is the folder of one model (UNet2DConditionModel), expected a pipeline's folder, with model_index.json; is {model} meant?"),
            (self.shared / "data", "has no model_index.json"),
        ):
            self.assertIn(f"[train text-to-image] {path}: {said}", refused(path))
        for name, change in (("FluxPipeline", "FluxPipeline"), ("XL", "StableDiffusionXLPipeline")):
            other = self.folder / name
            shutil.copytree(model, other)
            index = json.loads((other / "model_index.json").read_text())
            index["_class_name"] = change
            (other / "model_index.json").write_text(json.dumps(index))
            refused(other)
        broken = self.folder / "broken"
        shutil.copytree(model, broken)
        (broken / "unet" / WEIGHTS).write_bytes(b"\0" * 100)
        self.assertIn(f"unet/{WEIGHTS}", refused(broken))

    @unittest.skipUnless((PIPELINES / "cases.json").exists(), "no golden data of pipelines")
    def test_other_pipelines(self) -> None:
        for name, part in (("xl", "expected a StableDiffusionPipeline, got StableDiffusionXLPipeline"),
                           ("lcm", "expected a StableDiffusionPipeline, got a latent consistency model"),
                           ("inpaint9", "")):  # fmt: skip
            with self.subTest(name=name):
                words = self.words(TEXT_TO_IMAGE, "--resolution", 64, model=("--model", PIPELINES / name))
                result = call(*words, "--output", self.run_folder)
                self.assertEqual((result.returncode, result.stdout), (3, ""), result.stderr)
                self.assertIn(part, result.stderr.splitlines()[-1])
                self.assertEqual(self.saved_models(), [])

    def test_resolutions(self) -> None:
        line = self.refused(3, *self.words(TEXT_TO_IMAGE, "--resolution", 17))
        self.assertIn("resolution: expected a multiple of 2, the autoencoder's factor, got 17", line)
        self.assertIn("--resolution", self.refused(2, *self.words(TEXT_TO_IMAGE, "--resolution", 7)))


if __name__ == "__main__":
    unittest.main()
