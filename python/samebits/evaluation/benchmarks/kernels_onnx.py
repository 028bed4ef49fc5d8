# pyright: reportMissingImports=false
"""ONNX Runtime's contenders: float32 and int8 (QLinearConv)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from samebits.evaluation.benchmarks.layers import LayerData
from samebits.evaluation.benchmarks.peers import INSTALL_EXTRA, Source
from samebits.evaluation.benchmarks.rounds import Contender

OPSET, IR_VERSION = 17, 8  # old enough for every ONNX Runtime of the last years


def onnx_sources(data: LayerData, threads: int) -> list[Source[Contender]]:
    """The layer with 8-bit integers, or floats of the same values."""
    return [
        _source("ONNX Runtime float32", lambda: _session_run(_float_model(data), data, threads)),
        _source(
            "ONNX Runtime int8, QLinearConv", lambda: _session_run(_int8_model(data), data, threads)
        ),
    ]


def _source(name: str, prepare: Callable[[], Callable[[], object]]) -> Source[Contender]:
    def make() -> list[Contender]:
        run = prepare()
        run()
        return [Contender(name, "onnxruntime", run)]

    return Source(name, INSTALL_EXTRA, make)


def _session_run(model: bytes, data: LayerData, threads: int) -> Callable[[], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait would slow the other contenders down.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    dtype = np.uint8 if "uint8" in session.get_inputs()[0].type else np.float32
    x = np.ascontiguousarray(data.x.transpose(2, 0, 1)[None], dtype)
    channels = data.layer.convs[-1].out_channels
    out = np.empty((1, channels, data.layer.height, data.layer.width), dtype)
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_output("y", "cpu", 0, dtype, out.shape, out.ctypes.data)

    def run() -> np.ndarray:
        session.run_with_iobinding(binding)
        return out

    return run


def integers_of(output) -> np.ndarray:
    """Integers (height, width, channels) of a quantized output."""
    return output[0].transpose(1, 2, 0)


def _float_model(data: LayerData) -> bytes:
    from onnx import TensorProto

    tensors, nodes = {}, []
    for n, conv in enumerate(data.layer.convs):
        scale = 2.0 ** -data.shifts[n]
        weight = data.weights[n].transpose(0, 3, 1, 2)
        tensors[f"w{n}"] = np.ascontiguousarray(weight * scale, np.float32)
        tensors[f"b{n}"] = (data.biases[n] * scale).astype(np.float32)
        nodes.append(("Conv", n, [f"w{n}", f"b{n}"], conv))
    return _model(data, nodes, tensors, TensorProto.FLOAT)


def _int8_model(data: LayerData) -> bytes:
    """Steps of 1 for input and weights, of 2**shift for the output: the integers are ours."""
    from onnx import TensorProto

    tensors, nodes, step = {"one": np.float32(1), "zero": np.uint8(0), "zero8": np.int8(0)}, [], 1.0
    for n, conv in enumerate(data.layer.convs):
        tensors[f"w{n}"] = np.ascontiguousarray(data.weights[n].transpose(0, 3, 1, 2))
        tensors[f"b{n}"] = data.biases[n]
        tensors[f"from{n}"] = np.float32(step)
        step *= 2.0 ** data.shifts[n]
        tensors[f"to{n}"] = np.float32(step)
        arguments = [f"from{n}", "zero", f"w{n}", "one", "zero8", f"to{n}", "zero", f"b{n}"]
        nodes.append(("QLinearConv", n, arguments, conv))
    return _model(data, nodes, tensors, TensorProto.UINT8)


def _model(data: LayerData, nodes: list, tensors: dict, element_type: int) -> bytes:
    from onnx import helper, numpy_helper

    size = [data.layer.height, data.layer.width]
    last = len(nodes) - 1
    graph = helper.make_graph(
        [
            helper.make_node(
                kind,
                [f"y{n - 1}" if n else "x", *arguments],
                ["y" if n == last else f"y{n}"],
                group=conv.groups,
                kernel_shape=2 * [conv.kernel],
                pads=4 * [conv.padding],
            )
            for kind, n, arguments, conv in nodes
        ],
        "layer",
        [_info("x", element_type, [1, data.layer.convs[0].in_channels, *size])],
        [_info("y", element_type, [1, data.layer.convs[-1].out_channels, *size])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    return model.SerializeToString()


def _info(name: str, element_type: int, shape: list[int]):
    from onnx import helper

    return helper.make_tensor_value_info(name, element_type, shape)
