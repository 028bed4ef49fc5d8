"""What a GPU session runs: its steps with their command lines and times, in order."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GROUPS = ("build", "tests", "timings", "training")
EXIT_INTERRUPTED = 130
"""Of ``samebits train`` when SIGTERM made it save and stop."""
START_SECONDS, END_SECONDS = 35.0, 20.0
"""Of training: until the first step (pictures are decoded), and after the last one."""
CUDA_TESTS = ("cuda_decode", "cuda_dense_conv", "cuda_network", "cuda_range_decoder")
IMPORT_CORE = "import samebits._core as core; print('_core is there:', core.__file__)"
COUNT_DEVICES = """
from samebits import _core
assert _core.cuda_device_count() > 0, "samebits finds no CUDA device, or was built without nvcc"
"""


@dataclass(frozen=True)
class Options:
    """What ``session.py`` is asked for.

    Attributes
    ----------
    out : folder of the results. work : folder of everything else, kept between sessions.
    minutes : time of the whole session. data : pictures or shards, None for no training.
    snapshot : checkpoint to begin with. batch, crop, learning_rate, precision : of training.
    groups : those of GROUPS that are wanted. architecture : of the GPU, for CMake.
    dry_run : tiny sizes, on the CPU.
    """

    out: Path
    work: Path
    minutes: float
    data: Path | None
    snapshot: Path
    wheels: Path | None
    batch: int
    crop: int
    learning_rate: float
    precision: str
    groups: tuple[str, ...]
    architecture: str
    dry_run: bool

    @property
    def timings(self) -> Path:
        """Folder of the JSON files of the timings."""
        return self.work / "timings"

    @property
    def run(self) -> Path:
        """Folder of the training run."""
        return self.work / "run"


@dataclass(frozen=True)
class Step:
    """A part that is still to come.

    Attributes
    ----------
    command : the words, when told how many seconds it gets. seconds : at most.
    takes_rest : it gets all seconds but those of the steps after it, and at least ``seconds``.
    needs : names of steps without whose success it is skipped.
    left_out : why it is not wanted in this session; empty if it is.
    """

    name: str
    group: str
    command: Callable[[float], list[str]]
    seconds: float
    needs: tuple[str, ...] = ()
    takes_rest: bool = False
    good_codes: tuple[int, ...] = (0,)
    left_out: str = ""


def python(*words: object) -> Callable[[float], list[str]]:
    """A command of this interpreter, whatever time it gets."""
    return lambda seconds: [sys.executable, *map(str, words)]


def session_steps(options: Options) -> list[Step]:
    """All steps; what a session does not want is marked."""
    steps = [*_wheels(options), *_build(options), *_tests(options)]
    # Training is last: what the parts before it leave of their limits is its own.
    steps += [*_timings(options), *_training(options)]
    return [_marked(step, options) for step in steps]


def _marked(step: Step, options: Options) -> Step:
    why = step.left_out
    if step.group and step.group not in options.groups:
        why = f"not among --parts {','.join(options.groups)}"
    return replace(step, left_out=why)


def _wheels(options: Options) -> list[Step]:
    if options.wheels is None:
        return []
    wheels = sorted(map(str, options.wheels.glob("*.whl")))
    words = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    words += ["--upgrade", "--target", options.work / "site", *wheels]
    return [Step("wheels", "", python(*words), 60)]


def _build(options: Options) -> list[Step]:
    """The module and its check; the GPU module is checked on its own."""
    folder = options.work / "cmake"
    dry = "the dry run takes the module that is there" if options.dry_run else ""
    no_gpu = "the dry run has no GPU" if options.dry_run else ""
    words = ["cmake", "-S", str(REPOSITORY), "-B", str(folder), "-G", "Ninja"]
    words += ["-DSAMEBITS_PYTHON=ON", "-DSAMEBITS_INPLACE=ON", "-DSAMEBITS_CUDA=AUTO"]
    words += ["-DSAMEBITS_TESTS=ON", "-DSAMEBITS_CUDA_TESTS=GPU", "-DCMAKE_BUILD_TYPE=Release"]
    words += [f"-DPython_EXECUTABLE={sys.executable}"]
    words += [f"-DCMAKE_CUDA_ARCHITECTURES={options.architecture}"]
    build = _cmake_build(folder, ("_core", "_cuda"))
    return [
        Step("configure", "build", lambda seconds: words, 60, left_out=dry),
        Step("build", "build", build, 240, needs=("configure",), left_out=dry),
        Step("core", "", python("-c", IMPORT_CORE), 60),
        Step("gpu_module", "", python("-c", COUNT_DEVICES), 60, ("core",), left_out=no_gpu),
    ]


def _cmake_build(folder: Path, targets: tuple[str, ...]) -> Callable[[float], list[str]]:
    """What fails does not keep the other targets from being built (-k 0)."""
    words = ["cmake", "--build", str(folder), "--target", *targets, "--", "-k", "0"]
    return lambda seconds: words


def _tests(options: Options) -> list[Step]:
    folder = options.work / "cmake"
    dry = "the dry run builds nothing" if options.dry_run else ""
    ctest = ["ctest", "--test-dir", str(folder / "tests" / "cuda"), "--output-on-failure"]
    ctest += ["--no-tests=error", "--timeout", "60"]
    file = REPOSITORY / "tests" / "python" / "test_cuda.py"
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", file]
    return [
        Step("build_tests", "tests", _cmake_build(folder, CUDA_TESTS), 100, left_out=dry),
        Step("ctest", "tests", lambda s: ctest, 90, needs=("build_tests",), left_out=dry),
        Step("test_cuda", "tests", python(*words), 120, needs=(_module(options),)),
    ]


def _module(options: Options) -> str:
    """The step that says whether the GPU can be used."""
    return "core" if options.dry_run else "gpu_module"


def _training(options: Options) -> list[Step]:
    why = "" if options.data else "no --data"

    def train(seconds: float) -> list[str]:
        return training_command(options, seconds)

    slim = ["-m", "samebits.learn.training.slim", "--half"]
    slim += [options.run / "last.ckpt", options.work / "hot.ckpt"]
    codes = (0, EXIT_INTERRUPTED)
    least = 30 if options.dry_run else START_SECONDS + END_SECONDS + 20
    # Also a training that failed may have saved; slim says whether it did.
    return [
        Step("train", "training", train, least, ("core",), True, good_codes=codes, left_out=why),
        Step("snapshot", "training", python(*slim), 20, ("core",), left_out=why),
    ]


def training_command(options: Options, seconds: float) -> list[str]:
    """The hot run, which ends by itself within the seconds."""
    words: list[object] = ["-m", "samebits", "train", "--hot", "--data", options.data]
    words += ["--out", options.run, "--batch", options.batch, "--crop", options.crop]
    words += ["--optimizer", "soap", "--learning-rate", options.learning_rate]
    if options.dry_run:
        words += ["--config", options.work / "tiny.json", "--device", "cpu", "--late-crop", 64]
        words += ["--precision", "fp32", "--stop-after", 0.01]
    else:
        minutes = (seconds - START_SECONDS - END_SECONDS) / 60
        # Crops of 384 pixels are what hot runs on CPUs are validated on.
        words += ["--start-from", options.snapshot, "--device", "cuda", "--late-crop", 384]
        words += ["--precision", options.precision, "--validate-every", 2, "--save-every", 1]
        words += ["--stop-after", f"{minutes:.2f}"]
    return python(*words)(seconds)


def _timings(options: Options) -> list[Step]:
    here = REPOSITORY / "benchmarks"
    decode = [here / "kernels" / "cuda_decode.py", "--seconds", 3]
    decode += ["--json", options.timings / "cuda_decode.json"]
    codec = ["-m", "samebits", "bench", "codec", "--quick", "--peers", "none"]
    codec += ["--out", options.timings / "codec.json"]
    speed = [here / "gpu" / "training_speed.py", "--json", options.timings / "training.json"]
    speed += ["--data", options.data, "--work", options.work / "speed"]
    if options.dry_run:
        model = REPOSITORY / "tests" / "golden" / "tiny" / "tiny.safetensors"
        codec += ["--size", "128x128", "--model", model, "--threads", 1]
        speed += ["--config", options.work / "tiny.json", "--batches", "1,2", "--crop", 64]
        speed += ["--seconds", 0, "--device", "cpu"]
    else:
        codec += ["--threads", "1,8", "--repeats", 6]
        speed += ["--start-from", options.snapshot, "--batches", "16,64,128", "--crop", 256]
        speed += ["--seconds", 6, "--device", "cuda"]
    no_gpu = "the dry run has no GPU" if options.dry_run else ""
    no_data = "" if options.data else "no --data"
    return [
        Step("time_decoding", "timings", python(*decode), 70, ("gpu_module",), left_out=no_gpu),
        Step("time_codec", "timings", python(*codec), 40, ("core",)),
        Step("time_training", "timings", python(*speed), 60, ("core",), left_out=no_data),
    ]
