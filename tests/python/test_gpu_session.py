"""benchmarks/gpu: pieces, time limits, the summary, the dry run of a session, and shards."""

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tiny_pictures import picture

torch = pytest.importorskip("torch")

REPOSITORY = Path(__file__).resolve().parents[2]
GPU = REPOSITORY / "benchmarks" / "gpu"
sys.path.insert(0, str(GPU))

from delivery import FILES, bring_weights  # noqa: E402
from pack_data import choose, write_shards  # noqa: E402
from parts import Part, run_part  # noqa: E402
from pieces import join_file, split_file  # noqa: E402
from plan import GROUPS, Options, Step, session_steps, training_command  # noqa: E402
from session import Session  # noqa: E402
from summary import Summary  # noqa: E402

from samebits.learn.training.checkpoint import load_checkpoint  # noqa: E402
from samebits.learn.training.picture_files import find_pictures  # noqa: E402
from samebits.learn.training.pictures import is_validation  # noqa: E402

sys.path.remove(str(GPU))

HANGS = """
import subprocess, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
print("the child is", child.pid, flush=True)
time.sleep(100)
"""


def options(folder, **changes):
    values = {"out": folder / "out", "work": folder / "work", "minutes": 0.5, "data": None}
    values |= {"snapshot": folder / "hot.ckpt", "wheels": None, "batch": 2, "crop": 64}
    values |= {
        "learning_rate": 1e-3,
        "precision": "bf16",
        "groups": GROUPS,
        "architecture": "90a-real",
    }
    return Options(**{**values, "dry_run": True, **changes})


def step(name, code, seconds, **changes):
    return Step(name, "", lambda _: [sys.executable, "-c", code], seconds, **changes)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z")


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101, 1000])
def test_pieces_make_the_file_again(tmp_path, size):
    path = tmp_path / "last.ckpt"
    path.write_bytes(os.urandom(size))
    pieces = split_file(path, tmp_path / "pieces", limit=100)
    assert len(pieces) == max(1, -(-size // 100))
    assert all(piece.stat().st_size <= 100 for piece in pieces)
    join_file(pieces[::-1], tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_pieces_that_are_damaged_missing_or_strange_are_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(os.urandom(250))
    a, b = (split_file(tmp_path / name, tmp_path / "pieces", limit=100) for name in ("a", "b"))
    target = tmp_path / "target"
    with pytest.raises(ValueError, match="of 3 pieces, 2 not given"):
        join_file([a[0], a[2]], target)
    with pytest.raises(ValueError, match="2 files among the pieces"):
        join_file([*a, b[0]], target)
    with pytest.raises(ValueError, match="not the name of a piece"):
        join_file([tmp_path / "a"], target)
    content = a[1].read_bytes()
    a[1].write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(ValueError, match="checksum of the pieces differs"):
        join_file(a, target)
    assert not target.exists()


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_part_that_hangs_is_killed_with_its_children(tmp_path):
    part = Part("hangs", [sys.executable, "-c", HANGS], seconds=2.0, grace=0.5)
    begin = time.monotonic()
    outcome = run_part(part, tmp_path, folder=tmp_path, environment=dict(os.environ))
    assert time.monotonic() - begin < 6
    assert outcome.status == "failed"
    assert outcome.why == "took more than its 2 s and was ended by SIGKILL"
    child = int(outcome.last_lines[-1].split()[-1])
    end = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_alive(child)


def test_a_session_keeps_its_time_and_says_what_became_of_everything(tmp_path):
    steps = [
        step("good", "print('fine')", 10),
        step("bad", "print('one'); raise SystemExit('two')", 10),
        step("hangs", "import time; time.sleep(100)", 2),
        step("follows", "", 10, needs=("good", "hangs")),
        step("rest", "import time; time.sleep(100)", 1, takes_rest=True),
        step("last", "", 4),
        step("unwanted", "", 2, left_out="nobody asked"),
    ]
    begin = time.monotonic()
    session = Session(options(tmp_path, minutes=30 / 60), begin=begin, machine={"gpu": "none"})
    summary = session.run(steps)
    assert time.monotonic() - begin < 30
    status = {part.name: part.status for part in summary.outcomes}
    assert status == {
        **{"good": "ran", "bad": "failed", "hangs": "failed", "follows": "skipped"},
        **{"rest": "failed", "last": "ran", "unwanted": "left out"},
    }
    assert not summary.is_complete
    saved = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [part["name"] for part in saved["outcomes"]] == [s.name for s in steps]
    text = (tmp_path / "out" / "summary.txt").read_text()
    for line in ("not all of it ran", "hangs did not run", "    two", "nobody asked", "gpu: none"):
        assert line in text
    with tarfile.open(tmp_path / "out" / "logs.tar.gz") as logs:
        assert "bad.log" in logs.getnames()


def test_a_session_without_time_begins_nothing(tmp_path):
    session = Session(options(tmp_path, minutes=0.1), begin=time.monotonic(), machine={})
    summary = session.run([step("one", "", 5), step("rest", "", 5, takes_rest=True)])
    assert [part.why for part in summary.outcomes] == ["only 0 s were left for it"] * 2
    assert not summary.is_complete


def test_what_does_not_fit_stays_in_pieces(tmp_path, monkeypatch):
    wanted = options(tmp_path)
    for folder in (wanted.run, wanted.out):
        folder.mkdir(parents=True)
    monkeypatch.setattr("delivery.PIECE_BYTES", 100)
    (wanted.work / "hot.ckpt").write_bytes(os.urandom(150))
    whole = os.urandom(900)
    (wanted.run / "last.ckpt").write_bytes(whole)
    for _ in range(2):  # as in a second session
        lines = bring_weights(wanted)
    assert "2 pieces; join them" in lines[0]
    assert "does not fit" in lines[1]
    assert len(list(wanted.out.iterdir())) == 2 <= FILES
    join_file(list((wanted.work / "pieces").iterdir()), tmp_path / "last.ckpt")
    assert (tmp_path / "last.ckpt").read_bytes() == whole


def test_the_plan_for_a_gpu(tmp_path):
    wanted = options(tmp_path, dry_run=False, data=tmp_path, groups=("build", "training"))
    steps = {s.name: s for s in session_steps(wanted)}
    assert "not among --parts" in steps["ctest"].left_out
    assert not steps["build"].left_out
    command = training_command(wanted, 175.0)
    assert command[command.index("--stop-after") + 1] == "2.00"
    assert command[command.index("--precision") + 1] == "bf16"
    assert list(steps)[-2:] == ["train", "snapshot"]
    assert steps["train"].takes_rest


def test_shards_have_all_validation_pictures_and_keep_the_limit(tmp_path):
    (tmp_path / "photos").mkdir()
    for n in range(60):
        picture(40, 30, n).save(tmp_path / "photos" / f"{n}.png")
    pictures, _ = find_pictures(tmp_path / "photos")
    held = {p.name for p in pictures if is_validation(p.name, 0.03)}
    whole = sum(p.path.stat().st_size + 1024 for p in pictures)
    limit = whole // 2 + 20480
    chosen = choose(pictures, limit=limit)
    shards = write_shards(chosen, tmp_path / "shards")
    assert sum(path.stat().st_size for path in shards) <= limit
    found, damaged = find_pictures(tmp_path / "shards")
    assert not damaged
    assert {p.name for p in found} == {p.name for p in chosen} >= held
    assert 20 < len(found) < 40
    by_place = {p.name: p for p in found}
    assert all(by_place[p.name].read() == p.read() for p in chosen)
    with pytest.raises(ValueError, match="too few for the validation pictures"):
        choose(pictures, limit=100)
    with pytest.raises(ValueError, match="has shards already"):
        write_shards(chosen, tmp_path / "shards")
    assert len(choose(pictures, limit=10 * whole)) == 60


def session(*words):
    command = [sys.executable, GPU / "session.py", *words]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_a_sentence(tmp_path):
    result = session("--out", tmp_path / "out", "--work", tmp_path / "work")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "session.py: torch finds no GPU here (--dry-run does without)\n"


def test_the_dry_run_trains_what_can_be_resumed(tmp_path):
    out, work = tmp_path / "out", tmp_path / "work"
    result = session("--dry-run", "--out", out, "--work", work, "--minutes", 4)
    assert result.returncode == 0, result.stdout + result.stderr
    summary = Summary(**json.loads((out / "summary.json").read_text(), object_hook=without_state))
    assert not summary.ended_by
    assert len(list(out.iterdir())) <= FILES
    timings = json.loads((out / "timings.json").read_text())
    assert [row["batch"] for row in timings["training"]["rows"]] == [1, 2]
    assert all(row["crops_per_s"] > 0 for row in timings["training"]["rows"])
    state = load_checkpoint(out / "last.ckpt")
    assert state["steps_done"] > 0
    assert load_checkpoint(out / "hot.ckpt")["seen"]["steps"] == state["steps_done"]
    words = ["train", "--hot", "--data", work / "pictures", "--out", work / "run", "--crop", 64]
    words += ["--batch", 2, "--late-crop", 64, "--device", "cpu", "--precision", "fp32"]
    command = [sys.executable, "-m", "samebits", *map(str, words), "--stop-after", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    assert load_checkpoint(work / "run" / "last.ckpt")["steps_done"] > state["steps_done"]


def without_state(values):
    """What is computed is not an argument."""
    values.pop("complete", None)
    return values
