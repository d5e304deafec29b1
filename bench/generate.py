"""A picture by Stable Diffusion's pipeline in xattn and in its peers, side by side: python generate.py --help

The pipeline has Stable Diffusion 1.5's shape and random weights (1.07 G parameters, 4.3 GB on disk while this
runs, or kept with --folder). Contenders take turns, each picture in a process of its own; a round counts as one
picture of each, after one that does not count. README.md tells what the columns mean. xattn's picture is compared
with diffusers'. Exit codes: 0 done, 1 a contender failed or differs, 2 bad usage.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import process
from contenders import not_installed
from process import GIB, ROOT, processor

sys.path.insert(0, str(ROOT / "tests/full_size"))
from full_size_pipeline_test import PROMPT, TOLERANCE, difference, xattn_command  # noqa: E402

MAKER = ROOT / "tests/full_size/full_size_pipeline_test.py"
GUIDANCE = 7.5  # every contender is told, or has it as its default
COLUMNS = ("start", "denoise", "decode", "wall")


@dataclass(frozen=True)
class Run:
    """Seconds and bytes of one process; `start` is all that is neither steps nor decoding."""

    denoise: float
    decode: float
    wall: float
    peak: int

    @property
    def start(self) -> float:
        return self.wall - self.denoise - self.decode


@dataclass(frozen=True)
class Task:
    folder: Path
    steps: int
    size: int
    threads: int
    prompt: str = PROMPT


@dataclass(frozen=True)
class Contender:
    """`absence` says why it cannot run here, None if it can; `stages` reads the seconds of the steps and of decoding
    from what its process printed, on stdout and on stderr."""

    name: str
    absence: Callable[[argparse.Namespace], str | None]
    command: Callable[[argparse.Namespace, Task], list[str]]
    stages: Callable[[str, str], tuple[float, float]]


def stages_of_json(out: str, _: str) -> tuple[float, float]:
    """As `xattn generate --json` and our workers print them."""
    if not (begin := re.search(r"^\{", out, re.MULTILINE)):
        raise ValueError(f"no JSON in what it printed: {out[-300:]!r}")
    stages = json.JSONDecoder().raw_decode(out, begin.start())[0]["stages"]
    return stages["denoise"], stages["decode"]


def stages_of_log(out: str, err: str) -> tuple[float, float]:
    """As stable-diffusion.cpp logs them."""
    found = []
    for what in ("sampling completed", "decode_first_stage completed"):
        if not (times := re.findall(what + r", taking ([0-9.]+) ?(m?s)", out + err)):
            raise ValueError(f"no line '{what}' in what it printed: {(out + err)[-300:]!r}")
        number, unit = times[-1]
        found.append(float(number) / (1000 if unit == "ms" else 1))
    return found[0], found[1]


def xattn(options: argparse.Namespace, task: Task) -> list[str]:
    return xattn_command(options.xattn, task.folder, task.folder / "xattn.png", task.size, task.steps, task.prompt)


def diffusers(_: argparse.Namespace, task: Task) -> list[str]:
    command = [sys.executable, str(MAKER), "--step", "run", "--folder", str(task.folder), "--prompt", task.prompt]
    return [*command, "--size", str(task.size), "--steps", str(task.steps)]


def worker(name: str) -> Callable[[argparse.Namespace, Task], list[str]]:
    """This file again, as the process of a Python peer."""

    def command(options: argparse.Namespace, task: Task) -> list[str]:
        folder = options.openvino if name == "openvino" else task.folder / "pipeline"
        start = [sys.executable, __file__, "--worker", name, "--folder", str(folder), "--threads", str(task.threads)]
        return [*start, "--steps", str(task.steps), "--size", str(task.size)]

    return command


def sd(options: argparse.Namespace, task: Task) -> list[str]:
    """Its nearest to DDIM; guidance is two passes there, where others make one of two pictures."""
    command = [options.sd, "-m", str(task.folder / "pipeline"), "-p", task.prompt, "--type", "f32", "-s", "1"]
    command += ["--cfg-scale", str(GUIDANCE), "--sampling-method", "ddim_trailing", "--steps", str(task.steps)]
    command += ["-H", str(task.size), "-W", str(task.size), "-t", str(task.threads)]
    return [*command, "-o", str(task.folder / "sd.png")]


def xattn_absence(options: argparse.Namespace) -> str | None:
    return None if options.xattn.is_file() else f"not built: no {options.xattn}"


def sd_absence(options: argparse.Namespace) -> str | None:
    return None if options.sd else "not on the PATH: sd, sd-cli"


def openvino_absence(options: argparse.Namespace) -> str | None:
    if why := not_installed("openvino_genai"):
        return why
    can_convert = shutil.which("optimum-cli")
    return None if options.openvino or can_convert else "no converted folder: give --openvino, or install optimum-intel"


CONTENDERS = (
    Contender("xattn", xattn_absence, xattn, stages_of_json),
    Contender("diffusers", lambda _: not_installed("diffusers"), diffusers, stages_of_json),
    Contender("openvino", openvino_absence, worker("openvino"), stages_of_json),
    Contender("stable-diffusion.cpp", sd_absence, sd, stages_of_log),
    Contender("sd.cpp-python", lambda _: not_installed("stable_diffusion_cpp"), worker("sd.cpp-python"), stages_of_log),
)


def openvino_worker(options: argparse.Namespace) -> None:
    """OpenVINO GenAI's own figures, of one picture in float32."""
    import openvino_genai

    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    settings["INFERENCE_NUM_THREADS"] = options.threads
    pipe = openvino_genai.Text2ImagePipeline(str(options.folder), "CPU", **settings)
    size = {"width": options.size, "height": options.size}
    pipe.generate(PROMPT, **size, num_inference_steps=options.steps, guidance_scale=GUIDANCE, rng_seed=1)
    metrics = pipe.get_performance_metrics()
    first, others = metrics.get_first_and_other_iter_duration()
    milliseconds = {"denoise": first + others * (options.steps - 1), "decode": metrics.get_vae_decoder_infer_duration()}
    print(json.dumps({"stages": {name: value / 1000 for name, value in milliseconds.items()}}))


def sd_worker(options: argparse.Namespace) -> None:
    """stable-diffusion.cpp as a Python package; its log has the figures."""
    from stable_diffusion_cpp import StableDiffusion

    model = StableDiffusion(model_path=str(options.folder), wtype="f32", n_threads=options.threads)
    size = {"width": options.size, "height": options.size}
    settings = {"sample_method": "ddim_trailing", "sample_steps": options.steps, "cfg_scale": GUIDANCE, "seed": 1}
    model.generate_image(prompt=PROMPT, **size, **settings)


WORKERS = {"openvino": openvino_worker, "sd.cpp-python": sd_worker}


def measure(contender: Contender, options: argparse.Namespace, task: Task) -> Run:
    """One picture in a process of its own."""
    command = contender.command(options, task)
    environment = {**os.environ, "OMP_NUM_THREADS": str(task.threads)}
    try:
        finished = process.finish(command, environment)
        denoise, decode = contender.stages(finished.out, finished.err)
    except (RuntimeError, ValueError, KeyError) as error:
        raise RuntimeError(f"{contender.name}: {error}") from error
    return Run(denoise, decode, finished.wall, finished.peak)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    names = [contender.name for contender in CONTENDERS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(":")[0] + ".")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--size", type=int, default=512, help="pixels of a side; a multiple of 8")
    parser.add_argument("--contenders", default=",".join(names), help="default: %(default)s, those that are here")
    parser.add_argument("--folder", type=Path, help="where the pipeline is kept; made if it is not there")
    parser.add_argument("--openvino", type=Path, metavar="DIR", help="the pipeline as optimum-cli converts it, in fp32")
    parser.add_argument("--xattn", type=Path, default=ROOT / "build/release/bin/xattn")
    program = shutil.which("sd") or shutil.which("sd-cli")
    parser.add_argument("--sd", default=program, metavar="PROGRAM", help="that of stable-diffusion.cpp")
    parser.add_argument("--tiny", action="store_true", help="small models, to try this script")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--worker", choices=sorted(WORKERS), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if min(options.threads, options.rounds, options.steps, options.size) < 1 or options.size % 8:
        parser.error("--threads, --rounds, --steps: expected 1 or more; --size: a multiple of 8")
    if unknown := set(options.contenders.split(",")) - set(names):
        parser.error(f"--contenders: expected some of {', '.join(names)}, got {', '.join(sorted(unknown))}")
    return options


def prepare(options: argparse.Namespace, folder: Path, chosen: Sequence[Contender]) -> None:
    """The pipeline's folder, and OpenVINO's form of it where that is asked for."""
    if not (folder / "pipeline/model_index.json").is_file():
        tiny = ["--tiny"] if options.tiny else []
        subprocess.run([sys.executable, MAKER, "--step", "make", "--folder", folder, *tiny], check=True)
    if options.openvino or not any(contender.name == "openvino" for contender in chosen):
        return
    options.openvino = folder / "openvino"
    if not options.openvino.exists():
        command = ["optimum-cli", "export", "openvino", "--model", folder / "pipeline", "--weight-format", "fp32"]
        subprocess.run([*command, "--task", "text-to-image", options.openvino], check=True)


def check(folder: Path) -> None:
    """xattn's picture is diffusers'."""
    if (folder / "xattn.png").exists() and (folder / "python.png").exists():
        largest, _ = difference(folder / "python.png", folder / "xattn.png")
        if largest > TOLERANCE:
            raise RuntimeError(f"xattn: its picture differs from diffusers' by {largest} of 255, allowed {TOLERANCE}")


def table(found: dict[str, list[Run]]) -> str:
    """Medians, and the median of the ratios of the whole time within a round to the first contender's."""
    first, base = next(iter(found.items()))
    titles = "".join(f"{name + ' s':>11}" for name in COLUMNS)
    lines = [f"{'median':<22}{titles}{'peak GiB':>10}{'times ' + first:>17}"]
    for name, runs in found.items():
        medians = (statistics.median(getattr(run, column) for run in runs) for column in COLUMNS)
        peak = max(run.peak for run in runs) / GIB
        ratio = statistics.median(a.wall / b.wall for a, b in zip(runs, base, strict=True))
        figures = "".join(f"{value:>11.2f}" for value in medians)
        lines.append(f"{name:<22}{figures}{peak:>10.2f}{ratio:>17.2f}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    if options.worker:
        WORKERS[options.worker](options)
        return 0
    print(f"{processor()}, {options.threads} threads")
    size = f"{options.size}×{options.size}"
    print(f"StableDiffusionPipeline of 1.5's shape, {options.steps} steps, {size}, float32", flush=True)
    wanted = [contender for contender in CONTENDERS if contender.name in options.contenders.split(",")]
    absent = {contender.name: why for contender in wanted if (why := contender.absence(options))}
    for name, why in absent.items():
        print(f"{name}: {why}")
    chosen = [contender for contender in wanted if contender.name not in absent]
    if not chosen:
        print("generate.py: nobody to measure", file=sys.stderr)
        return 1
    found: dict[str, list[Run]] = {contender.name: [] for contender in chosen}
    try:
        with process.scratch(options.folder) as folder:
            for name in ("xattn.png", "python.png"):
                (folder / name).unlink(missing_ok=True)
            prepare(options, folder, chosen)
            task = Task(folder, options.steps, options.size, options.threads)
            for turn in range(options.rounds + 1):
                for contender in chosen:
                    run = measure(contender, options, task)
                    if turn:
                        found[contender.name].append(run)
                check(folder)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 1
    print(table(found))
    if options.json:
        runs = {name: [{"start": run.start, **vars(run)} for run in runs] for name, runs in found.items()}
        options.json.write_text(json.dumps({"machine": processor(), "runs": runs}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
