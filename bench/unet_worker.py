"""What a process of unet.py does: it makes a model, exports it for a peer, or is the peer and makes passes.

    python unet_worker.py make|export NAME|run NAME --folder DIR --model sd15 --batch 1 --size 64 --threads 2

`run` loads, makes --passes and prints their seconds as `xattn run --json` does; --output is the last one's result.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unet_models import MODELS, UNET_CLASS, Case, make, whole

if TYPE_CHECKING:
    import numpy as np
    import torch

ONNX, OPENVINO = "onnx/model.onnx", "openvino/model.xml"
Pass = Callable[[], "np.ndarray"]


def load_module(case: Case) -> "torch.nn.Module":
    """diffusers' model, called with the inputs by their names; it returns the tensor alone."""
    import diffusers
    from torch import Tensor, nn

    model = getattr(diffusers, case.model.class_name).from_pretrained(case.weights).eval().requires_grad_(False)

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor) -> Tensor:
            return self.model(sample, timestep, encoder_hidden_states, return_dict=False)[0]

    class XLUNet(UNet):
        def forward(
            self, sample: Tensor, timestep: Tensor, encoder_hidden_states: Tensor, text_embeds: Tensor, time_ids: Tensor
        ) -> Tensor:
            added = {"text_embeds": text_embeds, "time_ids": time_ids}
            return self.model(sample, timestep, encoder_hidden_states, added_cond_kwargs=added, return_dict=False)[0]

    class Decoder(UNet):
        def forward(self, sample: Tensor) -> Tensor:
            return self.model.decode(sample, return_dict=False)[0]

    if case.model.class_name != UNET_CLASS:
        return Decoder().eval()
    return (XLUNet if "addition_embed_type" in case.model.config else UNet)().eval()


def load_inputs(case: Case) -> "dict[str, torch.Tensor]":
    from safetensors.torch import load_file

    return load_file(case.inputs)


def torch_pass(name: str, case: Case, threads: int) -> Pass:
    import torch

    torch.set_num_threads(threads)
    module, inputs = load_module(case), load_inputs(case)
    if name == "diffusers-tuned":
        module.to(memory_format=torch.channels_last)
        module.model.fuse_qkv_projections()
    if name.startswith("torch-compile"):
        module = torch.compile(module, dynamic=False, options={"freezing": name.endswith("-frozen")})

    def run() -> "np.ndarray":
        with torch.inference_mode():
            return module(**inputs).numpy()

    return run


def runtime_pass(name: str, case: Case, threads: int) -> Pass:
    from runtime_peers import OnnxRuntimeForward, OpenVinoForward

    if name == "onnxruntime":
        forward = OnnxRuntimeForward(case.home, threads, ONNX)
    else:
        forward = OpenVinoForward(case.home, threads, OPENVINO)

    def run() -> "np.ndarray":
        forward()
        return forward.output()

    return run


def run(name: str, case: Case, options: argparse.Namespace) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    marks = [time.monotonic()]
    call = (runtime_pass if name in ("onnxruntime", "openvino") else torch_pass)(name, case, options.threads)
    marks.append(time.monotonic())
    for _ in range(options.passes):
        output = call()
        marks.append(time.monotonic())
    with whole(options.output) as file:
        save_file({"sample": np.ascontiguousarray(output)}, file)
    load, *seconds = (after - before for before, after in zip(marks, marks[1:], strict=False))
    print(json.dumps({"load_seconds": load, "seconds": seconds}))


def export_onnx(case: Case) -> None:
    """In one graph of fixed shapes; its weights are a file of their own, for one of over 2 GiB cannot hold them."""
    import torch

    inputs = load_inputs(case)
    with torch.inference_mode():
        program = torch.onnx.export(load_module(case), (), kwargs=inputs, output_names=["output"], dynamo=True, verbose=False)
    with whole((case.home / ONNX).parent) as folder:
        folder.mkdir(parents=True)
        program.save(str(folder / Path(ONNX).name), external_data=True)


def export_openvino(case: Case) -> None:
    """By OpenVINO's own converter, of fixed shapes and in float32."""
    import openvino
    import torch

    inputs = load_inputs(case)
    with torch.inference_mode():
        model = openvino.convert_model(load_module(case), example_input=inputs)
    model.reshape({name: list(tensor.shape) for name, tensor in inputs.items()})
    with whole((case.home / OPENVINO).parent) as folder:
        openvino.save_model(model, folder / Path(OPENVINO).name, compress_to_fp16=False)


EXPORTS = {"onnxruntime": (ONNX, export_onnx), "openvino": (OPENVINO, export_openvino)}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("make", "export", "run"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--model", choices=MODELS, required=True)
    for name in ("--batch", "--size", "--threads"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--output", type=Path)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    options = parse(argv)
    case = Case(options.folder, options.model, options.batch, options.size)
    if options.step == "make":
        make(case)
    elif options.step == "export":
        EXPORTS[options.name][1](case)
    else:
        run(options.name, case, options)


if __name__ == "__main__":
    main()
