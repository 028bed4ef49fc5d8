"""Small pictures that look a little like photos, for tests that need files of them."""

import numpy as np
from PIL import Image


def picture(width, height, seed):
    """A PIL image, RGB: smooth noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def two_pictures(parent):
    """A folder: two pictures that are no multiple of anything, and a file that is none."""
    folder = parent / "two & two"
    folder.mkdir()
    picture(67, 45, 1).save(folder / "b.png")
    picture(45, 61, 2).save(folder / "a.PNG")
    (folder / "notes.txt").write_text("not a picture")
    return folder
