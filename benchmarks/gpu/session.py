"""A few minutes of a GPU in one command: builds, tests, trains, times, and stops by itself.

    python benchmarks/gpu/session.py --out FOLDER --minutes 9.5 --data shards

README.md beside this says what to prepare and what comes home. ``--dry-run`` goes the same way on a
CPU with tiny sizes. The exit code is 0 only if everything asked for ran.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from delivery import bring_logs, bring_weights
from parts import Outcome, Part, last_lines, run_part, skipped
from plan import GROUPS, REPOSITORY, Options, Step, session_steps
from summary import Summary

SNAPSHOTS = ("training/hot.ckpt", "training/default.ckpt")
CLOSING_SECONDS = 10.0
"""Kept for writing the results."""
REST_SHARE = 0.3
"""Of the session that parts before training leave to it, however long they take."""
LEAST_SECONDS = 3.0
"""A part that would get less is not begun."""
CUDA_PROGRAMS = "/usr/local/cuda/bin"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM)
LOOK = """
import json, sys, PIL, PIL.features, torch
found = {"python": sys.version.split()[0], "torch": torch.__version__, "pillow": PIL.__version__}
found["AVIF in Pillow"] = PIL.features.check("avif")
if torch.cuda.is_available():
    found["gpu"] = torch.cuda.get_device_name()
    found["capability"] = list(torch.cuda.get_device_capability())
print(json.dumps(found))
"""
TINY = {"width": 16, "analysis_blocks": 1, "synthesis_blocks": 1, "latent_blocks": 1}
TINY |= {"latent_channels": 16, "hyper_channels": 8, "hyper_features": 8, "context_channels": 16}
TINY |= {"entropy_width": 16, "groups": [2, 6, 8], "phase_groups": [4, 4, 4, 4]}


class Ended(BaseException):
    """A signal, or the end of the time, in the midst of a session."""


class Session:
    """Runs steps within a time and writes what became of them.

    Parameters
    ----------
    options : what is asked for. begin : ``time.monotonic()`` when the time began.
    machine : what is known of the machine, for the summary.
    """

    def __init__(self, options: Options, *, begin: float, machine: dict) -> None:
        self.options = options
        self.begin = begin
        self.logs = options.work / "logs"
        self.summary = Summary(options.minutes, machine)

    @property
    def left(self) -> float:
        """Seconds for parts."""
        return self.begin + 60 * self.options.minutes - CLOSING_SECONDS - time.monotonic()

    def run(self, steps: Sequence[Step]) -> Summary:
        """All steps in order; returns what was also written."""
        options = self.options
        options.out.mkdir(parents=True, exist_ok=True)
        _clean(self.logs, "*.log")
        _clean(options.timings, "*.json")
        _clean(options.work, "hot.ckpt")
        try:
            for number, step in enumerate(steps):
                self._add(self._outcome(step, steps[number + 1 :]))
                if step.name == "snapshot":
                    self.summary.results = bring_weights(options)
        except Ended as ended:
            self.summary.ended_by = str(ended)
            known = {part.name for part in self.summary.outcomes}
            for step in steps:
                if step.name not in known:
                    self._add(skipped(step.name, f"the session was ended by {ended}"))
            self.summary.results = bring_weights(options)
        bring_logs(options, self.logs)
        self._write()
        return self.summary

    def _outcome(self, step: Step, later: Sequence[Step]) -> Outcome:
        if step.left_out:
            return Outcome(step.name, "left out", step.left_out)
        missing = [name for name in step.needs if self.summary.status_of(name) != "ran"]
        if missing:
            return skipped(step.name, f"{' and '.join(missing)} did not run")
        seconds = self._seconds_of(step, later)
        least = step.seconds if step.takes_rest else min(step.seconds, LEAST_SECONDS)
        if seconds < least:
            return skipped(step.name, f"only {max(0, seconds):.0f} s were left for it")
        print(f"{step.name}: at most {seconds:.0f} s", flush=True)
        part = Part(step.name, step.command(seconds), seconds, step.good_codes)
        environment = _environment(self.options)
        return run_part(part, self.logs, folder=REPOSITORY, environment=environment)

    def _seconds_of(self, step: Step, later: Sequence[Step]) -> float:
        wanted = [other for other in later if not other.left_out]
        if step.takes_rest:
            return self.left - sum(other.seconds for other in wanted)
        greedy = [n for n, other in enumerate(wanted) if other.takes_rest]
        if not greedy:
            return min(step.seconds, self.left)
        after = sum(other.seconds for other in wanted[greedy[0] + 1 :])
        kept = REST_SHARE * 60 * self.options.minutes + after
        return min(step.seconds, self.left - kept)

    def _add(self, outcome: Outcome) -> None:
        self.summary.outcomes.append(outcome)
        print(f"{outcome.name}: {outcome.status} {outcome.why}", flush=True)
        self._write()

    def _write(self) -> None:
        self.summary.seconds = time.monotonic() - self.begin
        self.summary.write(self.options.out)


def _environment(options: Options) -> dict[str, str]:
    """The package of this checkout comes first, then what was carried along as wheels.

    A dry run takes the package that is installed if the one here has not been built.
    """
    package = REPOSITORY / "python"
    is_built = any((package / "samebits").glob("_core*.so"))
    paths = [str(package)] if is_built or not options.dry_run else []
    paths.append(str(options.work / "site"))
    paths += [path for path in [os.environ.get("PYTHONPATH", "")] if path]
    # CMake and ninja may be packages of this Python, and nvcc may lie where its installer puts it.
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", ""), CUDA_PROGRAMS]
    variables = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    variables["PATH"] = os.pathsep.join(programs)
    if options.dry_run:
        variables["OMP_NUM_THREADS"] = "1"  # tiny layers are slower with more
    return {**os.environ, **variables}


def _clean(folder: Path, pattern: str) -> None:
    """An earlier session in the same folder is not reported again."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(pattern):
        path.unlink()


def look_at_machine(work: Path) -> dict:
    """Versions, and the GPU if torch finds one; empty if torch cannot be asked within 90 s."""
    part = Part("machine", [sys.executable, "-c", LOOK], 90)
    outcome = run_part(part, work, folder=REPOSITORY, environment=dict(os.environ))
    return json.loads(last_lines(work / "machine.log")[-1]) if outcome.status == "ran" else {}


def architecture_of(capability: Sequence[int]) -> str:
    """CMake's name of a GPU's architecture; that of Hopper has instructions of its own."""
    number = "".join(map(str, capability))
    return f"{number}a-real" if number == "90" else f"{number}-real"


def make_tiny(work: Path) -> Path:
    """Config and pictures of a dry run; returns the folder of the pictures."""
    import numpy as np
    from PIL import Image

    folder = work / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    (work / "tiny.json").write_text(json.dumps(TINY))
    random = np.random.default_rng(1)
    for n in range(6):
        coarse = random.integers(0, 256, (20, 20, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(folder / f"{n}.png")
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--minutes", type=float, default=9.5, help="of all of it (default 9.5)")
    parser.add_argument("--data", type=Path, help="pictures or shards; without, nothing is trained")
    parser.add_argument("--snapshot", type=Path, help=f"default: {' or '.join(SNAPSHOTS)}")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install first")
    parser.add_argument("--work", type=Path, default=REPOSITORY / "build" / "gpu")
    parser.add_argument("--parts", default=",".join(GROUPS), help="default: all, %(default)s")
    parser.add_argument("--batch", type=int, default=96, help="crops of a step (default 96)")
    parser.add_argument("--crop", type=int, default=256, help="pixels (default 256)")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--dry-run", action="store_true", help="tiny, on the CPU")
    return parser


def _options(arguments: argparse.Namespace, machine: dict) -> Options:
    """What is asked for, paths absolute.

    Raises
    ------
    ValueError
        With a sentence.
    """
    groups = tuple(arguments.parts.split(","))
    if not set(groups) <= set(GROUPS):
        raise ValueError(f"--parts {arguments.parts}: give some of {','.join(GROUPS)}")
    data, snapshot = arguments.data, arguments.snapshot
    if snapshot is None:
        found = [REPOSITORY / name for name in SNAPSHOTS if (REPOSITORY / name).exists()]
        snapshot = found[0] if found else REPOSITORY / SNAPSHOTS[0]
    if data and not arguments.dry_run and not snapshot.exists():
        raise ValueError(f"there is no snapshot {snapshot}: give --snapshot")
    work = arguments.work.resolve()
    dry = arguments.dry_run
    return Options(
        out=arguments.out.resolve(),
        work=work,
        minutes=arguments.minutes,
        data=make_tiny(work) if dry else data and data.resolve(),
        snapshot=snapshot.resolve(),
        wheels=arguments.wheels and arguments.wheels.resolve(),
        batch=2 if dry else arguments.batch,
        crop=64 if dry else arguments.crop,
        learning_rate=arguments.learning_rate,
        precision=arguments.precision,
        groups=groups,
        architecture=architecture_of(machine.get("capability", (9, 0))),
        dry_run=dry,
    )


def _end(number: int, _: object) -> None:
    raise Ended(signal.Signals(number).name)


def main(words: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    begin = time.monotonic()
    arguments = _parser().parse_args(words)
    for number in SIGNALS:
        signal.signal(number, _end)
    arguments.work.mkdir(parents=True, exist_ok=True)
    machine = look_at_machine(arguments.work)
    if not arguments.dry_run and "gpu" not in machine:
        print("session.py: torch finds no GPU here (--dry-run does without)", file=sys.stderr)
        return 1
    try:
        options = _options(arguments, machine)
    except ValueError as error:
        print(f"session.py: {error}", file=sys.stderr)
        return 1
    # The last resort: parts have limits of their own.
    left = begin + 60 * options.minutes - 5 - time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, max(1.0, left))
    summary = Session(options, begin=begin, machine=machine).run(session_steps(options))
    signal.setitimer(signal.ITIMER_REAL, 0)
    print("\n" + summary.text())
    return 0 if summary.is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
