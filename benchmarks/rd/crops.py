"""Center crops of all pictures of a folder, for measurements that whole pictures take too long for.

python benchmarks/rd/crops.py KODAK CROPS --size 256
"""

import argparse
from pathlib import Path

from PIL import Image

from samebits.evaluation.measure import find_pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for path in find_pictures(arguments.pictures):
        with Image.open(path) as image:
            left, top = ((side - arguments.size) // 2 for side in image.size)
            crop = image.crop((left, top, left + arguments.size, top + arguments.size))
            crop.save(arguments.output / f"{path.stem}.png")


if __name__ == "__main__":
    main()
