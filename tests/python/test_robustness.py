"""Any bytes given to decode, info and verify end in a picture or in one of the typed errors.

The fast part takes the small golden streams. All of them, every truncation, every bit:

    python -m pytest -m slow -s tests/python/test_robustness.py

The same damage under ASan and UBSan: ``make test-corrupt``. What a fuzzer finds: ``make fuzz``.
"""

import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import samebits
from samebits import _core, errors
from samebits.io.alpha import pack_alpha
from tiny_model import wavy_picture

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "tiny"
STREAMS = {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.same"))}
SMALL = ("one_pixel", "diagonal", "own_groups")
MODEL = _core.Model((GOLDEN / "tiny.safetensors").read_bytes())
CHECKSUM_BYTES = 4
FUNCTIONS = (samebits.decode, samebits.info, samebits.verify)
# What foreign bytes may end in. InvalidArgument is not among them: the caller did nothing wrong.
ALLOWED = (
    errors.CorruptStream,
    errors.UnsupportedVersion,
    errors.ModelMismatch,
    errors.LimitExceeded,
    errors.NeedsSeries,
)
LIMITS = {"max_pixels": 2**22, "max_bytes": 2**28}


def with_checksum(stream: bytes) -> bytes:
    """The stream with its last four bytes replaced by the right checksum."""
    body = stream[:-CHECKSUM_BYTES]
    return body + zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little")


def outcome(stream: bytes, *, function=samebits.decode) -> str:
    """The name of the error, or "picture". Any other exception fails the test."""
    limits = {} if function is samebits.info else LIMITS
    try:
        function(stream, model=MODEL, **limits)
    except ALLOWED as error:
        return type(error).__name__
    return "picture"


def truncations(stream: bytes):
    for size in range(len(stream)):
        yield stream[:size]


def bit_flips(stream: bytes):
    damaged = bytearray(stream)
    for bit in range(8 * len(stream)):
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)
        damaged[bit // 8] ^= 1 << bit % 8


def repaired_flips(stream: bytes):
    for body in bit_flips(stream[:-CHECKSUM_BYTES]):
        yield with_checksum(body + bytes(CHECKSUM_BYTES))


def forged(stream: bytes, *, payload: bytes | None = None, chunks=None, **fields) -> bytes:
    """The stream with other header fields and a right checksum."""
    parsed = _core.parse_stream(stream)
    old = parsed.header
    names = ("model_id", "quality", "schedule", "width", "height", "grey", "latent_crc")
    header = _core.Header(**{name: fields.get(name, getattr(old, name)) for name in names})
    return _core.write_stream(
        header=header,
        chunks=parsed.chunks if chunks is None else chunks,
        payload=parsed.payload if payload is None else payload,
    )


# The fast part


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_truncation_is_an_error(name, function):
    assert all(outcome(cut, function=function) != "picture" for cut in truncations(STREAMS[name]))


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_bit_flip_is_an_error(name, function):
    assert all(outcome(bad, function=function) != "picture" for bad in bit_flips(STREAMS[name]))


@pytest.mark.parametrize("name", SMALL)
def test_flips_with_right_checksum(name):
    outcomes = Counter(map(outcome, repaired_flips(STREAMS[name])))
    assert outcomes["CorruptStream"] > outcomes["picture"]


def test_empty_and_foreign_bytes():
    for stream in (b"", b"\xf5", b"\xf5\x53", b"\x89PNG\r\n\x1a\n", bytes(100), b"\xff" * 100):
        for function in FUNCTIONS:
            assert outcome(stream, function=function) in ("CorruptStream", "Truncated")


@pytest.mark.parametrize("tail", [b"\0", b"\xff", b"\0" * 100, STREAMS["diagonal"]])
def test_trailing_bytes(tail):
    for function in FUNCTIONS:
        assert outcome(STREAMS["diagonal"] + tail, function=function) == "CorruptStream"


@pytest.mark.parametrize("width", [1, 16, 65, 2048, 2**16, 2**28])
@pytest.mark.parametrize("height", [1, 16, 47, 2048, 2**16, 2**28])
def test_lying_sizes(width, height):
    stream = forged(STREAMS["diagonal"], width=width, height=height)
    expected = ("LimitExceeded",) if width * height > 2**22 else ("CorruptStream", "Truncated")
    assert outcome(stream) in expected


def test_lying_qualities_and_flags():
    stream = STREAMS["diagonal"]
    for quality in range(101):
        if quality != _core.parse_stream(stream).header.quality:
            assert outcome(forged(stream, quality=quality)) in ("CorruptStream", "Truncated")
    for at in (2, 6, 7):  # version_flags, quality, schedule
        for value in range(256):
            damaged = bytearray(stream)
            damaged[at] = value
            outcome(with_checksum(bytes(damaged)))


@pytest.mark.parametrize(
    ("mode", "phases", "groups"),
    [(0, 0, ()), (2, 0, ()), (2, 2, ()), (2, 0, (8,)), (2, 3, (5, 1, 1, 1)), (2, 2, (1,) * 8)],
)
def test_lying_schedules(mode, phases, groups):
    schedule = _core.ScheduleSpec(mode=mode, phases=phases, groups=list(groups))
    assert outcome(forged(STREAMS["diagonal"], schedule=schedule)) in ("CorruptStream", "Truncated")


@pytest.mark.parametrize("groups", [(9,), (4, 5), (1024,), (1,) * 64, (1024,) * 64])
def test_groups_that_do_not_fit_the_model(groups):
    schedule = _core.ScheduleSpec(mode=2, phases=0, groups=list(groups))
    assert outcome(forged(STREAMS["diagonal"], schedule=schedule)) == "CorruptStream"


@pytest.mark.parametrize("length", [b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x08", b"\xac\x03"])
def test_lying_chunk_lengths(length):
    """The first chunk claims up to 4 GiB."""
    stream = STREAMS["chunks"]
    at = stream.index(b"not a real profile")
    assert outcome(with_checksum(stream[: at - 1] + length + stream[at:])) == "Truncated"


def test_lying_escape_section():
    for head in (
        b"\xf8\xff\xff\xff\x7f",
        b"\xf8\x07",
        b"\x06",
        b"\x07",
        b"\xff\xff\xff\xff\xff\x01",
    ):
        stream = forged(STREAMS["diagonal"], payload=head + bytes(20))
        assert outcome(stream) in ("CorruptStream", "Truncated")


def test_unknown_model():
    stream = forged(STREAMS["diagonal"], model_id=b"\x00\x01\x02")
    assert outcome(stream) == "ModelMismatch"
    with pytest.raises(errors.ModelMismatch, match="needs model 000102"):
        samebits.decode(stream)
    assert samebits.info(stream).width == 64


def test_a_wrong_latent_checksum_is_noticed():
    stream = forged(STREAMS["diagonal"], latent_crc=0)
    with pytest.raises(errors.CorruptStream, match="checksum"):
        samebits.decode(stream, model=MODEL)


def test_damaged_alpha():
    plane = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    good = pack_alpha(plane)
    stream = forged(STREAMS["diagonal"], chunks=[(4, good)])
    assert np.array_equal(samebits.decode(stream, model=MODEL)[..., 3], plane)
    damaged = [good[:size] for size in range(len(good))]
    damaged += [good + b"\0", pack_alpha(plane[:, :-1]), pack_alpha(np.tile(plane, 2))]
    damaged += [zlib.compress(bytes(100_000_000))]
    for chunk in damaged:
        assert outcome(forged(STREAMS["diagonal"], chunks=[(4, chunk)])) == "CorruptStream"
    for chunk in bit_flips(good):
        stream = forged(STREAMS["diagonal"], chunks=[(4, chunk)])
        # zlib has bits that mean nothing, but its checksum guards the samples.
        if outcome(stream) == "picture":
            assert np.array_equal(samebits.decode(stream, model=MODEL)[..., 3], plane)


# Memory

DECODE_AND_MEASURE = """
import sys
from pathlib import Path
from samebits import _core, errors

def peak_bytes():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

weights, max_bytes, small, *streams = sys.argv[1:]
model = _core.Model(Path(weights).read_bytes())
_core.decode_picture(model, Path(small).read_bytes())
for path in streams:
    stream, before, outcome = Path(path).read_bytes(), peak_bytes(), "picture"
    try:
        _core.decode_picture(model, stream, max_bytes=int(max_bytes))
    except errors.SamebitsError as error:
        outcome = type(error).__name__
    print(outcome, peak_bytes() - before)
"""
ALLOCATOR_SLACK = 4 * 2**20  # stacks and arenas of the threads, freed memory not yet reused


def measure_decode(
    tmp_path: Path, streams: list[bytes], *, max_bytes: int
) -> list[tuple[str, int]]:
    """Outcome, and by how many bytes the peak memory grew, of each decode in a fresh process.

    The peak is that of /proc: the one of getrusage begins with the parent's.
    """
    paths = []
    for number, stream in enumerate(streams):
        paths.append(tmp_path / f"{number}.same")
        paths[-1].write_bytes(stream)
    command = [sys.executable, "-c", DECODE_AND_MEASURE, GOLDEN / "tiny.safetensors", max_bytes]
    command += [GOLDEN / "diagonal.same", *paths]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(name, int(grown)) for name, grown in lines]


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from /proc"
)


@needs_proc
@pytest.mark.parametrize("mebibytes", [4, 16, 32, 64])
def test_decoding_stays_within_the_limit(tmp_path, mebibytes):
    stream = samebits.encode(wavy_picture(1500, 2000), quality=80, model=MODEL)
    max_bytes = mebibytes * 2**20
    [(name, grown)] = measure_decode(tmp_path, [stream], max_bytes=max_bytes)
    print(f"limit {mebibytes} MiB: {name}, {grown / 2**20:.1f} MiB")
    assert name == ("LimitExceeded" if mebibytes == 4 else "picture")
    assert grown < max_bytes + ALLOCATOR_SLACK


@needs_proc
def test_lying_sizes_stay_within_the_limit(tmp_path):
    sizes = [(2**14, 2**14), (2**28, 1), (1, 2**28), (2**27, 2), (10_000, 10_000), (2**28, 2**28)]
    streams = [forged(STREAMS["diagonal"], width=width, height=height) for width, height in sizes]
    for name, grown in measure_decode(tmp_path, streams, max_bytes=2**30):
        assert name in ("LimitExceeded", "CorruptStream", "Truncated")
        assert grown < 2**30 + ALLOCATOR_SLACK


# The exhaustive part

SLOW_KINDS = {
    "truncations": (truncations, False),
    "bit flips": (bit_flips, False),
    "bit flips, checksum repaired": (repaired_flips, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SLOW_KINDS)
@pytest.mark.parametrize("name", STREAMS)
def test_exhaustive(name, kind):
    damage, pictures_allowed = SLOW_KINDS[kind]
    counts = Counter(map(outcome, damage(STREAMS[name])))
    print(f"{name}: {kind}: {counts.total()}: {dict(counts)}")
    assert pictures_allowed or "picture" not in counts


@pytest.mark.slow
@pytest.mark.parametrize("name", STREAMS)
def test_exhaustive_bytes_of_the_header(name):
    stream = STREAMS[name]
    counts = Counter()
    for at in range(min(24, len(stream) - CHECKSUM_BYTES)):
        for value in range(256):
            changed = stream[:at] + bytes([value]) + stream[at + 1 :]
            counts[outcome(with_checksum(changed))] += 1
    print(f"{name}: header bytes: {counts.total()}: {dict(counts)}")
    assert counts["picture"] >= 24 / 2
