"""Environments: networks computed in different ways, and what is measured in them."""

import importlib
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402

from compressai_model import compressai_model, compressai_picture  # noqa: E402
from samebits.errors import InvalidArgument  # noqa: E402
from samebits.evaluation.benchmarks.stability import measure_stability  # noqa: E402
from samebits.evaluation.benchmarks.stability_page import (  # noqa: E402
    stability_lines,
    stability_page,
)
from samebits.evaluation.results import to_json_value  # noqa: E402
from samebits.learn.stability.ways import way_of  # noqa: E402
from samebits.stability.environments import (  # noqa: E402
    ENVIRONMENTS,
    REFERENCE,
    Environment,
    EnvironmentUnavailable,
    run_in,
)
from tiny_float_model import smooth_pictures, tiny_weights_file  # noqa: E402

IN_PROCESS = ["channels-last", "batch-2", "float64", "perturbed", "onnxruntime", "compiled"]


def test_a_job_in_a_process_of_its_own():
    environment = Environment("two", "", threads=2, variables={"ONEDNN_MAX_CPU_ISA": "SSE41"})
    answer = run_in(environment, "environment_jobs:describe", {"word": "hello"})
    assert answer == {
        "word": "hello",
        "shape": (1, 2, 4, 4),
        "threads": 2,
        "variable": "SSE41",
    }


def test_what_fails_says_why():
    with pytest.raises(InvalidArgument, match=r"environment_jobs:fail.*the dog ate it"):
        run_in(REFERENCE, "environment_jobs:fail", {})
    with pytest.raises(InvalidArgument, match="module:name"):
        run_in(REFERENCE, "environment_jobs", {})


@pytest.mark.parametrize(
    "names",
    [
        ["onednn-sse41"],
        pytest.param(
            ["threads-2", "onednn-sse41", "no-onednn", "mkl-compatible", "aten-plain"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_model_of_compressai_decodes_in_all_environments(names):
    try:
        weights = compressai_model().state_dict()
    except ImportError:
        pytest.skip("CompressAI is not installed")

    def decodes(*, stable):
        given = {"state": (stable, weights)}
        coded, wanted = run_in(
            REFERENCE, "environment_jobs:compress", {**given, "x": compressai_picture()}
        )
        arguments = {**given, "coded": coded}
        found = [run_in(ENVIRONMENTS[n], "environment_jobs:decompress", arguments) for n in names]
        return [np.array_equal(one, wanted) for one in found]

    assert not all(decodes(stable=False))
    assert all(decodes(stable=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_its_environments_are_not_available():
    for name in ("cuda", "cuda-tf32", "cuda-bf16"):
        with pytest.raises(EnvironmentUnavailable, match="no GPU"):
            way_of(ENVIRONMENTS[name])


@pytest.mark.parametrize(
    "name", [*IN_PROCESS[:-1], pytest.param("compiled", marks=pytest.mark.slow)]
)
def test_ways_give_nearly_the_same(name):
    torch.manual_seed(1)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.LeakyReLU(0.25), torch.nn.Conv2d(8, 5, 3, 2)
    ).requires_grad_(False)
    x = torch.rand(1, 3, 20, 17)
    plain = network(x)
    try:
        way = way_of(ENVIRONMENTS[name])
    except EnvironmentUnavailable as error:
        pytest.skip(str(error))
    way.prepare(network)
    y = way.run(network, x.to(network[0].weight.dtype))
    assert y.shape == plain.shape
    assert (y - plain).abs().max() < 1e-4
    assert (name == "perturbed") <= bool((y != plain).any())


def in_this_process(environment, function, arguments):
    module, name = function.split(":")
    return getattr(importlib.import_module(module), name)(way=way_of(environment), **arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("environments")
    for number, picture in enumerate(smooth_pictures(count=2, size=64, seed=5)):
        rgb = np.ascontiguousarray(picture.permute(1, 2, 0).numpy()[:, : 64 - 5 * number])
        Image.fromarray(rgb).save(folder / f"{number}.png")
    return folder


def test_benchmark(folder):
    weights = tiny_weights_file(folder)
    methods = ["S1", "S1 nearest", "S1 + S3", "double + S1", "S5"]
    benchmark = measure_stability(
        sorted(folder.glob("*.png")),
        model=weights,
        quality=50,
        qualities=(10, 30, 50, 70),
        environments=["channels-last", "float64", "perturbed", "cuda"],
        methods=methods,
        start=in_this_process,
    )
    assert [one.name for one in benchmark.methods] == ["nothing", *methods]
    names = [one.name for one in benchmark.environments]
    if not torch.cuda.is_available():
        assert names == ["channels-last", "float64", "perturbed"]
        assert {one.name for one in benchmark.missing} == {"cuda"}
    for environment in benchmark.environments:
        assert environment.integer_exact == environment.pictures == 2
    single, double = benchmark.precisions
    assert single.pixels > 1000 * double.pixels
    by_name = {one.name: one for one in benchmark.methods}
    for name in ("channels-last", "float64"):
        assert by_name["S1"].exact[name] == by_name["S1 + S3"].exact[name] == 2
        assert by_name["S1 nearest"].exact[name] == 2
    assert by_name["S5"].exact["channels-last"] == 2
    assert by_name["S5"].exact["float64"] is None
    assert by_name["S1"].pixel_bpp > 0
    assert by_name["S1 nearest"].pixel_bpp > 0
    assert by_name["nothing"].pixel_bpp == by_name["S5"].pixel_bpp == 0
    text = "\n".join(stability_lines(benchmark))
    assert "double + S1" in text
    assert "–" in text
    assert "Numerical stability" in stability_page(benchmark)
    json.dumps(to_json_value(benchmark))


def test_unknown_names(folder):
    for options in ({"environments": ["moon"]}, {"methods": ["hope"]}):
        with pytest.raises(
            InvalidArgument, match=r"there is no (environment|method) '(moon|hope)'"
        ):
            measure_stability([], model=folder, quality=50, qualities=(10,), **options)
