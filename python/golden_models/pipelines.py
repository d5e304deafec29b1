"""Pictures from prompts, of small pipelines, by diffusers.

    NAME/                         a pipeline as `save_pretrained` writes it (pipeline_models.py)
    cases.json                    the runs, in order (pipeline_cases.py): a list of
        name                      letters, digits and underscores
        pipeline                  the folder
        task                      text_to_image, image_to_image, inpaint
        class                     diffusers' class, which need not be the folder's
        file                      runs/CASE.safetensors
        options                   below; also, as JSON text, the metadata `options` of the file
    images/CASE.png, CASE_mask.png  the pictures that were given, as files

Options have the names and types of the class's `__call__`; one that is missing has its default there. Sizes and
corners are [height, width] and [top, left]. What is ours:

    seed                 N: one torch.Generator on the CPU for the whole batch; [N, …]: one for each picture
    scheduler            missing: the folder's. class, overrides: Class.from_config(the folder's, **overrides);
                         config: what that has then, whole, as scheduler_config.json
    dtype                of all models; missing: float32
    given                arguments that are tensors; they are the file's `given.NAME`
    init_image           {height, width, mode (RGB, L, RGBA), count}; the argument `image`. As load_image does, it
                         becomes RGB before it is given
    mask_image           {height, width, mode (L, RGB), soft: with values between black and white}
    continues            the case whose last latents are the argument `image`
    output_type          latent: no picture is made
    vae_tiling, vae_slicing

Tensors of a run, float32 unless the run's dtype is another; B is prompts × num_images_per_prompt:

    prompt_embeds, negative_prompt_embeds [B, 77, E], pooled_prompt_embeds, negative_pooled_prompt_embeds [B, P]
                         what `encode_prompt` gives; negative ones only where there is guidance
    timesteps [S]        of every step, float64
    latents.start, latents.0 … [B, 4, h, w]
                         what enters the first step, and what leaves each (where a mask is: after mixing)
    latents.decoded      what the decoder gets, times `scaling_factor`; missing for output_type latent
    image [B, H, W, 3]   uint8
    init_image           uint8 [H, W, 3], or [N, H, W, 3] for several; source_image [H, W] or [H, W, 4]: what it was
                         made from where that was not RGB
    mask_image           uint8 [H, W], or [H, W, 3] for a mask of mode RGB
    init_latents         of `continues`
    given.NAME
"""

import copy
import functools
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from diffusers import DiffusionPipeline
from diffusers.utils import load_image
from PIL import Image
from pipeline_cases import KOREAN, NEGATIVE, PROMPT, Case, cases
from pipeline_models import write_pipelines
from safetensors.torch import save_file
from torch import Tensor

OURS = ("seed", "scheduler", "dtype", "given", "init_image", "mask_image", "continues", "vae_tiling", "vae_slicing")
PAIRS = ("original_size", "crops_coords_top_left", "target_size")
CLASSES = {
    "StableDiffusion": {"text_to_image": "", "image_to_image": "Img2Img", "inpaint": "Inpaint"},
    "StableDiffusionXL": {"text_to_image": "", "image_to_image": "Img2Img", "inpaint": "Inpaint"},
    "LatentConsistencyModel": {"text_to_image": "", "image_to_image": "Img2Img"},
}


def class_of(pipeline: str, task: str) -> str:
    family = {"lcm": "LatentConsistencyModel", "turbo": "StableDiffusionXL"}.get(pipeline, "StableDiffusion")
    family += "XL" if pipeline.startswith("xl") else ""
    return f"{family}{CLASSES[family][task]}Pipeline"


def picture(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """Slopes, a disc and a few hard edges."""
    y, x = np.mgrid[0:1 : height * 1j, 0:1 : width * 1j]
    channels = [x, y, 0.5 + 0.5 * np.sin(9 * x + 5 * y + seed)]
    pixels = np.stack(channels[seed % 3 :] + channels[: seed % 3], axis=-1)
    pixels[(x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.05] = (0.9, 0.2 * seed, 0.1)
    pixels[(np.floor(8 * x) + np.floor(8 * y)) % 2 * (y > 0.75) > 0] = (0.05, 0.1, 0.3)
    image = Image.fromarray((255 * pixels).round().clip(0, 255).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(Image.fromarray((255 * x).round().astype(np.uint8)))
        return image
    return image.convert(mode)


def mask(height: int, width: int, mode: str = "L", *, soft: bool = False) -> Image.Image:
    """White, to be painted: an ellipse beside the middle."""
    y, x = np.mgrid[0:1 : height * 1j, 0:1 : width * 1j]
    distance = np.hypot((x - 0.55) / 0.35, (y - 0.45) / 0.4)
    values = (2.2 - 1.5 * distance).clip(0, 1) if soft else (distance < 1).astype(float)
    return Image.fromarray((255 * values).round().astype(np.uint8)).convert(mode)


def as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image))


def prepare(made: DiffusionPipeline, case: Case) -> DiffusionPipeline:
    """A pipeline of the case's class, scheduler and dtype."""
    kind, options = getattr(diffusers, class_of(case.pipeline, case.task)), case.options
    parts = dict(made.components)
    config = parts["scheduler"].config
    if values := options.get("scheduler"):
        parts["scheduler"] = getattr(diffusers, values["class"]).from_config(config, **values["overrides"])
    else:
        parts["scheduler"] = type(parts["scheduler"]).from_config(config)
    if options.get("dtype", "float32") != "float32" or options.keys() & {"clip_skip", "vae_tiling", "vae_slicing"}:
        models = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
        dtype = getattr(torch, options.get("dtype", "float32"))
        parts |= {name: copy.deepcopy(part).to(dtype) for name, part in models.items()}
    accepted = inspect.signature(kind).parameters
    config = {**made.config, "add_watermarker": False, "requires_safety_checker": False}
    pipe = kind(**{name: value for name, value in {**config, **parts}.items() if name in accepted})
    pipe.set_progress_bar_config(disable=True)
    if options.get("vae_tiling"):
        pipe.vae.enable_tiling()
    if options.get("vae_slicing"):
        pipe.vae.enable_slicing()
    if "clip_skip" in options and pipe.text_encoder is not None:
        # Where diffusers looks for it, and transformers 5 has it no more.
        pipe.text_encoder.text_model = SimpleNamespace(final_layer_norm=pipe.text_encoder.final_layer_norm)
    return pipe


def config_of(scheduler: Any) -> dict[str, Any]:
    """What scheduler_config.json would hold, less what is kept for other classes."""
    known = inspect.signature(type(scheduler)).parameters
    config = json.loads(scheduler.to_json_string())
    return {"_class_name": type(scheduler).__name__, **{key: config[key] for key in known if key in config}}


def record(pipe: DiffusionPipeline, found: dict[str, Tensor]) -> None:
    """Keeps in `found` what passes through the pipeline's parts."""
    encode, step = pipe.encode_prompt, pipe.scheduler.step
    decode = functools.partial(type(pipe.vae).decode, pipe.vae)  # not what another run put there
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")

    @functools.wraps(encode)
    def encode_prompt(*arguments: Any, **options: Any) -> Any:
        result = encode(*arguments, **options)
        found.update({name: value for name, value in zip(names, result, strict=False) if value is not None})
        return result

    @functools.wraps(step)  # pipelines look at its signature
    def first_step(output: Tensor, timestep: Tensor, sample: Tensor, *arguments: Any, **options: Any) -> Any:
        found.setdefault("latents.start", sample)
        return step(output, timestep, sample, *arguments, **options)

    def decode_latents(latents: Tensor, *arguments: Any, **options: Any) -> Any:
        found["latents.decoded"] = latents * pipe.vae.config.scaling_factor
        return decode(latents, *arguments, **options)

    pipe.encode_prompt, pipe.scheduler.step, pipe.vae.decode = encode_prompt, first_step, decode_latents


def given_tensors(pipe: DiffusionPipeline, case: Case) -> dict[str, Tensor]:
    """Arguments in place of prompts or noise, which the case's own do not give."""
    wanted = case.options.get("given", [])
    found: dict[str, Tensor] = {}
    if "latents" in wanted:
        found["latents"] = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    if "prompt_embeds" in wanted:
        options = {"num_images_per_prompt": 1, "do_classifier_free_guidance": True, "negative_prompt": KOREAN}
        encoded = pipe.encode_prompt(f"{NEGATIVE} {PROMPT}", device="cpu", **options)
        names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
        found |= {name: value for name, value in zip(names, encoded, strict=False) if name in wanted}
    return found


def images_of(case: Case, images: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The arguments `image` and `mask_image`, and what is kept of them."""
    arguments: dict[str, Any] = {}
    found: dict[str, Tensor] = {}
    if (values := dict(case.options.get("init_image", {}))):
        count = values.pop("count", 1)
        sources = [picture(**values, seed=i) for i in range(count)]
        sources[0].save(images / f"{case.name}.png")
        given = [load_image(source) for source in sources]
        pixels = torch.stack([as_tensor(image) for image in given])
        arguments["image"], found["init_image"] = (given, pixels) if count > 1 else (given[0], pixels[0])
        if sources[0].mode != "RGB":
            found["source_image"] = as_tensor(sources[0])
    if values := case.options.get("mask_image"):
        arguments["mask_image"] = mask(**values)
        arguments["mask_image"].save(images / f"{case.name}_mask.png")
        found["mask_image"] = as_tensor(arguments["mask_image"])
    return arguments, found


def run(made: Mapping[str, DiffusionPipeline], case: Case, out: Path, latents: dict[str, Tensor]) -> dict[str, Any]:
    """Makes a case's pictures; `latents` holds the last ones of those before."""
    pipe, options = prepare(made[case.pipeline], case), copy.deepcopy(case.options)
    if "scheduler" in options:
        options["scheduler"]["config"] = config_of(pipe.scheduler)
    arguments = {name: value for name, value in options.items() if name not in OURS}
    arguments |= {name: tuple(value) for name, value in arguments.items() if name.removeprefix("negative_") in PAIRS}
    seed = options["seed"]
    many = isinstance(seed, list)
    generators = [torch.Generator().manual_seed(each) for each in (seed if many else [seed])]
    arguments["generator"] = generators if many else generators[0]
    pictures, found = images_of(case, out / "images")
    given = given_tensors(pipe, case)
    arguments |= pictures | given
    found |= {f"given.{name}": value for name, value in given.items()}
    if before := options.get("continues"):
        arguments["image"] = found["init_latents"] = latents[before]
    record(pipe, found)
    timesteps: list[float] = []

    def after_step(_: Any, i: int, timestep: Tensor, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        timesteps.append(float(timestep))
        found[f"latents.{i}"] = latents[case.name] = tensors["latents"]
        return tensors

    result = pipe(**arguments, callback_on_step_end=after_step).images
    found["timesteps"] = torch.tensor(timesteps, dtype=torch.float64)
    if options.get("output_type") != "latent":
        found["image"] = torch.stack([as_tensor(image) for image in result])
    file = f"runs/{case.name}.safetensors"
    tensors = {name: value.detach().contiguous().clone() for name, value in found.items()}
    kind = type(pipe).__name__
    metadata = {"pipeline": case.pipeline, "task": case.task, "class": kind, "options": json.dumps(options)}
    save_file(tensors, out / file, metadata={"name": case.name, **metadata})
    return {"name": case.name, **metadata, "file": file, "options": options}


def write(out: Path) -> Iterator[dict[str, Any]]:
    for logging in (diffusers.utils.logging, transformers.utils.logging):
        logging.disable_progress_bar()
    made = write_pipelines(out)
    for folder in ("runs", "images"):
        (out / folder).mkdir()
    latents: dict[str, Tensor] = {}
    index = [run(made, case, out, latents) for case in cases()]
    (out / "cases.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")
    for entry in index:
        dtype = entry["options"].get("dtype", "float32")
        rest = {"directory": "runs", "dtype": dtype, "arguments": entry["options"], "keys": []}
        yield {"name": entry["name"], "module": entry["class"], **rest}
