"""diffusers reads from what we save the config that it wrote itself."""

import json
import os
import subprocess
import tempfile
import unittest
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")

import diffusers  # noqa: E402

GOLDEN = Path(os.environ["XATTN_GOLDEN_MODELS_DIR"]) / "schedulers"
# Null there stands for the default.
NULLABLE = {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas"}


Case = dict[str, Any]


def fields_of(config: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in config.items() if not name.startswith("_")}
    return {name: value or False if name in NULLABLE else value for name, value in fields.items()}


def written(case: Case) -> dict[str, Any]:
    """What diffusers wrote: every field of the class."""
    return fields_of(json.loads((GOLDEN / case["name"] / "scheduler_config.json").read_text()))


def read(case: Case, folder: Path) -> dict[str, Any]:
    return fields_of(getattr(diffusers, case["module"]).from_pretrained(folder).config)


def each_value_once(cases: list[Case]) -> list[Case]:
    """Those with a value of a field that none before has in its class."""
    seen: set[tuple[str, str, str]] = set()
    chosen = []
    for case in cases:
        values = {(case["module"], name, repr(value)) for name, value in written(case).items()}
        if not values <= seen:
            chosen.append(case)
        seen |= values
    return chosen


class SavedSchedulers(unittest.TestCase):
    """One run of the C++ test keeps each case's config in a folder."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.cases: list[Case] = json.loads((GOLDEN / "manifest.json").read_text())["cases"]
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.kept.name)
        subprocess.run(
            [os.environ["XATTN_SCHEDULERS_TEST"], "--gtest_filter=*ASavedConfigIsRead*", "--gtest_brief=1"],
            env={**os.environ, "XATTN_SAVED_SCHEDULERS": cls.kept.name},
            check=True,
        )

    @classmethod
    def tearDownClass(cls) -> None:
        cls.kept.cleanup()

    def test_each_class_is_there(self) -> None:
        self.assertEqual(len({case["module"] for case in self.cases}), 16)

    def test_the_config_is_the_same(self) -> None:
        for case in each_value_once(self.cases):
            with self.subTest(case["name"], module=case["module"]):
                expected = written(case)
                saved = self.folder / case["name"]
                self.assertEqual(read(case, saved), expected)
                # And it has no field that the class does not know, of which diffusers would warn.
                fields = json.loads((saved / "scheduler_config.json").read_text())
                self.assertEqual(fields.pop("_class_name"), case["module"])
                self.assertLessEqual(fields.keys(), expected.keys())

    def test_another_config_is_found(self) -> None:
        case = self.cases[0]
        path = self.folder / case["name"] / "scheduler_config.json"
        text = path.read_text()
        try:
            path.write_text(json.dumps({**json.loads(text), "beta_end": 0.5}))
            self.assertNotEqual(read(case, path.parent), written(case))
        finally:
            path.write_text(text)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
