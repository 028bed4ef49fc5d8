"""``import samebits`` is quick and does not load torch, and the test that says so can fail."""

import os
import subprocess
import sys
from pathlib import Path

import samebits

# What the check runs in a fresh interpreter: import, then look at what came along.
CHECK = "import samebits, sys; print([name for name in {heavy} if name in sys.modules])"


def loaded_by_import(path: Path, *, heavy: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK.format(heavy=heavy)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def package_parent() -> Path:
    return Path(samebits.__file__).parent.parent


def test_import_loads_nothing_heavy():
    heavy = ["torch", "numpy", "PIL", "tqdm", "samebits._core"]
    assert loaded_by_import(package_parent(), heavy=heavy) == "[]"


def test_that_test_can_fail(tmp_path):
    package = tmp_path / "samebits"
    package.mkdir()
    (package / "__init__.py").write_text("import torch\n")
    (tmp_path / "torch.py").write_text("")
    assert loaded_by_import(tmp_path, heavy=["torch"]) == "['torch']"


def test_encode_and_decode_do_not_load_torch(tmp_path):
    code = (
        "import samebits, sys, samebits.api, samebits.io.images, samebits.kernels, "
        "samebits.cli.encode, samebits.cli.decode; print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(package_parent())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_all_names_are_there():
    for name in samebits.__all__:
        assert getattr(samebits, name) is not None
    assert set(samebits.__all__) == set(dir(samebits))
