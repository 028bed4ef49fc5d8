"""The measured half of `peak_memory`: one codec encodes or decodes one picture in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from samebits.evaluation.child_process import answer_parent
from samebits.evaluation.codecs import CodecOptions, make_codec
from samebits.evaluation.measure import load_rgb
from samebits.evaluation.time_child import peak_memory_bytes


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run the operation ("encode" or "decode") once, on the picture or on the file beside it."""
    options = CodecOptions(
        threads=request["threads"],
        model=request["model"] and Path(request["model"]),
        checkpoint=request["checkpoint"] and Path(request["checkpoint"]),
        compare_model=request["compare_model"] and Path(request["compare_model"]),
    )
    codec = make_codec(request["codec"], options)
    file = Path(request["coded_file"])
    if request["operation"] == "encode":
        rgb = load_rgb(Path(request["picture"]))
        baseline = peak_memory_bytes()
        data = codec.encode(rgb, request["quality"]).data
        peak = peak_memory_bytes()
        file.write_bytes(data)
    else:
        data = file.read_bytes()
        baseline = peak_memory_bytes()
        codec.decode(data)
        peak = peak_memory_bytes()
    return {"baseline_bytes": baseline, "peak_bytes": peak}


if __name__ == "__main__":
    answer_parent(answer)
