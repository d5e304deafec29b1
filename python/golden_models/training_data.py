"""Pictures as a training script of diffusers transforms them, and the order of PyTorch's sampler.

torchvision's transforms are done here as its sources do them, with Pillow and torch, for it is a package of its own:
Resize of a PIL picture, CenterCrop or RandomCrop, RandomHorizontalFlip, ToTensor, Normalize([0.5], [0.5]).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from images import FILTERS, case, drawn, picture
from torch import Tensor
from torch.utils.data.distributed import DistributedSampler


def transform(image: Any, arguments: dict[str, Any], generator: torch.Generator) -> Tensor:
    resolution = arguments["resolution"]
    width, height = image.size
    short, long = sorted((width, height))
    new_long = int(resolution * long / short)
    width, height = (resolution, new_long) if width <= height else (new_long, resolution)
    image = image.resize((width, height), FILTERS[arguments["resample"]])
    top, left = int(round((height - resolution) / 2.0)), int(round((width - resolution) / 2.0))
    if arguments["random_crop"] and (height, width) != (resolution, resolution):
        top = int(torch.randint(0, height - resolution + 1, (1,), generator=generator))
        left = int(torch.randint(0, width - resolution + 1, (1,), generator=generator))
    image = image.crop((left, top, left + resolution, top + resolution))
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    if arguments["random_flip"] and torch.rand(1, generator=generator) < 0.5:
        pixels = pixels.flip(1)
    values = pixels.permute(2, 0, 1).contiguous().to(torch.float32).div(255)
    return values.sub_(torch.tensor(0.5)).div_(torch.tensor(0.5))


def transforms(out: Path) -> Iterator[dict[str, Any]]:
    number = 0
    for height, width in ((40, 61), (61, 40), (33, 33), (7, 20), (141, 100)):
        for random_crop, random_flip in ((False, False), (True, False), (False, True), (True, True)):
            for resample in ("lanczos", "bilinear"):
                number += 1
                arguments = {
                    "resolution": (16, 33, 24)[number % 3],
                    "resample": resample,
                    "random_crop": random_crop,
                    "random_flip": random_flip,
                    "seed": number,
                    "count": 6,
                }
                generator = torch.Generator().manual_seed(number)
                image = picture(height, width, "RGB", number)
                tensors = {"input.pixels": torch.from_numpy(drawn(height, width, 3, number))}
                for i in range(arguments["count"]):
                    tensors[f"output.{i}"] = transform(image, arguments, generator)
                yield case(out, f"transform_{number}", "ImageTransform", tensors, **arguments)


def orders(out: Path) -> Iterator[dict[str, Any]]:
    for size, seed in ((1, 0), (10, 0), (97, 3), (1000, 2**31), (20000, 12345678901)):
        sampler = DistributedSampler(range(size), num_replicas=1, rank=0, shuffle=True, seed=seed)
        indices = []
        for epoch in range(3):
            sampler.set_epoch(epoch)
            indices += list(sampler)
        yield case(out, f"order_{size}", "DistributedSampler", {"output.order": torch.tensor(indices)}, size=size, seed=seed)


def write(out: Path) -> Iterator[dict[str, Any]]:
    yield from transforms(out)
    yield from orders(out)
