"""Jobs that tests run in environments."""

import os

import torch

from compressai_model import compressai_model
from samebits.learn import stabilize


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


def compress(*, way, state, x):
    """A picture's bytes by CompressAI, and what this environment decodes."""
    codec = _codec(state)
    with torch.no_grad():
        coded = codec.compress(x)
    return coded, decompress(way=way, coded=coded, state=state)


def decompress(*, way, coded, state):
    with torch.no_grad():
        x_hat = _codec(state).decompress(coded["strings"], coded["shape"])["x_hat"]
    return x_hat.numpy()


def _codec(state):
    """A model of given weights (random numbers are others elsewhere), stabilized if asked for."""
    stable, weights = state
    model = compressai_model()
    model.load_state_dict(weights)
    return stabilize(model) if stable else model
