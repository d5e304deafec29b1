"""A pass of a diffusion model's UNet or decoder in xattn and in its peers, side by side: python unet.py --help

The weights are random and made once, in float32, by diffusers. Contenders take turns; in each a new process loads,
makes a first pass and two more, the last of which counts. Results are compared with diffusers'. README.md tells
what the columns mean. Exit codes: 0 done, 1 a contender failed, or xattn differs, 2 bad usage, 130 interrupted.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contenders import versions
from process import GIB, ROOT, Disturbance, end_on_sigterm, finish, has_avx512, interrupted, log, processor, scratch
from unet_contenders import DIFFUSERS, HELD, KERNELS, NAMES, PREPARED, Conditions, Contender, choose, read_files
from unet_models import MODELS, Case

PASSES = 3
TOLERANCE = 1e-5  # of the largest output, for xattn
DISTURBED = 0.05  # of the machine, by other processes


@dataclass(frozen=True)
class Turn:
    """Seconds of the last pass and of all before the second, bytes, and the difference from diffusers' result over its
    largest value."""

    seconds: float
    start: float
    peak: int
    difference: float


@dataclass
class Found:
    turns: dict[str, list[Turn]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    foreign_load: float = 0.0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0].split(":")[0] + ".")
    shapes = "; ".join(f"{name}: {model.about}" for name, model in MODELS.items())
    parser.add_argument("--model", choices=MODELS, default="sd15", help=f"{shapes} (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=1, help="latents; guidance takes two")
    parser.add_argument("--size", type=int, default=64, help="height and width of a latent, a multiple of 8 (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", default=",".join(NAMES), help="default: %(default)s, those that are here")
    parser.add_argument("--kernels", default=",torch", help="kinds of XATTN_CPU_KERNELS, comma-separated; '' is xattn's choice")
    parser.add_argument("--isa", choices=HELD, default="", help="hold everybody to an older processor's instructions")
    parser.add_argument("--unheld", action="store_true", help="with --isa, measure those too that cannot be held to it")
    parser.add_argument("--folder", type=Path, help="where models and exports are kept; they are made if they are not there")
    parser.add_argument("--xattn", type=Path, default=ROOT / "build/release/bin/xattn")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(argv)
    options.contenders, options.kernels = options.contenders.split(","), options.kernels.split(",")
    if min(options.threads, options.rounds, options.batch, options.size) < 1 or options.size % 8:
        parser.error("--threads, --rounds, --batch: expected 1 or more; --size: a multiple of 8")
    known = [kind for kind in KERNELS if not (options.isa and kind == "avx512")]
    for option, allowed in (("contenders", NAMES), ("kernels", known)):
        if unknown := set(getattr(options, option)) - set(allowed):
            names = ", ".join(name or "''" for name in allowed)
            parser.error(f"--{option}: expected some of {names}, got {', '.join(sorted(unknown))}")
    return options


def difference(expected: Path, actual: Path) -> float:
    """The largest, over the largest value that is expected."""
    import numpy as np
    from safetensors.numpy import load_file

    wanted, found = (load_file(path)["sample"].astype(np.float64) for path in (expected, actual))
    if wanted.shape != found.shape:
        raise RuntimeError(f"its result has shape {list(found.shape)}, expected {list(wanted.shape)}")
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def take_turn(contender: Contender, conditions: Conditions) -> Turn:
    """One process of a contender; its files are read before, so that it need not wait for a disk."""
    case = conditions.case
    read_files(contender.files(case))
    output = case.home / f"{contender.name}.safetensors"
    output.unlink(missing_ok=True)
    finished = finish(contender.command(conditions, PASSES, output), contender.environment(conditions))
    try:
        seconds = json.loads(finished.out[finished.out.index("{") :])["seconds"]
        _, *later = seconds
        turn = Turn(seconds[-1], finished.wall - sum(later), finished.peak, difference(case.expected, output))
    except (ValueError, KeyError, OSError) as error:
        raise RuntimeError(f"expected JSON with seconds, and a result: {type(error).__name__}: {error}") from error
    if contender.ours and not turn.difference <= TOLERANCE:
        raise RuntimeError(f"differs from diffusers by {turn.difference:.1e} of the largest output, allowed {TOLERANCE:.0e}")
    return turn


def prepare(contenders: Sequence[Contender], conditions: Conditions, found: Found) -> None:
    """The model, what diffusers computes, and the forms that the others read: none of it is timed."""
    case, environment = conditions.case, conditions.environment()
    if not (case.weights.exists() and case.inputs.exists()):
        log(f"making {case.model.about}")
        finish(conditions.worker("make"), environment)
    if not case.expected.exists():
        log("computing what is expected")
        finish(DIFFUSERS.command(conditions, 1, case.expected), environment)
    for contender in contenders:
        log(f"preparing {contender.name}")
        try:
            for command in contender.preparations(conditions):
                finish(command, environment)
        except RuntimeError as error:
            found.failed[contender.name] = f"preparation: {error}"


def measure(contenders: Sequence[Contender], conditions: Conditions, rounds: int, found: Found) -> None:
    """A B C … A B C …; a contender that fails is out, and the others go on."""
    disturbance = Disturbance()
    for number in range(1, rounds + 1):
        for contender in contenders:
            if contender.name in found.failed:
                continue
            log(f"round {number} of {rounds}: {contender.name}")
            try:
                turn = take_turn(contender, conditions)
            except RuntimeError as error:
                found.failed[contender.name] = str(error)
                if contender.ours:
                    return
                continue
            finally:
                found.foreign_load = disturbance.share()
            found.turns.setdefault(contender.name, []).append(turn)


def ratios(found: Found, name: str, base: str) -> list[float]:
    """Of the passes within a round."""
    return [a.seconds / b.seconds for a, b in zip(found.turns[name], found.turns[base], strict=True)]


def verdict(found: Found, ours: str, peers: Sequence[str]) -> str:
    """What the fastest peer takes, with the least and the most of the rounds."""
    fastest = min(peers, key=lambda name: statistics.median(ratios(found, name, ours)))
    times = ratios(found, fastest, ours)
    return f"the fastest peer, {fastest}, takes {statistics.median(times):.2f} times {ours} ({min(times):.2f}–{max(times):.2f})"


def table(found: Found, base: str) -> str:
    """Medians, and medians of the ratios within a round to the one named `base`."""
    lines = [f"{'':<22}{'pass s':>9}{'times ' + base:>13}{'load + first s':>16}{'peak GiB':>10}{'difference':>12}"]
    for name, turns in found.turns.items():
        if name in found.failed:
            continue
        seconds, start = (statistics.median(getattr(turn, key) for turn in turns) for key in ("seconds", "start"))
        peak = max(turn.peak for turn in turns) / GIB
        largest = max(turn.difference for turn in turns)
        ratio = statistics.median(ratios(found, name, base))
        lines.append(f"{name:<22}{seconds:>9.2f}{ratio:>13.2f}{start:>16.2f}{peak:>10.2f}{largest:>12.1e}")
    lines += [f"{name:<22}  {why}" for name, why in found.absent.items()]
    lines += [f"{name:<22}  failed: {why.splitlines()[-1]}" for name, why in found.failed.items()]
    return "\n".join(lines)


def notes(contenders: Sequence[Contender], conditions: Conditions, found: Found) -> str:
    ours, peers = ([c.name for c in contenders if c.ours is kind and c.name not in found.failed] for kind in (True, False))
    judged = [name for name in dict.fromkeys((*ours[:1], PREPARED.name)) if name in ours and peers]
    lines = [verdict(found, name, peers) for name in judged] + [""] * bool(judged)
    lines += [f"{contender.name}: {contender.about}" for contender in contenders if contender.about]
    lines += [f"{peer.name} is not held: {peer.unheld}" for peer in contenders if peer.has_advantage(conditions)]
    if found.foreign_load > DISTURBED:
        lines.append(f"disturbed: other processes took {found.foreign_load:.0%} of the machine; run it again")
    return "\n".join(lines)


def to_json(options: argparse.Namespace, found: Found) -> dict[str, Any]:
    shape = {"model": options.model, "batch": options.batch, "size": options.size}
    conditions = {"machine": processor(), "threads": options.threads, "isa": options.isa, "versions": versions()}
    runs = {name: [vars(turn) for turn in turns] for name, turns in found.turns.items()}
    return {**shape, **conditions, "foreign_load": found.foreign_load, "turns": runs, "absent": found.absent, "failed": found.failed}


def run(options: argparse.Namespace, folder: Path) -> int:
    case = Case(folder, options.model, options.batch, options.size)
    conditions = Conditions(options.xattn, case, options.threads, options.isa, options.unheld)
    held = f", held to {options.isa.upper()}" if options.isa and has_avx512() else ""
    print(f"{processor()}, {options.threads} threads{held}\n{case.title}, {options.rounds} rounds\n", flush=True)
    wanted = choose(options.contenders, options.kernels)
    found = Found(absent={contender.name: why for contender in wanted if (why := contender.absence(conditions))})
    chosen = [contender for contender in wanted if contender.name not in found.absent]
    if not chosen:
        print(table(found, "nobody"))
        raise RuntimeError("nobody to measure")
    prepare(chosen, conditions, found)
    measure(chosen, conditions, options.rounds, found)
    log("")
    base = next((contender.name for contender in chosen if contender.name not in found.failed), "nobody")
    print(table(found, base), notes(chosen, conditions, found), sep="\n\n")
    if options.json:
        options.json.write_text(json.dumps(to_json(options, found), indent=2) + "\n")
    for name, why in found.failed.items():
        print(f"unet.py: {name}: {why}", file=sys.stderr)
    return 1 if found.failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    end_on_sigterm()
    try:
        with scratch(options.folder) as folder:
            return run(options, folder.resolve())
    except RuntimeError as error:
        print(f"unet.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return interrupted()


if __name__ == "__main__":
    sys.exit(main())
