# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
"""The coders that `samebits bench coding` times: arrays to bytes and back, as each takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from samebits.evaluation.benchmarks.compressai_import import import_compressai
from samebits.evaluation.benchmarks.peers import INSTALL_COMPRESSAI, INSTALL_EXTRA, Source
from samebits.evaluation.benchmarks.streams import Stream
from samebits.kernels import range_decode, range_encode

# torchac takes a row of the tables for each symbol.
TORCHAC_SYMBOLS = 1 << 17


@dataclass(frozen=True)
class Coder:
    """A coder and its input, ready.

    Attributes
    ----------
    name, maker : str
    encode : callable
        The symbols to what `decode` takes.
    decode : callable
        What `encode` gave, to an array of the symbols.
    size_bytes : callable
        Payload size of what `encode` gave.
    stream : Stream
        What it codes: the stream asked for, or its beginning.
    note : str
    """

    name: str
    maker: str
    encode: Callable[[], Any]
    decode: Callable[[Any], ArrayLike]
    size_bytes: Callable[[Any], int]
    stream: Stream
    note: str = ""


def coder_sources(stream: Stream) -> list[Source[Coder]]:
    """All coders over one stream."""
    return [
        Source("samebits", "", lambda: _samebits(stream)),
        Source("constriction, categorical", INSTALL_EXTRA, lambda: _categorical(stream)),
        Source("constriction, Gaussian family", INSTALL_EXTRA, lambda: _gaussian_family(stream)),
        Source("torchac", INSTALL_EXTRA, lambda: _torchac(stream.head(TORCHAC_SYMBOLS))),
        Source("CompressAI rANS, lists", INSTALL_COMPRESSAI, lambda: _rans_lists(stream)),
        Source("CompressAI rANS, tensors", INSTALL_COMPRESSAI, lambda: _rans_tensors(stream)),
    ]


def _samebits(stream: Stream) -> Sequence[Coder]:
    symbols, index, tables = stream.symbols, stream.table_index, stream.tables
    return [
        Coder(
            "samebits range coder",
            "samebits",
            lambda: range_encode(symbols, index, tables),
            lambda payload: range_decode(payload, index, tables),
            len,
            stream,
        )
    ]


def _categorical(stream: Stream) -> Sequence[Coder]:
    """Its fastest way: symbols sorted by table, one call for each table, last in first out."""
    import constriction

    coder_of = constriction.stream.stack.AnsCoder
    models = []
    for row in range(stream.tables.rows):
        probabilities = np.diff(stream.tables.cdf(row)) / 65536.0
        models.append(constriction.stream.model.Categorical(probabilities, perfect=False))
    offsets = stream.tables.min_symbol

    def groups() -> list[np.ndarray]:
        order = np.argsort(stream.table_index, kind="stable")
        ends = np.searchsorted(stream.table_index[order], np.arange(1, len(models)))
        return np.split(order, ends)

    def encode() -> np.ndarray:
        coder = coder_of()
        entries = stream.symbols - offsets[stream.table_index]
        for row, members in reversed(list(enumerate(groups()))):
            coder.encode_reverse(entries[members], models[row])
        return coder.get_compressed()

    def decode(words: np.ndarray) -> np.ndarray:
        coder = coder_of(words)
        symbols = np.empty(stream.size, np.int32)
        for row, members in enumerate(groups()):
            symbols[members] = coder.decode(models[row], len(members)) + offsets[row]
        return symbols

    note = "ANS; sorted by table in the call, 64 calls; tables rounded again to its own precision"
    return [
        Coder("constriction, categorical", "constriction", encode, decode, _nbytes, stream, note)
    ]


def _gaussian_family(stream: Stream) -> Sequence[Coder]:
    import constriction

    reach = int(np.abs(stream.symbols).max()) + 1
    model = constriction.stream.model.QuantizedGaussian(-reach, reach)
    deviations = stream.deviations
    means = np.zeros(stream.size)

    def encode() -> np.ndarray:
        coder = constriction.stream.queue.RangeEncoder()
        coder.encode(stream.symbols, model, means, deviations)
        return coder.get_compressed()

    def decode(words: np.ndarray) -> np.ndarray:
        return constriction.stream.queue.RangeDecoder(words).decode(model, means, deviations)

    note = "range coder; a floating-point Gaussian for each symbol, no tables"
    return [
        Coder(
            "constriction, Gaussian family", "constriction", encode, decode, _nbytes, stream, note
        )
    ]


def _torchac(stream: Stream) -> Sequence[Coder]:
    import torch
    import torchac

    longest = int(np.diff(stream.tables.row_begin)[stream.table_index].max()) + 1
    rows = np.full((stream.tables.rows, longest), 65535, np.uint16)
    for row in range(stream.tables.rows):
        starts = stream.tables.cdf(row)[:-1][:longest]
        rows[row, : len(starts)] = starts
    cdf = torch.from_numpy(rows.view(np.int16)[stream.table_index])
    entries = stream.symbols - stream.tables.min_symbol[stream.table_index]
    entries = torch.from_numpy(entries.astype(np.int16))
    offsets = stream.tables.min_symbol[stream.table_index]

    def decode(payload: bytes) -> np.ndarray:
        found = torchac.decode_int16_normalized_cdf(cdf, payload)
        return found.numpy() + offsets

    return [
        Coder(
            "torchac",
            "torchac",
            lambda: torchac.encode_int16_normalized_cdf(cdf, entries),
            decode,
            len,
            stream,
            f"a table row gathered for each symbol beforehand; {stream.size} symbols",
        )
    ]


def _rans_lists(stream: Stream) -> Sequence[Coder]:
    import_compressai()
    from compressai import ans

    symbols, index = stream.symbols.tolist(), stream.table_index.tolist()
    cdfs, sizes, offsets = _rans_tables(stream)

    def encode() -> bytes:
        return ans.RansEncoder().encode_with_indexes(symbols, index, cdfs, sizes, offsets)

    def decode(payload: bytes) -> list[int]:
        return ans.RansDecoder().decode_with_indexes(payload, index, cdfs, sizes, offsets)

    note = "symbols and indices are Python lists already"
    name = "CompressAI rANS, lists"
    return [Coder(name, "compressai", encode, decode, len, stream, note)]


def _rans_tensors(stream: Stream) -> Sequence[Coder]:
    import_compressai()
    import torch
    from compressai.entropy_models import GaussianConditional

    cdfs, sizes, offsets = _rans_tables(stream)
    model = GaussianConditional(None)
    padded = np.zeros((len(cdfs), max(sizes)), np.int32)
    for row, cdf in enumerate(cdfs):
        padded[row, : len(cdf)] = cdf
    model._quantized_cdf = torch.from_numpy(padded)
    model._cdf_length = torch.tensor(sizes, dtype=torch.int32)
    model._offset = torch.tensor(offsets, dtype=torch.int32)
    y = torch.from_numpy(stream.symbols.astype(np.float32))[None]
    index = torch.from_numpy(stream.table_index.astype(np.int32))[None]

    def encode() -> bytes:
        return model.compress(y, index)[0]

    def decode(payload: bytes) -> np.ndarray:
        return model.decompress([payload], index)[0].numpy()

    note = "GaussianConditional.compress and decompress, tensors in and out"
    name = "CompressAI rANS, tensors"
    return [Coder(name, "compressai", encode, decode, len, stream, note)]


def _rans_tables(stream: Stream) -> tuple[list[list[int]], list[int], list[int]]:
    cdfs = [stream.tables.cdf(row).tolist() for row in range(stream.tables.rows)]
    return cdfs, [len(cdf) for cdf in cdfs], stream.tables.min_symbol.tolist()


def _nbytes(words: np.ndarray) -> int:
    return words.nbytes
