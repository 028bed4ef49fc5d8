"""The public functions, with a tiny model: what goes in comes out, and what is wrong is named."""

import io
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

import samebits
from samebits import _core, api, model_store
from samebits.errors import (
    CorruptStream,
    InvalidArgument,
    LimitExceeded,
    ModelMismatch,
    SamebitsError,
)
from tiny_model import tiny_model, wavy_picture

MODEL = _core.Model(tiny_model())
PICTURE = wavy_picture(50, 70)


def encode(picture, **options) -> bytes:
    return samebits.encode(picture, model=MODEL, **options)


def decode(stream, **options) -> np.ndarray:
    return samebits.decode(stream, model=MODEL, **options)


def with_checksum(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def rgba_picture() -> np.ndarray:
    alpha = np.add.outer(np.arange(50), np.arange(70)).astype(np.uint8)
    return np.dstack([PICTURE, alpha])


def test_rgb():
    stream = encode(PICTURE)
    picture = decode(stream)
    assert picture.shape == PICTURE.shape
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, _core.decode_picture(MODEL, stream))


def test_grey():
    stream = encode(PICTURE[:, :, 0])
    assert decode(stream).shape == (50, 70)
    assert samebits.info(stream, model=MODEL).channels == 1
    assert encode(PICTURE[:, :, :1]) == stream


def test_alpha_is_kept():
    picture = rgba_picture()
    stream = encode(picture)
    back = decode(stream)
    assert back.shape == (50, 70, 4)
    assert np.array_equal(back[:, :, 3], picture[:, :, 3])
    assert np.array_equal(back[:, :, :3], decode(encode(PICTURE)))


def test_grey_with_alpha(tmp_path):
    image = Image.fromarray(rgba_picture()).convert("LA")
    stream = encode(image)
    assert samebits.info(stream, model=MODEL).channels == 2
    back = decode(stream)
    assert back.shape == (50, 70, 4)
    assert np.array_equal(back[:, :, 3], np.asarray(image)[:, :, 1])
    assert np.array_equal(back[:, :, 0], back[:, :, 2])
    (tmp_path / "a.same").write_bytes(stream)
    assert samebits.open(tmp_path / "a.same", model=MODEL).mode == "LA"


def test_not_contiguous():
    assert encode(PICTURE[::2, ::-1]) == encode(np.ascontiguousarray(PICTURE[::2, ::-1]))


def test_image_and_array_give_the_same_bytes():
    assert encode(Image.fromarray(PICTURE)) == encode(PICTURE)


def test_encoding_twice_gives_the_same_bytes():
    assert encode(PICTURE, quality=70) == encode(PICTURE, quality=70)


@pytest.mark.parametrize("quality", [0, 100, np.int64(30)])
def test_quality(quality):
    stream = encode(PICTURE, quality=quality)
    assert samebits.info(stream, model=MODEL).quality == quality


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quality": 101}, "quality is 101, must be 0 to 100"),
        ({"quality": -1}, "quality is -1"),
        ({"quality": 50.0}, "quality is an integer, not 50.0"),
        ({"quality": True}, "quality is an integer"),
        ({"quality": "50"}, "quality is an integer"),
        ({"mode": 7}, "mode is 7, must be 0 to 6"),
        ({"mode": "2"}, "mode is an integer"),
        ({"phases": 4}, "phases is 4"),
        ({"phases": "spiral"}, "phases is 'spiral', must be one of none, checkerboard"),
        ({"mode": 0, "phases": 3}, "mode 0"),
        ({"mode": 2, "phases": "diagonal", "groups": 3}, "two or four groups"),
        ({"groups": 9}, "9 even channel groups are too many.*8 latent"),
        ({"groups": 65}, "groups is 65"),
        ({"groups": "3"}, "groups is an integer"),
        ({"mode": 5}, "need `first`"),
        ({"mode": 6, "groups": 4, "first": 4}, "`first` is 4 and there are 4 groups"),
        ({"mode": 2, "first": 1}, "first"),
        ({"preset": "tiny"}, "preset is 'tiny', must be one of fast, balanced, small"),
        ({"preset": "fast", "mode": 0}, "leave out the preset or mode"),
        ({"phases": 0, "groups": (5, 5)}, "10 channels together"),
        ({"phases": 0, "groups": (0, 8)}, "a group's size is 0"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(InvalidArgument, match=words):
        encode(PICTURE, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": 0},
        {"phases": 0},
        {"phases": 2},
        {"phases": 3},
        {"phases": 0, "groups": (3, 5)},
        {"phases": 2, "groups": (1, 7)},
        {"phases": 3, "groups": (2, 2, 2, 2)},
        {"phases": "diagonal", "groups": 2},
        {"mode": 1, "groups": (2, 6)},
        {"mode": 3, "phases": "checkerboard", "groups": [3, 5]},
        {"mode": 4, "phases": "2x2", "groups": 4},
        {"mode": 5, "groups": np.int64(4), "first": 2},
        {"mode": 6, "groups": 4, "first": 1},
        {"preset": "fast"},
        {"preset": "balanced"},
    ],
)
def test_schedules(options):
    encoded = api.encode_picture(PICTURE, model=MODEL, **options)
    info = samebits.verify(encoded.stream, model=MODEL)
    assert info.steps == encoded.steps
    assert sum(info.groups) == MODEL.latent_channels
    # As the core counts them, too.
    schedule = _core.parse_stream(encoded.stream).header.schedule
    assert len(_core.schedule_steps(schedule, MODEL.channel_groups)) == info.steps
    assert info == samebits.info(encoded.stream, model=MODEL)


def test_the_estimate_is_close_to_the_file():
    encoded = api.encode_picture(wavy_picture(160, 200), model=MODEL, quality=90)
    estimate_bytes = (encoded.y_bits + encoded.z_bits) / 8
    assert abs(len(encoded.stream) - estimate_bytes) < 0.01 * estimate_bytes + 40


# ---- files ----


def test_open_keeps_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A maker of cameras"
    photo = io.BytesIO()
    Image.fromarray(PICTURE).save(photo, "JPEG", exif=exif, icc_profile=b"a profile" * 30)
    path = tmp_path / "photo.same"
    path.write_bytes(encode(Image.open(photo)))

    image = samebits.open(path, model=MODEL)
    assert image.mode == "RGB"
    assert image.size == (50, 70)  # stood on its side
    assert image.info["icc_profile"] == b"a profile" * 30
    assert image.getexif()[0x0112] == 1
    assert image.getexif()[0x010F] == "A maker of cameras"
    again = io.BytesIO()
    image.save(again, "JPEG", exif=image.info["exif"])
    assert Image.open(again).getexif()[0x010F] == "A maker of cameras"


def test_open_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        samebits.open(tmp_path / "nothing.same")


# ---- models ----


@pytest.fixture
def weights_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(model_store, "WEIGHTS_FOLDER", tmp_path)
    return tmp_path


def test_installed_models_are_found(weights_folder):
    (weights_folder / "one.safetensors").write_bytes(tiny_model(seed=1))
    stream = samebits.encode(PICTURE)
    assert samebits.info(stream).steps == 4
    (weights_folder / "two.safetensors").write_bytes(tiny_model(seed=2))
    assert np.array_equal(samebits.decode(stream), decode(stream))
    with pytest.raises(ModelMismatch, match=r"several models are installed \(one.safetensors, two"):
        samebits.encode(PICTURE)
    (weights_folder / "default.safetensors").write_bytes(tiny_model(seed=1))
    assert samebits.encode(PICTURE) == stream


def test_a_model_that_is_not_there(weights_folder):
    stream = encode(PICTURE)
    with pytest.raises(ModelMismatch, match=f"needs model {MODEL.id.hex()}, installed: none"):
        samebits.decode(stream)
    (weights_folder / "two.safetensors").write_bytes(tiny_model(seed=2))
    other = _core.Model(tiny_model(seed=2))
    with pytest.raises(ModelMismatch, match=rf"installed: {other.id.hex()} \(two.safetensors\)"):
        samebits.decode(stream)
    with pytest.raises(ModelMismatch, match=f"the model given is {other.id.hex()}"):
        samebits.decode(stream, model=other)
    with pytest.raises(ModelMismatch):
        samebits.info(stream, model=other)


def test_no_model_at_all(weights_folder):
    with pytest.raises(ModelMismatch, match="no model is installed"):
        samebits.encode(PICTURE)


def test_model_by_path(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(tiny_model())
    assert samebits.encode(PICTURE, model=path) == samebits.encode(PICTURE, model=str(path))
    with pytest.raises(FileNotFoundError):
        samebits.encode(PICTURE, model=tmp_path / "nothing")
    with pytest.raises(InvalidArgument, match="model is the path"):
        samebits.encode(PICTURE, model=5)
    path.write_bytes(b"something else entirely")
    with pytest.raises(InvalidArgument):
        samebits.encode(PICTURE, model=path)


def test_a_replaced_weights_file_is_read_again(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(tiny_model(seed=1))
    first = samebits.encode(PICTURE, model=path)
    path.unlink()
    path.write_bytes(tiny_model(seed=2) + b"")
    second = samebits.encode(PICTURE, model=path)
    assert samebits.info(first).model != samebits.info(second).model


# ---- bad input ----


def test_limits():
    stream = encode(PICTURE)
    with pytest.raises(LimitExceeded, match="3500 pixels"):
        decode(stream, max_pixels=3499)
    decode(stream, max_pixels=3500)
    with pytest.raises(LimitExceeded):
        decode(stream, max_bytes=1000)
    with pytest.raises(LimitExceeded, match="the alpha plane of 70 x 50 pixels needs 17500 bytes"):
        samebits.verify(encode(rgba_picture()), model=MODEL, max_bytes=17000)
    with pytest.raises(LimitExceeded):
        encode(PICTURE, max_pixels=3499)
    with pytest.raises(LimitExceeded):
        encode(PICTURE, max_bytes=1000)


def test_a_header_that_lies_about_the_size():
    header = _core.parse_stream(encode(PICTURE)).header
    # The tiny model would fit 2^28 pixels into the limit; then it is the payload that is too short.
    for width, height, error in [(2**28, 2**28, LimitExceeded), (2**14, 2**14, CorruptStream)]:
        lying = _core.Header(
            model_id=header.model_id,
            quality=header.quality,
            schedule=header.schedule,
            width=width,
            height=height,
        )
        stream = _core.write_stream(header=lying, chunks=[], payload=b"\x00" * 20)
        with pytest.raises(error):
            decode(stream)


def test_limits_come_before_the_model(weights_folder):
    header = _core.Header(
        model_id=b"abc", quality=1, schedule=_core.ScheduleSpec(), width=2**20, height=2**20
    )
    with pytest.raises(LimitExceeded):
        samebits.decode(_core.write_stream(header=header, chunks=[], payload=b""))


def test_every_truncation():
    stream = encode(rgba_picture())
    for size in range(len(stream)):
        with pytest.raises(CorruptStream):
            decode(stream[:size])


def test_every_flip_with_checksum_repaired():
    # The whole header and payload; any outcome but a picture or a typed error is a bug.
    stream = encode(PICTURE[:20, :20])
    body = stream[:-4]
    pictures = 0
    for bit in range(8 * len(body)):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            picture = decode(with_checksum(bytes(flipped)), max_pixels=2**16)
        except SamebitsError:
            continue
        assert picture.dtype == np.uint8
        pictures += 1
    # The checksum of the latents finds nearly all of them.
    assert pictures < 20


def test_damaged_alpha_is_corrupt():
    parsed = _core.parse_stream(encode(rgba_picture()))
    for alpha in (b"", b"nonsense", zlib.compress(bytes(10)), zlib.compress(bytes(50 * 70 + 1))):
        stream = _core.write_stream(
            header=parsed.header, chunks=[(4, alpha)], payload=parsed.payload
        )
        with pytest.raises(CorruptStream, match="alpha"):
            decode(stream)
        with pytest.raises(CorruptStream, match="alpha"):
            samebits.verify(stream, model=MODEL)


def test_a_path_is_no_stream():
    with pytest.raises(InvalidArgument, match=r"samebits.open\(path\)"):
        samebits.decode("photo.same")


def test_many_threads_of_the_caller():
    stream = encode(PICTURE)
    expected = decode(stream)
    results = []

    def work():
        results.append(np.array_equal(decode(stream), expected) and encode(PICTURE) == stream)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 6
