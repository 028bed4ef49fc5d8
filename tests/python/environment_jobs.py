"""Jobs that tests run in environments."""

import os

import torch


def describe(*, way, word):
    network = torch.nn.Conv2d(2, 2, 1)
    way.prepare(network)
    y = way.run(network, torch.ones(1, 2, 4, 4))
    return {
        "word": word,
        "shape": tuple(y.shape),
        "threads": torch.get_num_threads(),
        "variable": os.environ.get("ONEDNN_MAX_CPU_ISA"),
    }


def fail(*, way):
    raise RuntimeError("the dog ate it")
