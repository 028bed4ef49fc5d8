"""Pictures of the golden files, from integers alone so that they can be made again anywhere."""

import numpy as np


def triangle(phase: np.ndarray, *, period: int) -> np.ndarray:
    """Integer triangle wave, 0 … 255."""
    position = phase % period
    return np.minimum(position, period - position) * 510 // period


def woven_picture(height: int, width: int, *, seed: int) -> np.ndarray:
    """Waves of three directions under a checkered grain.

    Rows repeat after 32, so that large pictures take little room in the repository.

    Parameters
    ----------
    height, width : int
        Size in pixels.
    seed : int
        Changes the directions and the periods.

    Returns
    -------
    uint8 array (height, width, 3)
    """
    row, column = np.mgrid[0:height, 0:width].astype(np.int64)
    row = row % 32
    planes = []
    for channel in range(3):
        broad = triangle(3 * row + (5 + seed % 4) * column + 40 * channel, period=211 + 16 * seed)
        fine = triangle((7 - channel) * row - 4 * column, period=59 + 2 * seed)
        grain = (row * 37 + column * (61 + seed) + channel * 11) % 23
        planes.append((5 * broad + 2 * fine) // 8 + grain)
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)
