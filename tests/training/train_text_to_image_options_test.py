"""Each option of xattn train text-to-image: honoured, or refused with what it contradicts."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
import train_options as t  # noqa: E402
from train_options import Row  # noqa: E402
from train_program import TEXT_TO_IMAGE, WEIGHTS  # noqa: E402

PROMPT = ("--validation-prompt", "a wave")
SAMPLED = (*t.VALIDATED, *PROMPT, "--validation-inference-steps", 2)
FEW = ("--validation-inference-steps", 1)
BOTH_OR_NONE = "--validation-prompt and --validation-steps: expected both or none"


class TextToImageOptions(t.OptionsTest):
    command = TEXT_TO_IMAGE
    weights = f"unet/{WEIGHTS}"
    by_all = t.GIVEN
    table = t.COMMON | {
        "--config": [Row(("@pipeline.json",), "excludes")],
        "--vae": [Row(("@vae",), "--vae: expected none for a --model, which has its own")],
        "--tokenizer": [Row(("@tokenizer",), "--tokenizer: expected none for a --model, which has its own")],
        "--train-text-encoder": [Row((), t.later_losses)],
        "--random-crop": [Row((), t.losses),
                          Row(("--latents", "x"), "--latents: expected none for --random-crop, which keeps no latents")],
        # Layers that are computed again add their gradients to the text's and the time's in another order.
        "--gradient-checkpointing": [Row((), t.rounding)],
        "--prediction-type": [Row(("v_prediction",), t.losses), Row(("sample",), t.losses),
                              Row(("banana",), "--prediction-type")],
        "--snr-gamma": [Row((0.1,), t.losses), Row((0,), "--snr-gamma")],
        "--noise-offset": [Row((0.5,), t.losses), Row((-1,), "--noise-offset")],
        "--input-perturbation": [Row((0.5,), t.losses), Row((-1,), "--input-perturbation")],
        "--caption-dropout": [Row((1,), t.losses), Row((2,), "--caption-dropout")],
        "--latents": [Row(("@kept.safetensors",), t.nothing)],
        "--validation-steps": [Row((2, *PROMPT, *FEW), t.sheets(2)), Row((2,), BOTH_OR_NONE)],
        "--validation-prompt": [Row(("a wave", *t.VALIDATED, *FEW), t.sheets(2)), Row(("a wave",), BOTH_OR_NONE)],
        "--validation-inference-steps": [Row((3,), t.samples, (*t.VALIDATED, *PROMPT)),
                                         Row((0,), "--validation-inference-steps")],
        "--validation-guidance-scale": [Row((1.5,), t.samples, SAMPLED), Row(("x",), "--validation-guidance-scale")],
    }  # fmt: skip

    def test_the_table_has_every_option(self) -> None:
        self.check_names()

    def test_each_is_honoured_or_refused(self) -> None:
        self.check_rows()
        self.assertTrue((self.shared / "kept.safetensors").exists())

    def test_what_is_required(self) -> None:
        t.check_required(self)


if __name__ == "__main__":
    unittest.main()
