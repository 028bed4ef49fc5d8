"""The decoder is integers only, and the compiler checks it.

Every source of the core, without the vector kernels, is compiled with ``-mgeneral-regs-only``: code
that needs a floating-point or vector register is then an error. GCC calls a soft-float function for
the little that needs none (a comparison of two floats in memory), so the undefined symbols of the
objects are checked too.
"""

import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CSRC = Path(__file__).resolve().parents[2] / "csrc"
FOLDERS = ("base", "bitstream", "entropy", "cuda", "nn", "codec")
SOURCES = sorted(source for folder in FOLDERS for source in (CSRC / folder).glob("*.cpp"))

# libgcc's soft-float functions: __addsf3, __floatsidf, __fixdfsi, __extendsfdf2, __ltsf2 ...
SOFT_FLOAT = re.compile(r"__\w*?(?:hf|sf|df|xf|tf)(?:[sd]i|[shdxt]f)?\d?\b")

pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not (shutil.which("g++") and shutil.which("nm")),
    reason="the check needs g++ and nm for x86-64",
)


def float_faults(source: Path, *, folder: Path) -> str:
    """Compile one file; what speaks against it, or an empty string."""
    output = folder / f"{source.parent.name}-{source.stem}.o"
    command = ["g++", "-std=c++20", "-O2", "-mgeneral-regs-only", "-Wno-psabi"]
    command += [f"-I{CSRC}", "-c", str(source), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"{source.name}: {done.stderr}"
    symbols = subprocess.run(["nm", "-u", output], capture_output=True, text=True, check=True)
    called = SOFT_FLOAT.findall(symbols.stdout)
    return f"{source.name} calls {', '.join(called)}" if called else ""


def test_the_list_of_sources_is_plausible():
    names = {source.name for source in SOURCES}
    assert {"decode_picture.cpp", "range_decoder.cpp", "conv_scalar.cpp", "container.cpp"} <= names


def test_the_core_compiles_without_float_registers(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        faults = list(pool.map(lambda source: float_faults(source, folder=tmp_path), SOURCES))
    assert not any(faults), "\n".join(filter(None, faults))


@pytest.mark.parametrize(
    "addition",
    [
        "int added(int value) { return static_cast<int>(value * 0.5f); }",
        "int added(const double* a) { return a[0] < a[1]; }",
        "double added(long value);\nvoid call() { added(1); }",
    ],
    ids=["arithmetic", "comparison", "call"],
)
def test_a_float_operation_is_noticed(tmp_path, addition):
    source = tmp_path / "crc32.cpp"
    source.write_text(
        (CSRC / "base" / "crc32.cpp").read_text() + f"\nnamespace samebits {{\n{addition}\n}}\n"
    )
    assert float_faults(source, folder=tmp_path)


def test_the_unchanged_copy_passes(tmp_path):
    source = tmp_path / "crc32.cpp"
    source.write_text((CSRC / "base" / "crc32.cpp").read_text())
    assert float_faults(source, folder=tmp_path) == ""
