#!/usr/bin/env python3
"""Writes DIR/model.onnx from DIR/weights.safetensors, with the fixed shapes of its inputs.

    python bench/export_onnx.py DIR
"""

import sys
from pathlib import Path

import torch

from runtime_peers import MODEL
from torch_peers import load_inputs, load_module


def export(folder: Path) -> None:
    """The explicit reference module as torch exports it; inputs keep their arguments' names."""
    program = torch.onnx.export(
        load_module(folder), tuple(load_inputs(folder)), output_names=["output"], dynamo=True
    )
    program.save(str(folder / MODEL))


if __name__ == "__main__":
    export(Path(sys.argv[1]))
