"""The command line: files in and out, many at once, exit codes, and no half file ever."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import samebits
from samebits.cli import main
from tiny_model import tiny_model, wavy_picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with two pictures and a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SAMEBITS_THREADS", raising=False)
    Path("model").write_bytes(tiny_model())
    for name, seed in [("a.png", 1), ("b.png", 2)]:
        Image.fromarray(wavy_picture(40, 60, seed=seed)).save(name)
    return tmp_path


def run(*words: str) -> int:
    return main([words[0], "--model", "model", *words[1:]])


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"model"}


def test_encode_then_decode(folder, capsys):
    assert run("encode", "a.png", "b.png", "-q", "30") == 0
    assert names(folder) == {"a.png", "a.same", "b.png", "b.same"}
    assert "a.same: 60 x 40, " in capsys.readouterr().out
    assert run("decode", "a.same", "-o", "back.png") == 0
    expected = samebits.decode(Path("a.same").read_bytes(), model="model")
    assert np.array_equal(np.asarray(Image.open("back.png")), expected)
    assert samebits.info(Path("a.same").read_bytes()).quality == 30


def test_many_files_into_a_folder(folder, capsys):
    assert run("encode", "a.png", "b.png", "-o", "new/out/", "--jobs", "2", "--quiet") == 0
    assert names(folder / "new/out") == {"a.same", "b.same"}
    assert capsys.readouterr().out == ""
    assert run("decode", "new/out/a.same", "new/out/b.same", "-o", "back", "--format", "tif") == 0
    assert names(folder / "back") == {"a.tif", "b.tif"}


def test_jobs_and_threads_change_no_byte(folder):
    run("encode", "a.png", "b.png", "-o", "one/")
    run("encode", "a.png", "b.png", "-o", "two/", "--jobs", "2", "--threads", "3")
    for name in ("a.same", "b.same"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_nothing_is_overwritten_unless_told(folder, capsys):
    Path("a.same").write_text("precious")
    assert run("encode", "a.png") == 1
    assert "a.same exists; --force overwrites it" in capsys.readouterr().err
    assert Path("a.same").read_text() == "precious"
    assert run("encode", "a.png", "--force") == 0
    assert run("verify", "a.same") == 0


def test_one_bad_file_does_not_stop_the_others(folder, capsys):
    Path("bad.png").write_text("no picture")
    Image.new("CMYK", (5, 5)).save("cmyk.jpg")
    assert run("encode", "missing.png", "bad.png", "a.png", "cmyk.jpg", "--json") == 1
    printed = capsys.readouterr()
    reports = json_lines(printed.out)
    assert [report.get("error") for report in reports] == [
        "FileNotFoundError",
        "InvalidArgument",
        None,
        "InvalidArgument",
    ]
    assert reports[2]["output"] == "a.same"
    assert reports[2]["bytes"] == Path("a.same").stat().st_size
    assert "missing.png: No such file" in printed.err
    assert "cmyk.jpg: the picture is CMYK, which is not supported yet" in printed.err
    assert names(folder) == {"a.png", "a.same", "b.png", "bad.png", "cmyk.jpg"}


def test_truncated_pictures_fail_by_their_name(folder, capsys):
    Path("cut.png").write_bytes(Path("a.png").read_bytes()[:2000])
    assert run("encode", "cut.png") == 1
    assert "cut.png: " in capsys.readouterr().err
    assert not Path("cut.same").exists()


def test_info(folder, capsys):
    run("encode", "a.png", "--quiet")
    capsys.readouterr()
    assert run("info", "--json", "a.same") == 0
    (report,) = json_lines(capsys.readouterr().out)
    needed = "width height channels quality mode groups phases steps model bytes chunks"
    assert set(needed.split()) <= set(report)
    assert (report["file"], report["width"], report["steps"]) == ("a.same", 60, 4)

    assert run("info", "--fields", "a.same") == 0
    text = capsys.readouterr().out
    assert "60 x 40, RGB" in text
    assert "byte   6  quality          50" in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--preset fast", "mode 0, phases none: 1 step"),
        ("--preset balanced", "mode 2, phases diagonal, groups 2 x 1, 1 x 2, 1 x 4: 4 steps"),
        ("--mode 1 --groups 2,6", "mode 1, phases none, groups 1 x 2, 1 x 6: 3 steps"),
        ("--mode 3 --groups 4 --phases 2x2", "mode 3, phases 2x2, groups 4 x 2: 20 steps"),
        ("--mode 4 --groups 4", "mode 4, phases none, groups 4 x 2: 2 steps"),
        (
            "--mode 5 --groups 4 --first 2 --phases checkerboard",
            "mode 5, phases checkerboard, groups 4 x 2, the first 2 apart: 8 steps",
        ),
        ("--mode 6 --groups 2 --first 1", "groups 2 x 4, the first 1 apart: 8 steps"),
    ],
)
def test_orders_and_their_steps(folder, words, expected, capsys):
    assert run("encode", "a.png", "--quiet", *words.split()) == 0
    assert run("info", "a.same") == 0
    assert expected in capsys.readouterr().out
    assert run("decode", "a.same", "-o", "back.png") == 0


def test_steps_in_words(folder, capsys):
    run("encode", "a.png", "--quiet")
    assert run("info", "a.same") == 0
    assert "step    3  0 at 1, 1 at 2, 2-3 at 0, 4-7 at 3" in capsys.readouterr().out
    run("encode", "a.png", "--quiet", "-f", "--mode=3", "--groups=8", "--phases=2x2")
    assert run("info", "a.same") == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("    step ") for line in lines) == 16
    assert any(line.endswith("... 16 more (all of them: --json)") for line in lines)
    assert run("info", "a.same", "--json") == 0
    (report,) = json_lines(capsys.readouterr().out)
    assert report["steps"] == len(report["order"]) == 4 * 8
    assert report["order"][9] == [{"channels": [1, 2], "phases": [3], "view": None}]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--mode 2 --groups 3,3 --phases none", "some would never be coded"),
        ("--groups 3 --phases diagonal", "two or four groups"),
        ("--mode 5 --groups 4", "need `first`"),
        ("--preset fast --mode 2", "leave out the preset or mode"),
    ],
)
def test_orders_that_are_none(folder, words, sentence, capsys):
    assert run("encode", "a.png", "--quiet", *words.split()) != 0
    assert sentence in capsys.readouterr().err
    assert names(folder) == {"a.png", "b.png"}


def test_info_of_the_system(capsys):
    assert main(["info", "--system", "--json"]) == 0
    system = json.loads(capsys.readouterr().out)
    assert system["version"] == samebits.__version__
    assert "scalar" in system["targets"]
    assert system["target"] in system["targets"]
    assert system["threads"] >= 1
    assert main(["info", "--system"]) == 0
    assert "targets" in capsys.readouterr().out


def test_verify(folder, capsys):
    run("encode", "a.png", "b.png", "--quiet")
    damaged = bytearray(Path("b.same").read_bytes())
    damaged[-10] ^= 1
    Path("b.same").write_bytes(damaged)
    assert run("verify", "a.same", "b.same", "--json") == 1
    good, bad = json_lines(capsys.readouterr().out)
    assert good == {"file": "a.same", "ok": True, "width": 60, "height": 40}
    assert bad["error"] == "CorruptStream"


def test_limits(folder, capsys):
    run("encode", "a.png", "--quiet")
    assert run("decode", "a.same", "-o", "x.png", "--max-pixels", "100") == 1
    assert "2400 pixels" in capsys.readouterr().err
    assert run("verify", "a.same", "--max-bytes", "100") == 1
    assert not Path("x.png").exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["frobnicate"],
        ["encode"],
        ["info"],
        ["encode", "a.png", "--quality", "101"],
        ["encode", "a.png", "--jobs", "0"],
        ["encode", "a.png", "b.png", "-o", "one.same"],
        ["encode", "a.png", "b.png", "-o", "-"],
        ["encode", "a.png", "./a.png"],
        ["decode", "a.png"],
        ["decode", "a.same", "--format", "gif"],
    ],
)
def test_wrong_command_lines(folder, words, capsys):
    try:
        code = main(words)
    except SystemExit as end:  # argparse
        code = end.code
    assert code == 2
    assert names(folder) == {"a.png", "b.png"}


def test_version_and_help(capsys):
    for words in (["--version"], ["--help"], ["encode", "--help"], ["info", "--help"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0
    printed = capsys.readouterr().out
    assert f"samebits {samebits.__version__}" in printed
    assert "examples:" in printed


# ---- as a process ----


def start(*words: str, **options) -> subprocess.Popen:
    package_parent = str(Path(samebits.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": package_parent}
    return subprocess.Popen(
        [sys.executable, "-m", "samebits", *words],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_stdin_to_stdout(folder):
    picture = Path("a.png").read_bytes()
    stream, report = start("encode", "-", "--model", "model").communicate(picture)
    assert samebits.verify(stream, model="model").width == 60
    assert b"60 x 40" in report
    decoding = start("decode", "-", "-o", "-", "--model", "model", "--quiet")
    png, report = decoding.communicate(stream)
    assert decoding.returncode == 0
    assert report == b""
    expected = samebits.decode(stream, model="model")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), expected)


def test_a_reader_that_leaves_early(folder):
    run("encode", "a.png", "--quiet")
    process = start("info", "--fields", *["a.same"] * 2000)
    process.stdout.read(100)
    process.stdout.close()
    errors = process.stderr.read()
    process.wait(timeout=60)
    assert b"Traceback" not in errors


# Says so and waits in the middle of a write: the bytes are in the temporary file by then.
SLOW_WRITE = """
import os, sys, time
from samebits.cli import main

def slow_fsync(descriptor):
    print("writing", flush=True)
    sys.stdin.readline()
    time.sleep(0.5)  # for the signal
os.fsync = slow_fsync
sys.exit(main(["encode", "--model", "model", "--quiet", "a.png", "b.png"]))
"""


@pytest.mark.parametrize("kill_with", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_encode_leaves_no_half_file(folder, kill_with):
    package_parent = str(Path(samebits.__file__).parent.parent)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITE],
        env={**os.environ, "PYTHONPATH": package_parent},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Whoever started the tests in the background had SIGINT ignored, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(kill_with)
    _, errors = process.communicate(b"\n", timeout=60)
    left = names(folder) - {"a.png", "b.png"}
    if kill_with == signal.SIGINT:
        # The file in work is finished, the next one is not begun, and there is no traceback.
        assert process.returncode == 130
        assert errors.decode().strip() == "samebits: interrupted"
        assert left == {"a.same"}
        assert run("verify", "a.same") == 0
    else:
        assert process.returncode == -kill_with
        assert not any(name.endswith(".same") for name in left)
