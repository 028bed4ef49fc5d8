"""Who may know whom: folders of csrc, headers of libraries, and torch.

base <- {bitstream, entropy, cuda <- nn} <- stability <- codec <- bindings, and
base <- training <- bindings
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CSRC = ROOT / "csrc"
PACKAGE = ROOT / "python" / "samebits"

# A folder may include its own headers and those of these folders.
MAY_INCLUDE = {
    "base": set(),
    "bitstream": {"base"},
    "entropy": {"base"},
    "cuda": {"base"},
    "nn": {"base", "cuda"},
    "stability": {"base", "bitstream", "entropy", "nn"},
    "codec": {"base", "bitstream", "entropy", "cuda", "nn", "stability"},
    "training": {"base"},
    "bindings": {"base", "bitstream", "entropy", "cuda", "nn", "stability", "codec", "training"},
}
# Headers that only some folders may include; torch's nobody.
LIBRARY_HEADERS = {
    r"(torch|ATen|c10|caffe2)/": set(),
    r"(pybind11/|Python\.h|numpy/)": {"bindings"},
    r"(cuda|cuda_runtime|cuda_fp16|mma|cublas\w*)\.h": {"cuda"},
}
# What would let floating point or the clock into the core, also where nothing is emitted.
NOT_IN_CORE = re.compile(r"(cmath|math\.h|cfloat|random|chrono|complex|unordered_map)$")
CORE = {"base", "bitstream", "entropy", "cuda", "nn", "stability", "codec"}

SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)
TORCH_RING = "learn"
BENCHMARKS = "evaluation/benchmarks/"
TORCH_MODULES = {"torch", "torchvision", "tensorboard", "safetensors", "pytorch_msssim"}


def include_faults(name: str, text: str) -> list[str]:
    """What is wrong with the includes of a source; `name` is its path below csrc."""
    folder = name.split("/")[0]
    if folder not in MAY_INCLUDE:
        return [f"csrc/{name}: the folder {folder} has no row in MAY_INCLUDE"]
    faults = []
    for quote, header in INCLUDE.findall(text):
        other = header.split("/")[0]
        if quote == '"':
            if "/" not in header:
                faults.append(f"csrc/{name} includes {header}; write its path below csrc")
            elif other in MAY_INCLUDE and other != folder and other not in MAY_INCLUDE[folder]:
                faults.append(f"csrc/{name} includes {header}; {folder} must not know {other}")
        for pattern, folders in LIBRARY_HEADERS.items():
            if re.match(pattern, header) and folder not in folders:
                faults.append(f"csrc/{name} includes {header}, which {folder} must not")
        if folder in CORE and NOT_IN_CORE.match(header):
            faults.append(f"csrc/{name} includes {header}, which the core must not")
    return faults


def import_faults(name: str, text: str) -> list[str]:
    """What is wrong with the imports of a module; `name` is its path below python/samebits."""
    if name.split("/")[0] == TORCH_RING:
        return []
    faults = []
    tree = ast.parse(text)
    # The benchmarks time torch as they time any library: in functions they may import it.
    nodes = tree.body if name.startswith(BENCHMARKS) else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        faults += [
            f"python/samebits/{name}:{node.lineno} imports {module}, only learn/ may"
            for module in modules
            if module.split(".")[0] in TORCH_MODULES
        ]
    return faults


def core_files() -> list[Path]:
    return sorted(path for path in CSRC.rglob("*") if path.suffix in SUFFIXES)


def test_csrc():
    files = core_files()
    assert len(files) > 30
    faults = []
    for path in files:
        faults += include_faults(path.relative_to(CSRC).as_posix(), path.read_text())
    assert not faults, "\n".join(faults)


def test_package():
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 10
    faults = []
    for path in modules:
        faults += import_faults(path.relative_to(PACKAGE).as_posix(), path.read_text())
    assert not faults, "\n".join(faults)


def test_the_torch_ring_does_import_torch():
    texts = [path.read_text() for path in (PACKAGE / TORCH_RING).rglob("*.py")]
    assert any(import_faults("api.py", text) for text in texts)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("base/bytes.cpp", '#include "nn/tensor.h"'),
        ("training/layers.cpp", '#include "nn/aligned_vector.h"'),
        ("codec/model.cpp", '#include "training/layers.h"'),
        ("nn/conv.cpp", '#include "training/kernels.h"'),
        ("training/layers.h", "#include <torch/extension.h>"),
        ("bitstream/header.h", '#include "entropy/cdf_tables.h"'),
        ("entropy/cost.cpp", '#include "nn/conv.h"'),
        ("nn/conv.cpp", '#include "bitstream/header.h"'),
        ("nn/x86/conv_avx2.cpp", '#  include "codec/model.h"'),
        ("stability/codes.cpp", '#include "codec/model.h"'),
        ("training/ssimulacra2.cpp", '#include "nn/conv.h"'),
        ("codec/model.cpp", '#include "training/ssimulacra2.h"'),
        ("codec/model.cpp", '#include "bindings/bindings.h"'),
        ("codec/model.cpp", '#include "model.h"'),
        ("codec/model.cpp", "#include <torch/extension.h>"),
        ("bindings/nn.cpp", "#include <torch/extension.h>"),
        ("bindings/nn.cpp", "#include <ATen/ATen.h>"),
        ("codec/model.cpp", "#include <pybind11/pybind11.h>"),
        ("base/threads.cpp", "#include <cuda_runtime.h>"),
        ("nn/conv.cpp", "#include <cuda_runtime.h>"),
        ("entropy/cost.cpp", "#include <cmath>"),
        ("nn/conv.cpp", "#include <unordered_map>"),
        ("helpers/text.h", ""),
    ],
)
def test_a_wrong_include_is_noticed(name, text):
    assert include_faults(name, text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nn/conv.cpp", '#include "base/error.h"\n#include "nn/tensor.h"\n#include <vector>'),
        ("codec/model.cpp", '#include "stability/codes.h"\n#include "entropy/cost.h"'),
        ("bindings/codec.cpp", '#include "codec/model.h"\n#include <pybind11/numpy.h>'),
        ("cuda/dense_conv.cu", "#include <cuda_runtime.h>"),
        ("bindings/training.cpp", '#include "training/layers.h"'),
        ("training/scalar.cpp", "#include <cmath>"),
        ("nn/conv.cpp", '// no #include "codec/model.h" here'),
    ],
)
def test_a_right_include_passes(name, text):
    assert include_faults(name, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "import torch",
        "import numpy, torch.nn as nn",
        "from torch import nn",
        "def f():\n import torch",
    ],
)
def test_a_wrong_import_is_noticed(text):
    assert import_faults("io/images.py", text)
    assert import_faults("learn/models/network.py", text) == []


def test_benchmarks_import_torch_in_functions_only():
    assert import_faults("evaluation/benchmarks/kernels_torch.py", "def f():\n import torch") == []
    assert import_faults("evaluation/benchmarks/kernels_torch.py", "import torch")
    assert import_faults("evaluation/measure.py", "def f():\n import torch")


def test_a_right_import_passes():
    assert import_faults("cli/train.py", "from samebits.learn import training\nimport numpy") == []
