"""xattn train autoencoder: folders that Python reads, what is trained and what stays, seeds, numbers that end a run."""

import json
import os
import sys
import unittest
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
from train_program import (  # noqa: E402
    AUTOENCODER, SIDE, VAE_CONFIG, WEIGHTS, TrainTest, call, checkpoints_of, draw_pictures, have_diffusers, log_of, losses_of,
    picture_size, tensors_of,
)  # fmt: skip

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def is_of_the_encoder(name: str) -> bool:
    return name.startswith(("encoder.", "quant_conv."))


class Autoencoder(TrainTest):
    def config(self, run: Path) -> dict[str, object]:
        return json.loads((run / "config.json").read_text())

    def test_the_folder_has_all_of_the_run(self) -> None:
        words = self.words(AUTOENCODER, "--max-train-steps", 5, "--checkpointing-steps", 1, "--validation-steps", 2,
                           "--checkpoints-total-limit", 2)  # fmt: skip
        words = tuple(word for word in words if word != "--quiet")
        result = call(*words, "--output", self.run_folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout,
                         f"{self.run_folder}: the model, 5 steps, its log, loss.png, samples.png\n")  # fmt: skip
        self.assertIn("xattn: 10 pictures, 5 steps of 4\n", result.stderr)
        self.assertRegex(result.stderr, r"loss [\d.]+  [\d.]+ pictures/s, step 5 of 5")

        self.assertEqual(checkpoints_of(self.run_folder), ["checkpoint-000004", "checkpoint-000005"])
        entries = log_of(self.run_folder)
        self.assertEqual([entry["step"] for entry in entries], [1, 2, 3, 4, 5])
        names = {"step", "loss", "lr", "pictures_per_second", "seconds", "grad_norm", "reconstruction", "kl"}
        self.assertEqual(set(entries[0]), names)
        sheets = sorted(path.name for path in (self.run_folder / "samples").iterdir())
        self.assertEqual(sheets, [f"step-00000{step}.png" for step in (2, 4, 5)])
        width, height = picture_size(self.run_folder / "samples" / sheets[0])
        self.assertGreaterEqual(width, 8 * SIDE)
        self.assertGreaterEqual(height, SIDE)
        over_time = picture_size(self.run_folder / "samples.png")
        self.assertGreater(over_time[0], width)  # the steps' names
        self.assertGreaterEqual(over_time[1], 4 * height)  # with the originals
        self.assertGreater(min(picture_size(self.run_folder / "loss.png")), 100)

    @unittest.skipUnless(have_diffusers(), "no diffusers")
    def test_python_reads_it(self) -> None:
        import torch
        from diffusers import AutoencoderKL

        data = draw_pictures(self.folder / "data", width=SIDE, height=SIDE)
        run = self.train(AUTOENCODER, "--data", data, "--max-train-steps", 4)
        pictures = np.stack([np.asarray(Image.open(data / f"{i}.png")) for i in range(10)])
        with torch.no_grad():
            model = AutoencoderKL.from_pretrained(run).eval()
            latents = model.encode(torch.tensor(pictures).permute(0, 3, 1, 2) / 127.5 - 1).latent_dist.mean
        self.assertEqual(tuple(latents.shape), (10, 4, SIDE // 2, SIDE // 2))
        self.assertAlmostEqual(model.config.scaling_factor * latents.std().item(), 1, delta=1e-4)
        kept = {key: value for key, value in VAE_CONFIG.items() if key != "scaling_factor"}
        self.assertEqual({key: self.config(run)[key] for key in kept}, kept)

    def test_only_the_decoder(self) -> None:
        first = self.train(AUTOENCODER, output=self.folder / "first")
        run = self.train(AUTOENCODER, "--decoder-only", "--use-ema", "--adam-weight-decay", 0.5,
                         model=("--model", first))  # fmt: skip
        self.assertEqual(self.config(run)["scaling_factor"], self.config(first)["scaling_factor"])
        before, after = tensors_of(first / WEIGHTS), tensors_of(run / WEIGHTS)
        for name, tensor in after.items():
            same = np.array_equal(tensor, before[name])
            # A bias before a normalisation may have no gradient.
            if is_of_the_encoder(name) or name.endswith(".weight"):
                self.assertEqual(same, is_of_the_encoder(name), name)
        whole = self.train(AUTOENCODER, output=self.folder / "whole", model=("--model", first))
        changed = tensors_of(whole / WEIGHTS)
        self.assertFalse(np.array_equal(changed["encoder.conv_in.weight"], before["encoder.conv_in.weight"]))
        self.assertNotEqual(self.config(whole)["scaling_factor"], self.config(first)["scaling_factor"])

    def test_averages(self) -> None:
        """What is saved are EMAModel's averages of the weights in the checkpoints."""
        options = ("--max-train-steps", 4, "--checkpointing-steps", 1, "--checkpoints-total-limit", 9)
        plain = self.train(AUTOENCODER, *options, output=self.folder / "plain")
        run = self.train(AUTOENCODER, *options, "--use-ema", "--ema-decay", 0.3)
        steps = [tensors_of(run / f"checkpoint-00000{step}" / "vae.safetensors") for step in (1, 2, 3, 4)]
        trained = tensors_of(plain / WEIGHTS)
        averages = tensors_of(run / WEIGHTS)
        # The first weights are those of a run that has not learned.
        begun = self.train(AUTOENCODER, "--max-train-steps", 1, "--learning-rate", 1e-30, "--adam-weight-decay", 0,
                           output=self.folder / "begun")  # fmt: skip
        expected = dict(tensors_of(begun / WEIGHTS))
        for step, weights in enumerate(steps):  # diffusers counts from 0 here
            decay = 0.0 if step == 0 else min(0.3, (1 + step) / (10 + step))
            for name, weight in weights.items():
                expected[name] = expected[name] - np.float32(1 - decay) * (expected[name] - weight)
        for name, average in averages.items():
            self.assertTrue(np.array_equal(steps[-1][name], trained[name]), name)
            np.testing.assert_allclose(average, expected[name], atol=1e-6, err_msg=name)
        self.assertFalse(np.array_equal(averages["decoder.conv_in.weight"], trained["decoder.conv_in.weight"]))

    def test_seeds(self) -> None:
        drawn = ("--random-crop", "--random-flip")
        one = self.train(AUTOENCODER, *drawn, "--seed", 4, output=self.folder / "one")
        again = self.train(AUTOENCODER, *drawn, "--seed", 4, "--dataloader-num-workers", 3,
                           output=self.folder / "again")  # fmt: skip
        other = self.train(AUTOENCODER, *drawn, "--seed", 5, output=self.folder / "other")
        self.assert_same_weights(again, one)
        self.assertEqual(losses_of(again), losses_of(one))
        self.assertNotEqual((other / WEIGHTS).read_bytes(), (one / WEIGHTS).read_bytes())

    def test_brain_floats(self) -> None:
        plain = losses_of(self.train(AUTOENCODER, output=self.folder / "plain"))
        halved = losses_of(self.train(AUTOENCODER, "--mixed-precision", "bf16"))
        self.assertNotEqual(halved, plain)
        np.testing.assert_allclose(halved, plain, rtol=0.02)

    def test_numbers_that_are_not_finite_end_the_run(self) -> None:
        for option in ((), ("--gradient-accumulation-steps", 2)):
            with self.subTest(option=option):
                words = self.words(AUTOENCODER, "--learning-rate", 1e18, "--checkpointing-steps", 1, "--max-train-steps", 9, *option)
                line = self.refused(1, *words)
                self.assertRegex(line, r"expected a finite number at step \d+, got \S*(nan|inf); its pictures: '\d.png'")
                pictures = line.split("its pictures: ")[1].split(", ")
                self.assertEqual(len(pictures), 4)
                step = int(line.split("at step ")[1].split(",")[0])
                self.assertEqual([entry["step"] for entry in log_of(self.run_folder)], list(range(1, step)))
                self.assertEqual(checkpoints_of(self.run_folder)[-1], f"checkpoint-{step - 1:06}")

    def test_models_that_are_none(self) -> None:
        def with_config(text: str) -> tuple[object, ...]:
            (self.folder / "bad.json").write_text(text)
            return self.words(AUTOENCODER, model=("--config", self.folder / "bad.json"))

        def without(name: str, **more: object) -> str:
            return json.dumps({key: value for key, value in VAE_CONFIG.items() if key != name} | more)

        self.assertIn("bad.json", self.refused(3, *with_config("{")))
        self.assertIn("bad.json", self.refused(3, *with_config("[]")))
        self.assertIn("bad.json: [ResnetBlock2D] groups", self.refused(3, *with_config(without("", norm_num_groups=5))))
        self.assertIn("expected 3, as pictures have",
                      self.refused(3, *with_config(without("", in_channels=1, out_channels=1))))  # fmt: skip
        folders = {
            self.folder / "missing": "missing",
            self.shared / "vae.json": "vae.json",
            self.shared / "data": "config.json",
        }
        for path, part in folders.items():
            with self.subTest(path=path):
                self.assertIn(part, self.refused(3, *self.words(AUTOENCODER, model=("--model", path))))
        self.assertIn("--config", self.refused(2, *self.words(AUTOENCODER, model=())))
        both = ("--config", self.shared / "vae.json", "--model", self.shared)
        self.assertIn("excludes", self.refused(2, *self.words(AUTOENCODER, model=both)))


if __name__ == "__main__":
    unittest.main()
