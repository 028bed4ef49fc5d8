"""Frames of clips: .y4m of every kind of chroma, animations, and video files with PyAV."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from samebits.errors import InvalidArgument, Truncated
from samebits.io.frames import read_frames
from samebits.io.y4m import read_y4m
from tiny_model import wavy_picture


def y4m(planes: list[np.ndarray], fields: str) -> bytes:
    """A file of frames whose planes are given one after another."""
    content = b"".join(b"FRAME\n" + plane.tobytes() for plane in planes)
    return f"YUV4MPEG2 {fields}\n".encode() + content


def frames_of(content: bytes) -> list[np.ndarray]:
    return list(read_y4m(io.BytesIO(content)))


def flat(luma: int, blue: int, red: int, *, samples: int, chroma: int) -> np.ndarray:
    sizes = [samples, chroma, chroma]
    return np.concatenate(
        [np.full(n, v, np.uint8) for n, v in zip(sizes, (luma, blue, red), strict=True)]
    )


@pytest.mark.parametrize(
    ("colorspace", "chroma"),
    [("C420jpeg", 6), ("C420mpeg2 XYSCSS=420MPEG2", 6), ("C422", 9), ("C444", 15), ("", 6)],
)
def test_known_colors_in_every_chroma(colorspace, chroma):
    # BT.601: white, black, red, green, blue; 5 x 3 pixels, so that chroma has odd edges.
    colors = {
        (235, 128, 128): (255, 255, 255),
        (16, 128, 128): (0, 0, 0),
        (81, 90, 240): (255, 0, 0),
        (145, 54, 34): (0, 255, 0),
        (41, 240, 110): (0, 0, 255),
    }
    planes = [flat(*yuv, samples=15, chroma=chroma) for yuv in colors]
    found = frames_of(y4m(planes, f"W5 H3 F30:1 Ip A1:1 {colorspace}"))
    assert len(found) == len(colors)
    for frame, rgb in zip(found, colors.values(), strict=True):
        assert frame.shape == (3, 5, 3)
        assert np.abs(frame.astype(int) - rgb).max() <= 1


def test_grey_and_full_range():
    plane = np.arange(12, dtype=np.uint8).reshape(3, 4)
    (frame,) = frames_of(y4m([plane], "W4 H3 Cmono XCOLORRANGE=FULL"))
    assert np.array_equal(frame, plane)


def test_chroma_is_interpolated():
    red = np.array([[128, 228]], np.uint8)
    planes = np.concatenate([np.full(8, 128), np.full(2, 128), red.reshape(-1)]).astype(np.uint8)
    (frame,) = frames_of(y4m([planes], "W4 H2 C420jpeg XCOLORRANGE=FULL"))
    assert np.all(np.diff(frame[0, :, 0].astype(int)) > 0)


@pytest.mark.parametrize(
    ("content", "error", "part"),
    [
        (b"RIFF", InvalidArgument, "does not begin with YUV4MPEG2"),
        (b"YUV4MPEG2 W4 H4 C420p10\n", InvalidArgument, "colorspace 420p10"),
        (b"YUV4MPEG2 W4 H4 It\n", InvalidArgument, "interlaced"),
        (b"YUV4MPEG2 W-4 H4\n", InvalidArgument, "size -4 x 4"),
        (b"YUV4MPEG2 H4\n", InvalidArgument, "size  x 4"),
        (b"YUV4MPEG2 W4 H4\nFRAME\n123", Truncated, "inside of a frame"),
        (b"YUV4MPEG2 W4 H4\nframe\n", InvalidArgument, "no FRAME"),
    ],
)
def test_refused_y4m(content, error, part):
    with pytest.raises(error, match=part):
        frames_of(content)


def test_pictures_and_animations(tmp_path):
    pictures = [wavy_picture(20, 30, seed=seed) for seed in range(3)]
    images = [Image.fromarray(picture) for picture in pictures]
    images[0].save(tmp_path / "still.png")
    images[0].save(tmp_path / "moving.png", save_all=True, append_images=images[1:])
    (tmp_path / "clip.y4m").write_bytes(y4m([pictures[0][:, :, 0]], "W30 H20 Cmono"))
    assert len(list(read_frames(str(tmp_path / "still.png")))) == 1
    moving = list(read_frames(str(tmp_path / "moving.png")))
    assert all(np.array_equal(a, b) for a, b in zip(moving, pictures, strict=True))
    assert len(list(read_frames(str(tmp_path / "clip.y4m")))) == 1


def test_videos_need_pyav(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InvalidArgument, match=r"pip install av.*\.y4m"):
        list(read_frames(str(tmp_path / "clip.mp4")))


def test_videos(tmp_path):
    av = pytest.importorskip("av")
    path = str(tmp_path / "clip.mp4")
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for seed in range(3):
            frame = av.VideoFrame.from_ndarray(wavy_picture(16, 32, seed=seed), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert [frame.shape for frame in read_frames(path)] == [(16, 32, 3)] * 3
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(InvalidArgument, match="PyAV cannot read it"):
        list(read_frames(str(tmp_path / "broken.mp4")))
