"""Runs of diffusers' schedulers with a model that is a fixed function: all that each step gives."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors.torch import save_file
from torch import Tensor

SHAPE = (2, 4, 6, 5)
SEED = 7
BETAS = ("linear", "scaled_linear", "squaredcos_cap_v2")
SPACINGS = ("linspace", "leading", "trailing")
STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def model(sample: Tensor, timestep: Tensor, channels: int) -> Tensor:
    """Smooth, of the size of noise, and not the same for two timesteps."""
    phase = float(timestep) / 997
    output = torch.tanh(0.8 * sample + torch.cos(3 * sample + phase) * (0.5 + 0.4 * phase))
    return output.repeat(1, channels // sample.shape[1], *(1,) * (sample.dim() - 2))


def options_taken(scheduler: Any) -> set[str]:
    """The arguments that pipelines look for in the signatures."""
    names = {"timesteps", "sigmas", "original_inference_steps", "mu", "eta", "s_churn", "generator"}
    names &= {*inspect.signature(scheduler.set_timesteps).parameters, *inspect.signature(scheduler.step).parameters}
    # Those that it has in its signature alone.
    if isinstance(scheduler, diffusers.FlowMatchEulerDiscreteScheduler):
        names.discard("s_churn")
    if not getattr(scheduler.config, "use_dynamic_shifting", False):
        names.discard("mu")
    # UniPC's are for models of flow matching, which it refuses here.
    if isinstance(scheduler, diffusers.UniPCMultistepScheduler):
        names.discard("sigmas")
    return names


def scale_noise(scheduler: Any) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """What schedulers of flow matching have in the place of add_noise."""
    return lambda clean, noise, timesteps: scheduler.scale_noise(clean, timesteps, noise)


def write_run(
    folder: Path,
    class_name: str,
    config: dict[str, Any],
    schedule: dict[str, Any],
    *,
    step: dict[str, float] | None = None,
    first: int = 0,
    dtype: torch.dtype = torch.float32,
    several_generators: bool = False,
    channels: int = SHAPE[1],
) -> dict[str, Any]:
    """output.NAME.I for each step I, and what a schedule is; `schedule` and `step` are those methods' arguments."""
    scheduler = getattr(diffusers, class_name)(**config)
    scheduler.set_timesteps(**schedule)
    init_noise_sigma = getattr(scheduler, "init_noise_sigma", 1.0)
    add_noise = getattr(scheduler, "add_noise", None) or scale_noise(scheduler)
    # Some keep them in float64; every model makes float32 of them.
    timesteps = scheduler.timesteps
    found: dict[str, Tensor] = {"output.timesteps": timesteps.float() if timesteps.is_floating_point() else timesteps}
    found["output.init_noise_sigma"] = torch.as_tensor(init_noise_sigma, dtype=torch.float32)
    if hasattr(scheduler, "sigmas"):
        found["output.sigmas"] = scheduler.sigmas
    if several_generators:
        generator: Any = [torch.Generator().manual_seed(SEED + i) for i in range(SHAPE[0])]
    else:
        generator = torch.Generator().manual_seed(SEED)
    drawing = torch.Generator().manual_seed(1)
    noise, clean = (torch.randn(SHAPE, generator=drawing).to(dtype) for _ in range(2))
    timesteps = scheduler.timesteps[first:]
    noisy_steps = timesteps[:1].repeat(SHAPE[0]) if first else timesteps[torch.tensor([0, len(timesteps) // 2])]
    # Two steps may have one timestep, and then the original begins with the second one if it is not told.
    if first and hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    found["output.noised"] = add_noise(clean, noise, noisy_steps)
    if not hasattr(scheduler, "sigmas") and hasattr(scheduler, "get_velocity"):
        found["output.velocity"] = scheduler.get_velocity(clean, noise, noisy_steps)
    sample = found["output.noised"] if first else noise * init_noise_sigma
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    found |= {"input.noise": noise, "input.clean": clean}
    arguments = inspect.signature(scheduler.step).parameters
    options = {"generator": generator} if "generator" in arguments else {}
    options |= step or {}
    for i, timestep in enumerate(timesteps):
        scaled = scheduler.scale_model_input(sample, timestep) if hasattr(scheduler, "scale_model_input") else sample
        output = model(scaled, timestep, channels)
        result = scheduler.step(output, timestep, sample, **options)
        found[f"input.model_output.{i}"] = output
        found[f"output.scaled.{i}"] = scaled
        found[f"output.prev_sample.{i}"] = sample = result.prev_sample
        for name in ("pred_original_sample", "denoised", "pred_noised_sample"):
            if getattr(result, name, None) is not None:
                found[f"output.pred_original_sample.{i}"] = getattr(result, name)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.detach().cpu().contiguous().clone() for name, value in found.items()},
        folder / "golden.safetensors",
    )
    scheduler.save_config(folder)
    return {
        "name": folder.name,
        "module": class_name,
        "dtype": str(dtype).removeprefix("torch."),
        "arguments": {
            "schedule": schedule,
            "step": step or {},
            "first": first,
            "several_generators": several_generators,
            "order": scheduler.order,
            "takes": sorted(options_taken(scheduler)),
        },
        "keys": [],
    }


Case = tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]


def grid(class_name: str, predictions: tuple[str, ...], **fixed: Any) -> Iterator[Case]:
    """Every beta schedule × prediction × spacing, once each with 10 or 7 steps."""
    cases = itertools.product(BETAS, predictions, SPACINGS)
    for i, (betas, prediction, spacing) in enumerate(cases):
        config = {"beta_schedule": betas, "prediction_type": prediction, "timestep_spacing": spacing}
        yield class_name, {**config, **fixed}, {"num_inference_steps": 10 - i % 2 * 3}, {}


def ddpm() -> Iterator[Case]:
    name, steps = "DDPMScheduler", {"num_inference_steps": 10}
    yield from grid(name, ("epsilon", "sample", "v_prediction"))
    for variance in ("fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range"):
        channels = 8 if variance.startswith("learned") else 4
        yield name, {"variance_type": variance}, steps, {"channels": channels}
    for betas in ("laplace", "sigmoid"):
        yield name, {"beta_schedule": betas}, steps, {}
    yield name, {"thresholding": True, "sample_max_value": 1.5}, steps, {}
    yield name, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}, steps, {}
    yield name, {"trained_betas": [0.001 * (i + 1) for i in range(50)], "num_train_timesteps": 50}, steps, {}
    yield name, {}, {"timesteps": [900, 700, 650, 100, 3]}, {}
    yield name, {}, steps, {"several_generators": True}
    yield name, {"clip_sample": False}, steps, {"first": 4}


def ddim() -> Iterator[Case]:
    name, steps = "DDIMScheduler", {"num_inference_steps": 10}
    yield from grid(name, ("epsilon", "sample", "v_prediction"))
    yield name, {**STABLE_DIFFUSION, "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}, steps, {}
    yield name, {"clip_sample": False}, steps, {"step": {"eta": 0.7}}
    yield name, {"clip_sample": False}, steps, {"step": {"eta": 1.0}, "several_generators": True}
    yield name, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}, steps, {}
    yield name, {"thresholding": True}, steps, {}
    yield name, {"clip_sample": False}, steps, {"first": 3}
    yield name, {"clip_sample": False}, {"num_inference_steps": 37}, {"dtype": torch.float64}
    yield name, {"clip_sample": False}, steps, {"first": 4}


def pndm() -> Iterator[Case]:
    name, steps = "PNDMScheduler", {"num_inference_steps": 10}
    yield from grid(name, ("epsilon", "v_prediction"))
    yield from grid(name, ("epsilon", "v_prediction"), skip_prk_steps=True)
    yield name, {**STABLE_DIFFUSION, "skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1}, steps, {}
    yield name, {"skip_prk_steps": True, "set_alpha_to_one": True}, {"num_inference_steps": 1}, {}
    for first in (1, 4):
        yield name, {"skip_prk_steps": True}, steps, {"first": first}
        yield name, {}, steps, {"first": first}


def with_spreads(name: str, predictions: tuple[str, ...], **fixed: Any) -> Iterator[Case]:
    yield from grid(name, predictions, **fixed)
    for spread in ("karras", "exponential", "beta"):
        config = {**STABLE_DIFFUSION, f"use_{spread}_sigmas": True}
        yield name, config, {"num_inference_steps": 12}, {}


def euler() -> Iterator[Case]:
    name, steps = "EulerDiscreteScheduler", {"num_inference_steps": 10}
    yield from with_spreads(name, ("epsilon", "sample", "v_prediction"))
    yield name, {"interpolation_type": "log_linear"}, steps, {}
    yield name, {"timestep_type": "continuous", "prediction_type": "v_prediction", "use_karras_sigmas": True,
                 "sigma_min": 0.002, "sigma_max": 700.0}, steps, {}
    yield name, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, steps, {}
    yield name, {"final_sigmas_type": "sigma_min"}, steps, {}
    yield name, {**STABLE_DIFFUSION, "timestep_spacing": "leading", "steps_offset": 1}, {"num_inference_steps": 30}, {}
    yield name, {}, {"timesteps": [999, 800, 500, 20]}, {}
    yield name, {}, {"sigmas": [14.6, 5.0, 1.2, 0.3, 0.0]}, {}
    yield name, {**STABLE_DIFFUSION, "timestep_spacing": "trailing"}, {"num_inference_steps": 1}, {}
    yield name, {}, steps, {"first": 4}
    yield name, {}, steps, {"dtype": torch.float64}
    for prediction in ("epsilon", "sample", "v_prediction"):
        yield name, {"prediction_type": prediction}, steps, {"step": {"s_churn": 2.0}}
    between = {"s_churn": 40.0, "s_tmin": 0.5, "s_tmax": 10.0, "s_noise": 1.003}
    yield name, STABLE_DIFFUSION, steps, {"step": between}
    yield name, STABLE_DIFFUSION, steps, {"step": between, "several_generators": True, "dtype": torch.float64}
    yield name, {}, steps, {"step": {"s_churn": 1.0, "s_noise": 0.9}, "first": 4}


def flow_match_euler() -> Iterator[Case]:
    name, steps = "FlowMatchEulerDiscreteScheduler", {"num_inference_steps": 10}
    sigmas = {"sigmas": [1.0, 0.81, 0.5, 0.3, 0.07]}
    timesteps = {"timesteps": [1000.0, 930.5, 700.0, 401.25, 99.0]}
    for shift, end in itertools.product((1.0, 3.0, 0.7), (None, 0.1)):
        config = {"shift": shift, "shift_terminal": end}
        for schedule in (steps, sigmas, timesteps, {**sigmas, **timesteps, "num_inference_steps": 5}):
            yield name, config, schedule, {}
    for kind, end in itertools.product(("exponential", "linear"), (None, 0.02)):
        config = {"use_dynamic_shifting": True, "time_shift_type": kind, "shift_terminal": end, "shift": 3.0}
        yield name, config, {**steps, "mu": 1.15}, {}
        yield name, config, {**sigmas, "mu": 0.63}, {}
        yield name, config, {**timesteps, "mu": 0.5}, {}
    for spread in ("karras", "exponential", "beta"):
        yield name, {"shift": 3.0, f"use_{spread}_sigmas": True}, {"num_inference_steps": 12}, {}
        yield name, {f"use_{spread}_sigmas": True}, sigmas, {}
    for schedule in (steps, sigmas, timesteps):
        yield name, {"invert_sigmas": True, "shift": 2.0}, schedule, {}
    yield name, {"stochastic_sampling": True}, steps, {}
    yield name, {"stochastic_sampling": True, "shift": 3.0}, steps, {"several_generators": True}
    yield name, {"stochastic_sampling": True}, steps, {"dtype": torch.float64}
    yield name, {"num_train_timesteps": 500}, {"num_inference_steps": 28}, {"dtype": torch.float64}
    yield name, {"base_shift": 0.4, "max_shift": 1.3, "base_image_seq_len": 100}, {"num_inference_steps": 1}, {}
    yield name, {"shift": 3.0}, steps, {"first": 4}


def euler_ancestral() -> Iterator[Case]:
    name, steps = "EulerAncestralDiscreteScheduler", {"num_inference_steps": 10}
    yield from grid(name, ("epsilon", "v_prediction"))
    yield name, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, steps, {}
    yield name, STABLE_DIFFUSION, steps, {"several_generators": True}
    yield name, {}, steps, {"first": 4}


def lms() -> Iterator[Case]:
    name = "LMSDiscreteScheduler"
    yield from with_spreads(name, ("epsilon", "sample", "v_prediction"))
    yield name, STABLE_DIFFUSION, {"num_inference_steps": 30}, {}
    yield name, {}, {"num_inference_steps": 10}, {"first": 4}


def heun() -> Iterator[Case]:
    name = "HeunDiscreteScheduler"
    yield from with_spreads(name, ("epsilon", "sample", "v_prediction"))
    yield name, {"beta_schedule": "exp"}, {"num_inference_steps": 10}, {}
    yield name, {"clip_sample": True}, {"num_inference_steps": 10}, {}
    yield name, {}, {"timesteps": [900, 500, 20]}, {}
    yield name, {}, {"num_inference_steps": 10}, {"first": 8}


def kdpm2() -> Iterator[Case]:
    for name in ("KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"):
        yield from with_spreads(name, ("epsilon", "v_prediction"))
        yield name, {}, {"num_inference_steps": 10}, {"first": 8}
    yield name, {}, {"num_inference_steps": 10}, {"several_generators": True}


def lcm() -> Iterator[Case]:
    name, steps = "LCMScheduler", {"num_inference_steps": 4}
    for betas, prediction in itertools.product(BETAS, ("epsilon", "sample", "v_prediction")):
        yield name, {"beta_schedule": betas, "prediction_type": prediction}, steps, {}
    yield name, {"clip_sample": True}, steps, {}
    yield name, {"thresholding": True}, steps, {}
    yield name, {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}, steps, {}
    yield name, {"original_inference_steps": 100, "timestep_scaling": 8.0}, {"num_inference_steps": 8}, {}
    yield name, {}, {"timesteps": [999, 759, 499, 259]}, {"several_generators": True}
    yield name, {}, {"num_inference_steps": 1}, {}
    yield name, {}, {"num_inference_steps": 10}, {"first": 4}
    yield from parts(name)


def parts(name: str) -> Iterator[Case]:
    """What image-to-image asks of a distilled model."""
    own = {"timesteps": [999, 759, 499, 259]}
    yield name, {}, {"num_inference_steps": 4, "strength": 0.5}, {}
    yield name, {}, {"num_inference_steps": 7, "strength": 0.58}, {}
    yield name, {}, {"num_inference_steps": 6, "original_inference_steps": 100, "strength": 0.61}, {}
    yield name, {}, {"num_inference_steps": 3, "original_inference_steps": 30}, {}
    yield name, {}, {**own, "strength": 0.5}, {}
    yield name, {}, {**own, "strength": 0.77, "original_inference_steps": 20}, {}


def tcd() -> Iterator[Case]:
    name, steps = "TCDScheduler", {"num_inference_steps": 4}
    for betas, prediction in itertools.product(BETAS, ("epsilon", "sample", "v_prediction")):
        yield name, {"beta_schedule": betas, "prediction_type": prediction}, steps, {}
    yield name, {}, steps, {"step": {"eta": 0.0}}
    yield name, {}, {"num_inference_steps": 8}, {"step": {"eta": 1.0}}
    yield name, {}, {"timesteps": [999, 759, 499, 259]}, {"step": {"eta": 0.5}, "several_generators": True}
    yield name, {}, {"num_inference_steps": 10}, {"first": 4}
    yield from parts(name)


def dpmsolver_multistep() -> Iterator[Case]:
    name = "DPMSolverMultistepScheduler"
    yield from with_spreads(name, ("epsilon", "sample", "v_prediction"))
    for algorithm, solver, order in itertools.product(
        ("dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"), ("midpoint", "heun"), (1, 2, 3)
    ):
        if algorithm == "sde-dpmsolver" and order == 3:
            continue  # which the original cannot
        config = {**STABLE_DIFFUSION, "algorithm_type": algorithm, "solver_type": solver, "solver_order": order}
        config["final_sigmas_type"] = "zero" if algorithm.endswith("++") else "sigma_min"
        yield name, config, {"num_inference_steps": 8 + 10 * (order % 2)}, {}
    for prediction in ("sample", "v_prediction"):
        config = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min", "prediction_type": prediction}
        yield name, {**config, "thresholding": prediction == "sample"}, {"num_inference_steps": 10}, {}
    yield name, {"use_lu_lambdas": True}, {"num_inference_steps": 10}, {}
    yield name, {"thresholding": True, "euler_at_final": True}, {"num_inference_steps": 20}, {}
    yield name, {"lower_order_final": False, "final_sigmas_type": "sigma_min"}, {"num_inference_steps": 10}, {}
    yield name, {"lambda_min_clipped": -5.1, "beta_schedule": "squaredcos_cap_v2"}, {"num_inference_steps": 10}, {}
    yield name, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, {"num_inference_steps": 10}, {}
    yield name, {"use_karras_sigmas": True, "beta_schedule": "squaredcos_cap_v2"}, {"num_inference_steps": 10}, {}
    yield name, {}, {"timesteps": [999, 800, 500, 20]}, {}
    yield name, {}, {"num_inference_steps": 10}, {"first": 4}
    yield name, {"algorithm_type": "sde-dpmsolver++"}, {"num_inference_steps": 10}, {"several_generators": True}
    # Of these steps, 74 and 75 have one timestep.
    yield name, {**STABLE_DIFFUSION, "use_karras_sigmas": True}, {"num_inference_steps": 80}, {"first": 74}


def deis() -> Iterator[Case]:
    name = "DEISMultistepScheduler"
    yield from with_spreads(name, ("epsilon", "sample", "v_prediction"))
    for order, steps in itertools.product((1, 2, 3), (8, 18)):
        yield name, {**STABLE_DIFFUSION, "solver_order": order}, {"num_inference_steps": steps}, {}
    yield name, {"thresholding": True, "lower_order_final": False}, {"num_inference_steps": 10}, {}
    yield name, {}, {"num_inference_steps": 10}, {"first": 4}


def unipc() -> Iterator[Case]:
    name = "UniPCMultistepScheduler"
    yield from with_spreads(name, ("epsilon", "sample", "v_prediction"))
    for solver, x0, order in itertools.product(("bh1", "bh2"), (True, False), (1, 2, 3, 4)):
        config = {**STABLE_DIFFUSION, "solver_type": solver, "predict_x0": x0, "solver_order": order}
        # With no noise at the end, ε would be divided by it, and the original multiplies infinity with zero for bh1.
        config["final_sigmas_type"] = "zero" if x0 and solver == "bh2" else "sigma_min"
        yield name, config, {"num_inference_steps": 9 + order}, {}
    for prediction in ("sample", "v_prediction"):
        config = {"predict_x0": False, "final_sigmas_type": "sigma_min", "prediction_type": prediction}
        yield name, {**config, "thresholding": True}, {"num_inference_steps": 10}, {}
    yield name, {"thresholding": True, "disable_corrector": [0, 1, 5]}, {"num_inference_steps": 10}, {}
    yield name, {"lower_order_final": False, "final_sigmas_type": "sigma_min"}, {"num_inference_steps": 10}, {}
    yield name, {"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 10.0}, {"num_inference_steps": 10}, {}
    yield name, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}, {"num_inference_steps": 10}, {}
    yield name, {}, {"num_inference_steps": 10}, {"first": 4}


def dpmsolver_singlestep() -> Iterator[Case]:
    name = "DPMSolverSinglestepScheduler"
    for prediction, betas in itertools.product(("epsilon", "sample", "v_prediction"), BETAS):
        yield name, {"prediction_type": prediction, "beta_schedule": betas}, {"num_inference_steps": 10}, {}
    for spread in ("karras", "exponential", "beta"):
        yield name, {**STABLE_DIFFUSION, f"use_{spread}_sigmas": True}, {"num_inference_steps": 12}, {}
    for algorithm, solver, order in itertools.product(
        ("dpmsolver++", "dpmsolver", "sde-dpmsolver++"), ("midpoint", "heun"), (1, 2, 3)
    ):
        config = {**STABLE_DIFFUSION, "algorithm_type": algorithm, "solver_type": solver, "solver_order": order}
        config["final_sigmas_type"] = "zero" if algorithm.endswith("++") else "sigma_min"
        yield name, config, {"num_inference_steps": 11 + order}, {}
    for order, steps, lower in itertools.product((2, 3), (9, 10, 11, 12), (True, False)):
        config = {"solver_order": order, "lower_order_final": lower, "final_sigmas_type": "sigma_min"}
        yield name, config, {"num_inference_steps": steps}, {}
    yield name, {"thresholding": True, "lambda_min_clipped": -5.1}, {"num_inference_steps": 10}, {}
    yield name, {}, {"timesteps": [999, 800, 500, 20]}, {}
    yield name, {}, {"num_inference_steps": 10}, {"first": 4}
    yield name, {"algorithm_type": "sde-dpmsolver++"}, {"num_inference_steps": 10}, {"several_generators": True}


def write(folder: Path) -> Iterator[dict[str, Any]]:
    areas = (
        ddpm,
        ddim,
        pndm,
        euler,
        euler_ancestral,
        flow_match_euler,
        lms,
        heun,
        kdpm2,
        lcm,
        tcd,
        dpmsolver_multistep,
        deis,
        unipc,
        dpmsolver_singlestep,
    )
    for area in areas:
        for i, (class_name, config, schedule, options) in enumerate(area()):
            yield write_run(folder / f"{area.__name__}_{i:02}", class_name, config, schedule, **options)
