"""The parts of a training, from diffusers and torch, and whole runs of a hundred steps (training_runs.py)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import training_runs
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel, compute_snr
from torch import nn

RULES = "1:10,0.1:20,0.01:30,0.005"
RATES: dict[str, dict[str, Any]] = {
    "constant": {},
    "constant_with_warmup": {"num_warmup_steps": 7},
    "linear": {"num_warmup_steps": 7, "num_training_steps": 40},
    "cosine": {"num_warmup_steps": 3, "num_training_steps": 37},
    "cosine_with_restarts": {"num_warmup_steps": 5, "num_training_steps": 43, "num_cycles": 3},
    "polynomial": {"num_warmup_steps": 4, "num_training_steps": 39, "power": 1.7},
    "piecewise_constant": {"step_rules": RULES},
}
EDGES = {
    "constant_with_warmup": {"num_warmup_steps": 0},
    "linear": {"num_warmup_steps": 0, "num_training_steps": 1},
    "cosine": {"num_warmup_steps": 30, "num_training_steps": 20},
    "cosine_with_restarts": {"num_warmup_steps": 0, "num_training_steps": 50, "num_cycles": 1},
    "polynomial": {"num_warmup_steps": 0, "num_training_steps": 50},
}
EMAS: list[dict[str, Any]] = [
    {},
    {"decay": 0.7},
    {"decay": 0.99, "min_decay": 0.3, "update_after_step": 4},
    {"use_ema_warmup": True},
    {"use_ema_warmup": True, "inv_gamma": 2.5, "power": 0.75, "decay": 0.9, "min_decay": 0.2},
]
ADAMS: list[dict[str, Any]] = [
    {},
    {"lr": 3e-3, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1},
    {"amsgrad": True, "weight_decay": 0.0},
]


def rates(folder: Path, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.37)
    schedule = get_scheduler(name, optimizer, **arguments)
    found = []
    for _ in range(60):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    values = {"output.rates": torch.tensor(found, dtype=torch.float64)}
    return training_runs.write(folder, "get_scheduler", values, {"name": name, "lr": 0.37, **arguments})


def ema(folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """The parameters of step k are begin + k · change."""
    generator = torch.Generator().manual_seed(3)
    shapes = {"weight": (5, 4), "bias": (5,), "frozen": (3,)}
    begin = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    change = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    parameters = {name: nn.Parameter(value.clone(), requires_grad=name != "frozen") for name, value in begin.items()}
    model = EMAModel(parameters.values(), **arguments)
    decays = []
    for step in range(1, 41):
        for name, parameter in parameters.items():
            parameter.data.copy_(begin[name] + step * change[name])
        model.step(parameters.values())
        decays.append(model.cur_decay_value)
    state = model.state_dict()
    found = {"output.decays": torch.tensor(decays, dtype=torch.float64)}
    for name, shadow in zip(shapes, state.pop("shadow_params"), strict=True):
        found |= {f"input.begin.{name}": begin[name], f"input.change.{name}": change[name], f"output.shadow.{name}": shadow}
    return training_runs.write(folder, "EMAModel", found, {"config": arguments, "state": state})


def snr(folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    scheduler = DDPMScheduler(**arguments)
    scheduler.save_config(folder)
    found = {"output.snr": compute_snr(scheduler, torch.arange(scheduler.config.num_train_timesteps))}
    return training_runs.write(folder, "compute_snr", found, arguments)


def adamw(folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """A hundred steps with given gradients, of the usual and the fused implementation."""
    generator = torch.Generator().manual_seed(4)
    shapes = {"weight": (17, 9), "bias": (17,), "scale": ()}
    found, results = {}, {}
    for name, shape in shapes.items():
        found[f"input.param.{name}"] = torch.randn(shape, generator=generator)
        found[f"input.grad.{name}"] = torch.randn((100, *shape), generator=generator) * torch.rand((100,) + (1,) * len(shape), generator=generator)
    for kind in ("plain", "fused"):
        parameters = {name: nn.Parameter(found[f"input.param.{name}"].clone()) for name in shapes}
        optimizer = torch.optim.AdamW(parameters.values(), **arguments, **({"fused": True} if kind == "fused" else {}))
        for step in range(100):
            for name, parameter in parameters.items():
                parameter.grad = found[f"input.grad.{name}"][step].clone()
            optimizer.step()
        for name, parameter in parameters.items():
            results[f"output.{kind}.{name}"] = parameter
            for part, value in optimizer.state[parameter].items():
                results[f"output.{kind}.{name}.{part}"] = value
    return training_runs.write(folder, "AdamW", found | results, arguments)


def clip(folder: Path) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(8)
    found, norms = {}, []
    for max_norm in (0.5, 100.0):
        parameters = [nn.Parameter(torch.zeros(shape)) for shape in ((7, 3), (11,), ())]
        for i, parameter in enumerate(parameters):
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            found[f"input.{max_norm}.{i}"] = parameter.grad.clone()
        norms.append(nn.utils.clip_grad_norm_(parameters, max_norm).item())
        found |= {f"output.{max_norm}.{i}": parameter.grad for i, parameter in enumerate(parameters)}
    found["output.norms"] = torch.tensor(norms, dtype=torch.float64)
    return training_runs.write(folder, "clip_grad_norm_", found, {})


def draws(folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """By torch's own generator, as the script draws, with its own lines."""
    latents = torch.zeros(3, 4, 6, 5)
    torch.manual_seed(21)
    noise = torch.randn_like(latents)
    if arguments.get("noise_offset"):
        noise += arguments["noise_offset"] * torch.randn((3, 4, 1, 1))
    added = noise
    if arguments.get("input_perturbation"):
        added = noise + arguments["input_perturbation"] * torch.randn_like(noise)
    found = {"output.noise": noise, "output.added_noise": added, "output.timesteps": torch.randint(0, 1000, (3,))}
    return training_runs.write(folder, "draws", found, {"seed": 21, **arguments})


def losses(folder: Path) -> dict[str, Any]:
    unet = training_runs.small_unet()
    unet.save_pretrained(folder / "unet")
    generator = torch.Generator().manual_seed(9)
    latents = torch.randn(4, 4, 8, 8, generator=generator)
    text = torch.randn(4, training_runs.TOKENS, 32, generator=generator)
    drawn = training_runs.draw_noise(latents, 1000, {"input_perturbation": 0.1}, generator)
    found = {"input.latents": latents, "input.text": text}
    found |= dict(zip(("input.noise", "input.added_noise", "input.timesteps"), drawn, strict=True))
    for kind in ("epsilon", "v_prediction", "sample"):
        scheduler = DDPMScheduler(**training_runs.NOISE, prediction_type=kind)
        for gamma in (None, 5.0, 0.5):
            unet.zero_grad()
            loss = training_runs.diffusion_loss(unet, scheduler, latents, drawn, text, gamma)
            loss.backward()
            found[f"output.{kind}.{gamma or 'none'}"] = loss
            found[f"grad.{kind}.{gamma or 'none'}"] = unet.conv_in.weight.grad
    scheduler.save_config(folder / "scheduler")
    return training_runs.write(folder, "diffusion_loss", found, {})


def write(folder: Path) -> Iterator[dict[str, Any]]:
    for name, arguments in RATES.items():
        yield rates(folder / f"rate_{name}", name, arguments)
    for name, arguments in EDGES.items():
        yield rates(folder / f"rate_{name}_edge", name, arguments)
    for i, arguments in enumerate(EMAS):
        yield ema(folder / f"ema_{i}", arguments)
    for name, arguments in {
        "linear": {},
        "scaled": training_runs.NOISE,
        "cosine": {"beta_schedule": "squaredcos_cap_v2"},
        "zero": {"rescale_betas_zero_snr": True},
    }.items():
        yield snr(folder / f"snr_{name}", arguments)
    for i, arguments in enumerate(ADAMS):
        yield adamw(folder / f"adamw_{i}", arguments)
    yield clip(folder / "clip")
    for i, arguments in enumerate(({}, {"noise_offset": 0.1}, {"input_perturbation": 0.1}, {"noise_offset": 0.05, "input_perturbation": 0.2})):
        yield draws(folder / f"draws_{i}", arguments)
    yield losses(folder / "losses")
    yield from training_runs.runs(folder)
