"""Each option of xattn train autoencoder: honoured, or refused with what it contradicts."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))
import train_options as t  # noqa: E402
from train_options import Row  # noqa: E402
from train_program import AUTOENCODER, WEIGHTS  # noqa: E402


class AutoencoderOptions(t.OptionsTest):
    command = AUTOENCODER
    weights = WEIGHTS
    by_all = t.GIVEN - {"--model"}
    table = t.COMMON | {
        "--model": [Row(("@vae",), "excludes")],  # as words() has a --config
        "--random-crop": [Row((), t.losses)],
        "--validation-steps": [Row((2,), t.sheets(2)), Row((0,), "--validation-steps")],
        "--reconstruction": [Row(("l2",), t.losses), Row(("l3",), "--reconstruction")],
        "--edge-weight": [Row((1,), t.losses), Row((-1,), "--edge-weight")],
        "--kl-weight": [Row((1,), t.losses), Row((-1,), "--kl-weight")],
        "--decoder-only": [Row((), t.gradients)],
    }  # fmt: skip

    def test_the_table_has_every_option(self) -> None:
        self.check_names()

    def test_each_is_honoured_or_refused(self) -> None:
        self.check_rows()

    def test_what_is_required(self) -> None:
        t.check_required(self)


AutoencoderOptions.table["--config"] = [Row(("@vae.json",), "At Most 1 required")]

if __name__ == "__main__":
    unittest.main()
