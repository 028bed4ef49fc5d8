"""Training data: folders and shards alike, crops on the CPU and from one tensor alike."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from samebits.learn.training.crops import draw_crops, place_crops, take_crops  # noqa: E402
from samebits.learn.training.data_on_device import DevicePictures, HeldPictures  # noqa: E402
from samebits.learn.training.pictures import load_pictures  # noqa: E402

CPU = torch.device("cpu")


def random_pictures(sizes):
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture
def named():
    pictures = random_pictures([(40 + n, 50) for n in range(8)])
    return {f"{n}.png": picture for n, picture in enumerate(pictures)}


def write_shard(path, contents):
    with tarfile.open(path, "w") as shard:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            shard.addfile(member, io.BytesIO(content))


def test_shards_are_read_as_a_folder_is(named, tmp_path):
    folder, shards = tmp_path / "folder", tmp_path / "shards"
    folder.mkdir()
    shards.mkdir()
    for name, picture in named.items():
        (folder / name).write_bytes(png(picture))
    encoded = {name: png(picture) for name, picture in named.items()}
    labels = {"0.cls": b"7", "bad.png": b"no picture"}
    write_shard(shards / "a.tar", dict(list(encoded.items())[:5]) | labels)
    write_shard(shards / "b.tar", dict(list(encoded.items())[5:]))
    expected = load_pictures(folder, smallest=32, validation_share=0.4)
    assert expected.train
    assert expected.validation
    for data in (shards, shards / "*.tar"):
        found = load_pictures(data, smallest=32, validation_share=0.4)
        assert [path.name for path, _ in found.skipped] == ["bad.png"]
        for some, others in (
            (found.train, expected.train),
            (found.validation, expected.validation),
        ):
            assert len(some) == len(others)
            assert all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))
    assert len(load_pictures(shards / "b.tar", smallest=32).train) == 3


def test_what_comes_before_the_damage_of_a_shard_is_used(named, tmp_path):
    path = tmp_path / "a.tar"
    write_shard(path, {name: png(picture) for name, picture in named.items()})
    path.write_bytes(path.read_bytes()[:20000])
    pictures = load_pictures(tmp_path, smallest=32)
    assert 0 < len(pictures.train) < len(named)
    assert pictures.skipped


def test_processes_share_the_training_pictures(named, tmp_path):
    for name, picture in named.items():
        (tmp_path / name).write_bytes(png(picture))
    every = load_pictures(tmp_path, smallest=32, validation_share=0.3)
    parts = [
        load_pictures(tmp_path, smallest=32, validation_share=0.3, part=(n, 2)) for n in (0, 1)
    ]
    assert sum(len(part.train) for part in parts) == len(every.train)
    for part in parts:
        assert len(part.validation) == len(every.validation)


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no pictures under"):
        load_pictures(tmp_path, smallest=32)
    with pytest.raises(FileNotFoundError, match="no pictures under"):
        load_pictures(tmp_path / "*.tar", smallest=32)
    with pytest.raises(FileNotFoundError, match="no pictures under"):
        load_pictures(tmp_path / "none", smallest=32)


def test_crops_by_indices_equal_crops_by_slices():
    pictures = random_pictures([(33, 40), (20, 64), (64, 20), (50, 50)])
    numbers = draw_crops(200, np.random.default_rng(0))
    for size in (16, 33):
        held = HeldPictures(pictures, CPU)(numbers, size=size)
        gathered = DevicePictures(pictures, CPU)(numbers, size=size)
        assert torch.equal(held, gathered)
        assert gathered.is_contiguous(memory_format=torch.channels_last)


def test_crops_lie_within_pictures_and_larger_ones_are_drawn_more():
    pictures = random_pictures([(32, 32), (32, 96), (16, 200)])
    numbers = draw_crops(4000, np.random.default_rng(0))
    numbers[0], numbers[1] = 0, np.nextafter(1, 0)
    places = place_crops(pictures, numbers, size=32)
    assert set(places.picture) == {0, 1}
    assert np.mean(places.picture == 1) == pytest.approx(0.75, abs=0.03)
    assert take_crops(pictures, places).shape == (4000, 3, 32, 32)
    assert (places.top == 0).all()
    assert places.left[places.picture == 1].max() == 64
    with pytest.raises(ValueError, match="smaller crop"):
        place_crops(pictures, numbers, size=33)
