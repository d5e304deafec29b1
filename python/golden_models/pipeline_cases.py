"""Which runs of which pipelines are made; pipelines.py says what the options mean."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

PROMPT = "a photograph of a red cat on the moon, highly detailed"
NEGATIVE = "blurry, dark, noisy"
KOREAN = "바다 위로 떠오르는 태양을 그린 수채화, 아주 세밀한 풍경"
LONG = "a very detailed oil painting of a castle above the sea, with towers, flags and clouds, " * 7


@dataclass(frozen=True)
class Case:
    """Options whose value is None are left out."""

    name: str
    pipeline: str
    task: str = "text_to_image"
    options: dict[str, Any] = field(default_factory=dict)


def case(pipeline: str, name: str, task: str = "text_to_image", **changes: Any) -> Case:
    """One with what every run says, unless `changes` says None of it."""
    options: dict[str, Any] = {
        "prompt": PROMPT,
        "seed": 7,
        "num_inference_steps": 4,
        "guidance_scale": 5.0 if "xl" in pipeline else 7.5,
        "height": 64,
        "width": 64,
    }
    if task != "text_to_image":
        options |= {"strength": 0.8, "init_image": {"height": 64, "width": 64}}
    if task == "inpaint":
        options["mask_image"] = {"height": 64, "width": 64}
    if task == "image_to_image":
        del options["height"], options["width"]  # they are the picture's
    options |= changes
    return Case(f"{pipeline}_{name}", pipeline, task, {k: v for k, v in options.items() if v is not None})


def scheduler(name: str, **overrides: Any) -> dict[str, Any]:
    return {"class": f"{name}Scheduler", "overrides": overrides}


KARRAS = {"use_karras_sigmas": True}
SCHEDULERS: dict[str, dict[str, Any]] = {
    "ddim": scheduler("DDIM"),
    "ddim_clip": scheduler("DDIM", clip_sample=True),
    "ddpm": scheduler("DDPM"),
    "deis": scheduler("DEISMultistep"),
    "dpmpp_2m": scheduler("DPMSolverMultistep"),
    "dpmpp_2m_karras": scheduler("DPMSolverMultistep", **KARRAS),
    "dpmpp_2m_sde_karras": scheduler("DPMSolverMultistep", algorithm_type="sde-dpmsolver++", **KARRAS),
    "dpmpp_singlestep": scheduler("DPMSolverSinglestep"),
    "euler": scheduler("EulerDiscrete"),
    "euler_karras": scheduler("EulerDiscrete", **KARRAS),
    "euler_ancestral": scheduler("EulerAncestralDiscrete"),
    "heun": scheduler("HeunDiscrete"),
    "heun_karras": scheduler("HeunDiscrete", **KARRAS),
    "kdpm2": scheduler("KDPM2Discrete"),
    "kdpm2_ancestral": scheduler("KDPM2AncestralDiscrete"),
    "lcm": scheduler("LCM"),
    "lms": scheduler("LMSDiscrete"),
    "pndm": scheduler("PNDM"),
    "pndm_prk": scheduler("PNDM", skip_prk_steps=False),
    "tcd": scheduler("TCD"),
    "unipc": scheduler("UniPCMultistep"),
    "unipc_karras": scheduler("UniPCMultistep", **KARRAS),
}
MAIN = ("pndm", "ddim", "euler", "euler_ancestral", "dpmpp_2m_karras", "heun", "unipc", "lcm")


def schedulers() -> Iterator[Case]:
    for name, values in SCHEDULERS.items():
        yield case("sd1", f"txt2img_{name}", scheduler=values, num_inference_steps=6, negative_prompt=NEGATIVE)
    for (pipeline, task), name, strength in itertools.product(
        (("sd1", "image_to_image"), ("sd1", "inpaint"), ("inpaint9", "inpaint")), MAIN, (0.3, 0.8, 1.0)
    ):
        short = "img2img" if task == "image_to_image" else "inpaint"
        yield case(pipeline, f"{short}_{name}_{strength * 100:.0f}", task, scheduler=SCHEDULERS[name], strength=strength)


def stable_diffusion() -> Iterator[Case]:
    sd1, two = "sd1", [PROMPT, KOREAN]
    img2img, inpaint = "image_to_image", "inpaint"
    ddim = SCHEDULERS["ddim"]
    yield case(sd1, "defaults", guidance_scale=None, height=None, width=None)
    yield case(sd1, "two_prompts", prompt=two, negative_prompt=[NEGATIVE, "red"])
    yield case(sd1, "two_images", num_images_per_prompt=2)
    yield case(sd1, "two_prompts_two_images", prompt=two, num_images_per_prompt=2, seed=[1, 2, 3, 4])
    yield case(sd1, "generators", prompt=two, seed=[3, 4], scheduler=SCHEDULERS["euler_ancestral"])
    yield case(sd1, "generators_ddpm", prompt=two, seed=[3, 4], scheduler=SCHEDULERS["ddpm"])
    yield case(sd1, "guidance_1", guidance_scale=1.0)
    yield case(sd1, "guidance_0", guidance_scale=0.0)
    yield case(sd1, "guidance_1_5", guidance_scale=1.5)
    yield case(sd1, "guidance_off_two_images", guidance_scale=1.0, num_images_per_prompt=2, negative_prompt=NEGATIVE)
    yield case(sd1, "guidance_rescale", guidance_rescale=0.7)
    yield case(sd1, "eta", eta=0.5, scheduler=ddim)
    yield case(sd1, "eta_generators", eta=0.5, scheduler=ddim, prompt=two, seed=[3, 4])
    yield case(sd1, "eta_tcd", eta=0.3, scheduler=SCHEDULERS["tcd"])
    yield case(sd1, "clip_skip_1", clip_skip=1, negative_prompt=NEGATIVE)
    yield case(sd1, "clip_skip_2", clip_skip=2, negative_prompt=NEGATIVE)
    yield case(sd1, "clip_skip_1_img2img", img2img, clip_skip=1)
    yield case(sd1, "size_72x56", height=72, width=56)
    yield case(sd1, "size_40x104", height=40, width=104)
    yield case(sd1, "korean", prompt=KOREAN, negative_prompt="흐릿한, 어두운")
    yield case(sd1, "long_prompt", prompt=LONG, negative_prompt=LONG.upper() + NEGATIVE)
    yield case(sd1, "empty_prompt", prompt="")
    yield case(sd1, "empty_prompts", prompt=["", PROMPT], negative_prompt=["", ""])
    yield case(sd1, "prompt_embeds", prompt=None, given=["prompt_embeds", "negative_prompt_embeds"])
    yield case(sd1, "prompt_embeds_alone", prompt=None, given=["prompt_embeds"])
    yield case(sd1, "prompt_embeds_two_images", prompt=None, num_images_per_prompt=2,
               given=["prompt_embeds", "negative_prompt_embeds"])  # fmt: skip
    yield case(sd1, "latents", given=["latents"], scheduler=SCHEDULERS["euler"])
    yield case(sd1, "output_latent", output_type="latent")
    yield case(sd1, "one_step", num_inference_steps=1, scheduler=ddim)
    yield case(sd1, "timesteps", timesteps=[900, 500, 200, 20], num_inference_steps=None, scheduler=SCHEDULERS["euler"])
    yield case(sd1, "sigmas", sigmas=[14.6, 5.0, 1.2, 0.3, 0.0], num_inference_steps=None, scheduler=SCHEDULERS["euler"])
    yield case(sd1, "ddim_20", num_inference_steps=20, scheduler=ddim, negative_prompt=NEGATIVE)
    yield case(sd1, "float16", dtype="float16", scheduler=ddim)
    yield case(sd1, "bfloat16", dtype="bfloat16", scheduler=ddim)
    yield case(sd1, "float16_euler", dtype="float16", scheduler=SCHEDULERS["euler"])
    yield case(sd1, "vae_tiling", vae_tiling=True, height=128, width=96, num_inference_steps=2)
    yield case(sd1, "vae_tiling_img2img", img2img, vae_tiling=True, init_image={"height": 128, "width": 96})
    yield case(sd1, "vae_slicing", vae_slicing=True, num_images_per_prompt=2, num_inference_steps=2)
    yield case(sd1, "img2img_two_prompts", img2img, prompt=two, scheduler=ddim)
    yield case(sd1, "img2img_generators", img2img, prompt=two, seed=[3, 4], scheduler=SCHEDULERS["euler_ancestral"])
    yield case(sd1, "img2img_two_images", img2img, num_images_per_prompt=2)
    yield case(sd1, "img2img_two_inputs", img2img, prompt=two, init_image={"height": 64, "width": 64, "count": 2})
    yield case(sd1, "img2img_resized", img2img, init_image={"height": 75, "width": 61})
    yield case(sd1, "img2img_grey", img2img, init_image={"height": 64, "width": 56, "mode": "L"})
    yield case(sd1, "img2img_rgba", img2img, init_image={"height": 66, "width": 64, "mode": "RGBA"})
    yield case(sd1, "img2img_eta", img2img, eta=0.5, scheduler=ddim)
    yield case(sd1, "img2img_guidance_off", img2img, guidance_scale=1.0)
    yield case(sd1, "img2img_float16", img2img, dtype="float16", scheduler=ddim)
    larger, wide = {"height": 100, "width": 90}, {"height": 48, "width": 120}
    for pipeline in (sd1, "inpaint9"):
        yield case(pipeline, "inpaint_resized", inpaint, init_image=larger, mask_image=wide, height=72, width=56)
        yield case(pipeline, "inpaint_soft_mask", inpaint, mask_image={"height": 64, "width": 64, "soft": True})
        yield case(pipeline, "inpaint_two_prompts", inpaint, prompt=two, seed=[3, 4])
        yield case(pipeline, "inpaint_two_images", inpaint, num_images_per_prompt=2)
        yield case(pipeline, "inpaint_grey", inpaint, init_image={"height": 64, "width": 64, "mode": "L"})
        yield case(pipeline, "inpaint_guidance_off", inpaint, guidance_scale=1.0)
        yield case(pipeline, "inpaint_colour_mask", inpaint, mask_image={"height": 64, "width": 64, "mode": "RGB"})
    yield case("inpaint9", "inpaint_float16", inpaint, dtype="float16", scheduler=ddim)


def stable_diffusion_2() -> Iterator[Case]:
    yield case("sd2", "txt2img", negative_prompt=NEGATIVE)
    yield case("sd2", "guidance_rescale", guidance_rescale=0.7, num_inference_steps=6)
    yield case("sd2", "size_72x56", height=72, width=56, prompt=KOREAN)
    yield case("sd2", "clip_skip_1", clip_skip=1)
    yield case("sd2", "img2img", "image_to_image")
    yield case("sd2", "img2img_full", "image_to_image", strength=1.0)
    yield case("sd2", "inpaint", "inpaint", strength=1.0)
    # Without the folder's rescaled betas, with which most cannot begin; PNDM has no such option.
    for name in ("ddpm", "dpmpp_2m", "euler", "lcm", "pndm", "tcd", "unipc"):
        overrides: dict[str, Any] = {"timestep_spacing": "leading"}
        if name != "pndm":
            overrides["rescale_betas_zero_snr"] = False
        yield case("sd2", f"txt2img_{name}", scheduler={"class": SCHEDULERS[name]["class"], "overrides": overrides})
    yield case("sd2", "euler_zero_snr", scheduler=SCHEDULERS["euler"])
    yield case("sd2", "euler_ancestral_zero_snr", scheduler=SCHEDULERS["euler_ancestral"])


def xl() -> Iterator[Case]:
    base, img2img, inpaint = "xl", "image_to_image", "inpaint"
    yield case(base, "defaults", guidance_scale=None, height=None, width=None)
    yield case(base, "negative", negative_prompt=NEGATIVE)
    yield case(base, "empty_negative", negative_prompt="")
    yield case(base, "empty_prompt", prompt="")
    yield case(base, "prompt_2", prompt_2="a watercolour", negative_prompt=NEGATIVE, negative_prompt_2="photo")
    yield case(base, "prompt_2_alone", prompt_2=KOREAN)
    yield case(base, "negative_prompt_2_alone", negative_prompt_2="photo")
    yield case(base, "long_prompt", prompt=LONG, prompt_2=KOREAN, negative_prompt=LONG)
    yield case(base, "two_prompts", prompt=[PROMPT, KOREAN], negative_prompt=[NEGATIVE, "red"], num_images_per_prompt=2)
    yield case(base, "two_prompts_generators", prompt=[PROMPT, KOREAN], seed=[3, 4])
    yield case(base, "clip_skip_1", clip_skip=1, negative_prompt=NEGATIVE)
    yield case(base, "guidance_off", guidance_scale=1.0)
    yield case(base, "guidance_rescale", guidance_rescale=0.7)
    yield case(base, "size_72x56", height=72, width=56)
    yield case(base, "original_size", original_size=[1024, 768])
    yield case(base, "crops", original_size=[128, 96], crops_coords_top_left=[16, 8], target_size=[96, 64])
    yield case(base, "negative_sizes", negative_original_size=[32, 48], negative_crops_coords_top_left=[4, 2],
               negative_target_size=[128, 128])  # fmt: skip
    yield case(base, "prompt_embeds", prompt=None, given=["prompt_embeds", "negative_prompt_embeds",
               "pooled_prompt_embeds", "negative_pooled_prompt_embeds"])  # fmt: skip
    yield case(base, "euler_20", num_inference_steps=20, negative_prompt=NEGATIVE)
    yield case(base, "float16", dtype="float16")
    yield case(base, "bfloat16", dtype="bfloat16")
    for name in ("ddim", "dpmpp_2m_karras", "dpmpp_2m_sde_karras", "euler_ancestral", "heun", "pndm", "unipc", "lcm"):
        yield case(base, f"txt2img_{name}", scheduler=SCHEDULERS[name])
    yield case(base, "img2img", img2img)
    yield case(base, "img2img_defaults", img2img, strength=None, guidance_scale=None)
    yield case(base, "img2img_two_prompts", img2img, prompt=[PROMPT, KOREAN], seed=[3, 4])
    yield case(base, "img2img_resized", img2img, init_image={"height": 75, "width": 61, "mode": "RGBA"})
    sizes = {"original_size": [100, 90], "crops_coords_top_left": [3, 4], "target_size": [80, 70]}
    yield case(base, "img2img_sizes", img2img, **sizes)
    yield case(base, "img2img_float16", img2img, dtype="float16")
    for pipeline in (base, "xl_inpaint9"):
        yield case(pipeline, "inpaint", inpaint)
        yield case(pipeline, "inpaint_full", inpaint, strength=1.0)
        yield case(pipeline, "inpaint_9999", inpaint, strength=None, guidance_scale=None)
        yield case(pipeline, "inpaint_resized", inpaint, init_image={"height": 100, "width": 90}, height=72, width=56)
        yield case(pipeline, "inpaint_ancestral", inpaint, scheduler=SCHEDULERS["euler_ancestral"], seed=[3, 4],
                   prompt=[PROMPT, KOREAN])  # fmt: skip
        yield case(pipeline, "inpaint_sizes", inpaint, original_size=[90, 80], crops_coords_top_left=[3, 4],
                   target_size=[70, 60], negative_original_size=[50, 40], negative_target_size=[30, 20])  # fmt: skip


def refiner() -> Iterator[Case]:
    """The base model's latents handed over, and pictures."""
    base, task = "xl_refiner", "image_to_image"
    for name, part in (("euler", 0.8), ("heun", 0.6), ("dpmpp_2m_karras", 0.7)):
        shared = {"scheduler": SCHEDULERS[name], "num_inference_steps": 10, "negative_prompt": NEGATIVE}
        yield case("xl", f"{name}_to_refiner", denoising_end=part, output_type="latent", **shared)
        yield case(base, f"{name}_from_base", task, denoising_start=part, continues=f"xl_{name}_to_refiner",
                   init_image=None, strength=None, **shared)  # fmt: skip
    yield case(base, "img2img", task, strength=0.3, num_inference_steps=10)
    yield case(base, "img2img_defaults", task, strength=None, guidance_scale=None, num_inference_steps=10)
    yield case(base, "aesthetic_scores", task, aesthetic_score=9.0, negative_aesthetic_score=1.5)
    yield case(base, "negative_sizes", task, negative_original_size=[32, 48], negative_crops_coords_top_left=[4, 2],
               original_size=[128, 96], crops_coords_top_left=[16, 8])  # fmt: skip
    yield case(base, "part", task, denoising_start=0.3, denoising_end=0.7, num_inference_steps=10, strength=None)
    yield case(base, "inpaint", "inpaint", aesthetic_score=7.0)
    yield case(base, "inpaint_part", "inpaint", denoising_start=0.3, num_inference_steps=10, strength=None)


def few_steps() -> Iterator[Case]:
    off = {"guidance_scale": 0.0}
    yield case("turbo", "one_step", num_inference_steps=1, **off)
    yield case("turbo", "four_steps", num_inference_steps=4, **off)
    yield case("turbo", "two_prompts", prompt=[PROMPT, KOREAN], seed=[3, 4], num_inference_steps=2, **off)
    yield case("turbo", "img2img", "image_to_image", num_inference_steps=2, strength=0.5, **off)
    yield case("lcm", "txt2img")
    yield case("lcm", "defaults", guidance_scale=None, num_inference_steps=None, height=None, width=None)
    yield case("lcm", "guidance_1", guidance_scale=1.0)
    yield case("lcm", "two_prompts", prompt=[PROMPT, KOREAN], num_images_per_prompt=2)
    yield case("lcm", "generators", prompt=[PROMPT, KOREAN], seed=[3, 4], num_inference_steps=2)
    yield case("lcm", "original_inference_steps", original_inference_steps=100, num_inference_steps=8)
    yield case("lcm", "timesteps", timesteps=[999, 759, 499, 259], num_inference_steps=None)
    yield case("lcm", "one_step", num_inference_steps=1)
    yield case("lcm", "clip_skip_1", clip_skip=1)
    yield case("lcm", "img2img", "image_to_image")
    yield case("lcm", "img2img_half", "image_to_image", strength=0.5, num_inference_steps=3)
    yield case("lcm", "img2img_two_prompts", "image_to_image", prompt=[PROMPT, KOREAN])


def cases() -> Iterator[Case]:
    for family in (schedulers, stable_diffusion, stable_diffusion_2, xl, refiner, few_steps):
        yield from family()
