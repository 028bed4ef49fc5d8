"""`samebits bench`: rounds, peers that are missing, results as JSON and as a page."""

import builtins
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import samebits
from samebits import _core, kernels
from samebits.cli import main
from samebits.cli.bench_codec import chosen_models
from samebits.errors import InvalidArgument
from samebits.evaluation import time_codec
from samebits.evaluation.benchmarks import coders, layers, streams
from samebits.evaluation.benchmarks.bars import Bar, bars_svg
from samebits.evaluation.benchmarks.coding import checked_payload, time_coding
from samebits.evaluation.benchmarks.compressai_import import import_compressai
from samebits.evaluation.benchmarks.kernels import time_kernels
from samebits.evaluation.benchmarks.kernels_samebits import exact_output, samebits_sources
from samebits.evaluation.benchmarks.peers import Missing, Source, Unavailable, gather
from samebits.evaluation.benchmarks.rounds import (
    Contender,
    RoundPlan,
    Spread,
    median_ratio,
    take_turns,
)

PEERS = ("torch", "onnx", "onnxruntime", "constriction", "torchac", "compressai")
TINY_LAYERS = (
    layers.Layer("tiny 3×3", 4, 6, (layers.Conv(8, 16, 3),)),
    layers.Layer("tiny depthwise", 4, 6, (layers.Conv(16, 16, 3, 16), layers.Conv(16, 8, 1))),
)
ONE_ROUND = RoundPlan.for_threads(1, rounds=1, sample_s=0.0)


class OpenElements(HTMLParser):
    """Whether a page's elements are closed in order, and whether it loads anything."""

    def __init__(self, page):
        super().__init__()
        self.loaded, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.loaded += [value for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        pass


@pytest.fixture
def no_peers(monkeypatch):
    """As if none of the other libraries were installed."""
    real_import = builtins.__import__

    def refuse(name, *arguments, **options):
        package = name.split(".")[0]
        if package in PEERS:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real_import(name, *arguments, **options)

    def not_installed():
        raise ModuleNotFoundError("No module named 'compressai'", name="compressai")

    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr(coders, "import_compressai", not_installed)


@pytest.fixture
def tiny_layers(monkeypatch):
    monkeypatch.setattr(layers, "LAYERS", TINY_LAYERS)


def needs(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def test_contenders_take_turns_and_each_begins_a_round():
    calls = []
    contenders = [Contender(name, "x", lambda name=name: calls.append(name)) for name in "abc"]
    samples = []
    seconds = take_turns(
        contenders, RoundPlan(3, 0.0, "wall"), on_sample=lambda: samples.append(len(calls))
    )
    assert [len(s) for s in seconds] == [3, 3, 3]
    assert len(samples) == 9
    # Two calls of each come first; then, in every sample, one that is not timed and one that is.
    assert "".join(calls) == "aabbcc" + "aabbcc" + "bbccaa" + "ccaabb"


def test_a_sample_of_short_calls_holds_many():
    calls = []
    short = Contender("short", "x", lambda: calls.append(1))
    (seconds,) = take_turns([short], RoundPlan(1, 0.05, "wall"))
    assert len(calls) > 5
    assert 0 < seconds[0] < 0.05


def test_the_clock_of_a_thread_stands_still_while_it_sleeps():
    plan = RoundPlan.for_threads(1, rounds=2, sample_s=0.0)
    assert plan.clock == "thread"
    assert RoundPlan.for_threads(2, rounds=2, sample_s=0.0).clock == "wall"
    (seconds,) = take_turns([Contender("sleep", "x", lambda: time.sleep(0.02))], plan)
    assert max(seconds) < 0.02


def test_spread_and_ratio():
    spread = Spread.of([4.0, 1.0, 2.0, 3.0, 5.0])
    assert spread == Spread(5, 1.0, 2.0, 3.0, 4.0)
    assert Spread.of([2.0]) == Spread(1, 2.0, 2.0, 2.0, 2.0)
    assert median_ratio([2.0, 40.0, 6.0], [1.0, 10.0, 3.0]) == 2.0


def test_what_is_missing_is_named_with_a_remedy():
    def not_installed():
        raise ModuleNotFoundError("No module named 'fastest'", name="fastest")

    def broken():
        raise OSError("libfast.so: cannot open\nmore")

    def unavailable():
        raise Unavailable("this machine lacks it")

    items, missing = gather(
        [
            Source("A", "pip install fastest", not_installed),
            Source("B", "pip install b", broken),
            Source("C", "", unavailable),
            Source("D", "", lambda: ["d"]),
        ]
    )
    assert items == ["d"]
    assert [str(m) for m in missing] == [
        "A: fastest is not installed; pip install fastest",
        "B: OSError: libfast.so: cannot open",
        "C: this machine lacks it",
    ]


@pytest.mark.parametrize("activations", [layers.TWELVE_BITS, layers.EIGHT_BITS])
@pytest.mark.parametrize("layer", TINY_LAYERS)
def test_random_layers_fill_their_range(layer, activations):
    data = layers.random_layer(layer, activations)
    out = exact_output(data)
    assert out.shape == (4, 6, layer.convs[-1].out_channels)
    assert data.x.min() >= activations.lo
    assert data.x.max() <= activations.hi
    width = activations.hi - activations.lo
    assert 0.05 * width < out.std() < 0.5 * width
    assert np.mean((out == activations.lo) | (out == activations.hi)) < 0.05


def test_macs_are_those_of_the_definition():
    assert layers.LAYERS[0].macs == 32 * 48 * 9 * 192 * 192
    assert layers.LAYERS[3].macs == 96 * 144 * (9 * 128 + 128 * 128)


@needs("safetensors")
@pytest.mark.parametrize("layer", TINY_LAYERS)
def test_all_ways_of_samebits_give_the_same(layer):
    twelve = layers.random_layer(layer, layers.TWELVE_BITS)
    eight = layers.random_layer(layer, layers.EIGHT_BITS)
    before = kernels.target()
    try:
        contenders, _ = gather(samebits_sources(twelve, eight, kernels.targets()))
        assert len(contenders) == 6 * len(kernels.targets())
        for contender in contenders:
            data = twelve if "12-bit" in contender.name else eight
            np.testing.assert_array_equal(contender.run(), exact_output(data))
    finally:
        kernels.set_target(before)


def test_prepared_convolutions_refuse_what_was_not_promised():
    def conv(*, in_hi=100, sides=(4, 3, 3, 2), weight=1):
        channels = np.ones(4, np.int32)
        return _core.PreparedConv(
            np.full(sides, weight, np.int16),
            channels,
            channels,
            channels,
            lo=-5,
            hi=5,
            depthwise=False,
            in_lo=0,
            in_hi=in_hi,
        )

    x = np.full((3, 3, 2), 7, np.int16)
    np.testing.assert_array_equal(conv().run(x), conv().run(x.astype(np.uint8)))
    x[1, 1, 1] = -1
    with pytest.raises(InvalidArgument, match=r"values in -1\.\.7, promised were 0\.\.100"):
        conv().run(x)
    with pytest.raises(InvalidArgument, match=r"x must be \(H, W, 2\)"):
        conv().run(np.zeros((3, 3, 3), np.int16))
    with pytest.raises(InvalidArgument, match="uint8 needs"):
        conv(in_hi=300).run(np.zeros((3, 3, 2), np.uint8))
    with pytest.raises(InvalidArgument, match="weight must be"):
        conv(sides=(4, 3, 1, 2))
    with pytest.raises(InvalidArgument, match="int32"):
        conv(in_hi=30000, weight=30000)


def test_kernels_without_peers(no_peers):
    benchmark = time_kernels(
        ONE_ROUND, threads=1, targets=["scalar"], chosen_layers=TINY_LAYERS[:1]
    )
    assert {t.maker for t in benchmark.timings} == {"samebits"}
    assert all(t.ratio_to_float32 is None for t in benchmark.timings)
    remedies = {m.name: m.remedy for m in benchmark.missing}
    assert "samebits[bench]" in remedies["torch float32, contiguous"]
    assert "samebits[bench]" in remedies["ONNX Runtime int8, QLinearConv"]


@needs("torch", "safetensors")
def test_kernels_json_and_page(tiny_layers, tmp_path, capsys):
    out = tmp_path / "new" / "kernels.json"
    arguments = ["bench", "kernels", "--quick", "--rounds", "2", "--json", "--out", str(out)]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == json.loads(out.read_text())
    value = json.loads(captured.out)
    assert (value["format"], value["kind"], value["threads"]) == (1, "kernels", 1)
    assert {"command", "commit", "machine", "versions", "clock", "missing"} <= set(value)
    assert "torch" in value["versions"]
    assert value["machine"]["cpu"]
    names = {t["contender"] for t in value["timings"] if t["layer"] == "tiny 3×3"}
    assert any(name.startswith("samebits") for name in names)
    assert any(name.startswith("torch float32") for name in names)
    for timing in value["timings"]:
        spread = timing["spread"]
        assert spread["samples"] == 2
        assert 0 < spread["fastest_s"] <= spread["lower_quartile_s"] <= spread["median_s"]
        assert spread["median_s"] <= spread["upper_quartile_s"]
        assert timing["ratio_to_float32"] > 0
        assert timing["gmac_per_s"] > 0
    for missing in value["missing"]:
        assert f"NOT MEASURED: {missing['name']}" in captured.err
    check_page(out.with_suffix(".html").read_text(encoding="utf-8"), names)


def check_page(page, names):
    elements = OpenElements(page)
    assert elements.open == []
    assert elements.loaded == []
    for name in names:
        assert name in page
    assert "samebits 0." in page
    assert "nan" not in re.sub(r"<style>.*</style>", "", page, flags=re.S).split()


def test_kernels_wrong_arguments(capsys):
    assert main(["bench", "kernels", "--layers", "9×9"]) == 1
    assert "dense 3×3, 192→192" in capsys.readouterr().err
    assert main(["bench", "kernels", "--targets", "abacus"]) == 1
    assert "scalar" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["bench"])
    with pytest.raises(SystemExit):
        main(["bench", "everything"])


@pytest.mark.parametrize("name", streams.MIXTURES)
def test_streams_have_about_the_bits_of_their_name(name):
    stream = streams.make_stream(name, 50_000)
    assert stream.bits_per_symbol == pytest.approx(float(name.split()[0]), rel=0.05)
    assert np.all(stream.symbols >= stream.tables.min_symbol[stream.table_index])
    assert np.all(stream.symbols <= stream.tables.max_symbol[stream.table_index])
    assert len(np.unique(streams.make_stream("1 bit", 50_000).table_index)) > 40
    head = stream.head(1000)
    assert head.size == 1000
    assert head.bits_per_symbol == pytest.approx(stream.bits_per_symbol, rel=0.2)


@pytest.mark.parametrize("name", streams.MIXTURES)
def test_all_coders_that_are_there_decode_what_they_encode(name):
    found, missing = gather(coders.coder_sources(streams.make_stream(name, 2000)))
    assert found[0].maker == "samebits"
    for coder in found:
        payload = checked_payload(coder)
        # Within 15 % of the entropy: the same symbols, by tables of the same Gaussians.
        assert coder.size_bytes(payload) * 8 < 1.15 * coder.stream.entropy_bits + 200
    for item in missing:
        assert item.remedy or "Error" in item.reason


def test_a_coder_that_loses_symbols_stops_the_benchmark():
    stream = streams.make_stream("1 bit", 100)
    wrong = coders.Coder("x", "x", lambda: b"", lambda payload: stream.symbols + 1, len, stream)
    with pytest.raises(AssertionError, match="x does not decode"):
        checked_payload(wrong)


def test_coding_without_peers(no_peers):
    benchmark = time_coding(ONE_ROUND, symbols=1000, overhead_bytes=1000, mixtures=["1 bit"])
    assert {t.maker for t in benchmark.timings} == {"samebits"}
    assert {t.operation for t in benchmark.timings} == {"encode", "decode"}
    remedies = {m.name: m.remedy for m in benchmark.missing}
    assert "samebits[bench]" in remedies["constriction, categorical"]
    assert "--no-deps compressai" in remedies["CompressAI rANS, lists"]
    assert benchmark.timings[0].overhead_bytes >= 1000
    assert all(t.speedup_of_samebits == 1.0 for t in benchmark.timings)


def test_coding_json_and_page(tmp_path, capsys):
    out = tmp_path / "coding.json"
    arguments = ["bench", "coding", "--quick", "--rounds", "1", "--symbols", "2000"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "decode, 1 bit" in capsys.readouterr().out
    value = json.loads(out.read_text())
    assert (value["format"], value["kind"]) == (1, "coding")
    assert [s["name"] for s in value["streams"]] == list(streams.MIXTURES)
    for timing in value["timings"]:
        assert timing["operation"] in ("encode", "decode")
        assert timing["msymbol_per_s"] > 0
        if timing["maker"] == "samebits":
            assert timing["overhead_bytes"] >= 100_000
            assert -0.1 < timing["overhead_percent"] < 1
    check_page(out.with_suffix(".html").read_text(encoding="utf-8"), ["samebits range coder"])


@needs("compressai", "torch")
def test_importing_compressai_leaves_no_stand_ins():
    import_compressai()
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("torchvision", "torch_geometric"):
            assert type(module).__name__ != "_Empty", name


def test_repeats_are_shared_by_the_passes():
    def plan(repeats):
        return time_codec.TimingPlan(50, ("scalar",), (1,), repeats)

    assert plan(7).repeats_of_passes == (3, 2, 2)
    assert plan(2).repeats_of_passes == (1, 1)


def test_what_libraries_print_is_kept_from_the_results():
    code = (
        "import os, sys; from samebits.cli import bench, main\n"
        "measure = bench.PARTS['codec'].measure\n"
        "def noisy(arguments):\n"
        "    os.system('echo compiling')\n"
        "    return measure(arguments)\n"
        "bench.PARTS['codec'].measure = noisy\n"
        "arguments = ['bench', 'codec', '--targets', 'scalar', '--size', '64x48', '--json']\n"
        "sys.exit(main([*arguments, '--quick', '--repeats', '1', '--peers', 'none']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(samebits.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert json.loads(done.stdout)["kind"] == "codec"
    assert "compiling" in done.stderr


def test_names_of_peers():
    assert len(chosen_models("all")) == 3
    assert chosen_models("none") == ()
    assert chosen_models("mbt2018-mean") == ("mbt2018-mean",)
    with pytest.raises(InvalidArgument, match="cheng2020-anchor"):
        chosen_models("h264")


def fake_child(request):
    return {
        "width": 64,
        "height": 48,
        "size_bytes": 99,
        "first_s": 9.0,
        "seconds": [0.25] * request["repeats"],
        "baseline_bytes": 10,
        "peak_bytes": 20,
    }


def test_codec_json_and_page(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(time_codec, "_ask_child", fake_child)
    out = tmp_path / "codec.json"
    arguments = ["bench", "codec", "--quick", "--targets", "scalar", "--peers", "none"]
    assert main([*arguments, "--repeats", "4", "--out", str(out)]) == 0
    assert "median 250.0 ms" in capsys.readouterr().out
    value = json.loads(out.read_text())
    assert (value["format"], value["kind"], value["quality"]) == (1, "codec", 50)
    assert [t["operation"] for t in value["timings"]] == ["encode", "decode"]
    for timing in value["timings"]:
        assert timing["repeats"] == 4
        assert timing["lower_quartile_s"] == timing["upper_quartile_s"] == 0.25
    check_page(out.with_suffix(".html").read_text(encoding="utf-8"), ["samebits scalar, 1 thread"])


@pytest.mark.slow
@needs("compressai", "torch")
def test_codec_beside_compressai(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(time_codec, "_ask_child", fake_child)
    arguments = ["bench", "codec", "--quick", "--size", "64x48", "--targets", "scalar", "--json"]
    assert main([*arguments, "--peers", "mbt2018-mean", "--repeats", "1"]) == 0
    value = json.loads(capsys.readouterr().out)
    peers = [t for t in value["timings"] if t["codec"] == "CompressAI mbt2018-mean"]
    assert [t["operation"] for t in peers] == ["encode", "decode"]
    assert all("weights" in t["note"] for t in peers)
    assert all(t["median_s"] > 0 for t in peers)


def test_codec_without_compressai(no_peers, monkeypatch, capsys):
    monkeypatch.setattr(time_codec, "_ask_child", fake_child)
    monkeypatch.setattr(
        "samebits.evaluation.benchmarks.compressai_codecs.import_compressai",
        coders.import_compressai,
    )
    arguments = ["bench", "codec", "--quick", "--targets", "scalar", "--json"]
    assert main([*arguments, "--peers", "cheng2020-anchor"]) == 0
    captured = capsys.readouterr()
    (missing,) = json.loads(captured.out)["missing"]
    assert missing["name"] == "CompressAI cheng2020-anchor"
    assert "NOT MEASURED: CompressAI cheng2020-anchor" in captured.err
    assert "--no-deps compressai" in captured.err


def test_bars_are_escaped_and_scaled():
    bars = [
        Bar("a < b", "samebits", 10.0, 9.0, 11.0, "10"),
        Bar("c", "unknown library", 5.0, 5.0, 5.0, "5"),
    ]
    svg = bars_svg(bars)
    assert "a &lt; b" in svg
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', svg)]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert bars_svg([]).startswith("<svg")


def test_missing_says_all_it_knows():
    assert str(Missing("x", "broken", "")) == "x: broken"
