"""Learned groups (E4): methods, layouts, group files."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from samebits.learn.grouping.activations import ChannelActivations, centered  # noqa: E402
from samebits.learn.grouping.clustering_loss import (  # noqa: E402
    ClusteringTerm,
    channel_features,
    labels_by_loss,
)
from samebits.learn.grouping.find_groups import (  # noqa: E402
    METHOD_NAMES,
    FindOptions,
    GroupFinder,
)
from samebits.learn.grouping.group_file import (  # noqa: E402
    Grouping,
    even_sizes,
    read_groups,
    write_groups,
)
from samebits.learn.grouping.layout import dealt, grouping_of  # noqa: E402
from samebits.learn.grouping.methods import (  # noqa: E402
    METHODS,
    by_importance,
    by_spectrum,
    largest_gap,
)
from tiny_float_model import TINY_CONFIG, smooth_pictures, tiny_model  # noqa: E402

FAMILIES = np.repeat(np.arange(3), 8)


def families(*, seed=0, noise=0.3):
    """24 channels of three families: inside of one, all are large at the same positions."""
    random = np.random.default_rng(seed)
    loudness = np.exp(random.normal(size=(3, 600)))[FAMILIES]
    values = loudness * random.normal(size=(24, 600)) + noise * random.normal(size=(24, 600))
    return ChannelActivations(values)


def same_partition(a, b):
    """Whether two label vectors say the same up to the numbers of the clusters."""
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize("method", ["clustering", "correlation", "spectral", "projection"])
def test_families_of_channels_are_found(method):
    labels = METHODS[method](families(), count=3, seed=0)
    assert same_partition(labels, FAMILIES)


def test_the_spectrum_says_how_many_groups_there_are():
    assert same_partition(by_spectrum(families(), count=None, seed=0), FAMILIES)
    assert largest_gap(np.array([0.0, 0.01, 0.02, 0.9, 0.95, 1.0])) == 3


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_groups(method):
    activations = families(noise=3.0)
    first, second = (METHODS[method](activations, count=4, seed=5) for _ in range(2))
    assert np.array_equal(first, second)


def test_importance_bins_are_equally_wide_in_octaves():
    loud = np.array([1.0, 1.1, 2.0, 2.1, 8.0, 16.0])
    values = loud[:, None] * np.array([1.0, -1.0])
    assert by_importance(ChannelActivations(values), count=4, seed=0).tolist() == [0, 0, 1, 1, 3, 3]


def test_constant_channels_do_no_harm():
    values = np.zeros((6, 50))
    values[:3] = np.random.default_rng(0).normal(size=(3, 50))
    activations = ChannelActivations(values)
    assert np.isfinite(activations.correlation).all()
    for method in METHODS.values():
        assert method(activations, count=2, seed=0).shape == (6,)
    assert np.array_equal(centered(values)[3:], np.zeros((3, 50)))


def test_apart_deals_each_cluster_out_over_all_groups():
    importance = np.arange(24, 0, -1.0)
    grouping = grouping_of(FAMILIES, importance, use="apart", method="m", sizes=[6, 6, 6, 6])
    for group in grouping.groups:
        assert np.bincount(FAMILIES[list(group)]).tolist() == [2, 2, 2]


def test_together_keeps_clusters_and_puts_the_most_important_first():
    importance = np.r_[np.ones(8), np.full(8, 5.0), np.full(8, 3.0)]
    grouping = grouping_of(FAMILIES, importance, use="together", method="m")
    assert grouping.groups == tuple(tuple(range(begin, begin + 8)) for begin in (8, 16, 0))


def test_dealing_keeps_shares_all_the_way():
    parts = dealt(np.arange(64), [4, 8, 16, 36])
    assert [len(part) for part in parts] == [4, 8, 16, 36]
    assert np.bincount(np.concatenate(parts)).tolist() == [1] * 64
    # Half of the channels dealt out: half of every group.
    assert [int((part < 32).sum()) for part in parts] == [2, 4, 8, 18]


def test_four_groups_are_the_phase_groups_and_others_are_cut_in_four():
    assert Grouping(((0, 2, 1), (3,), (4,), (5,))).phase_sizes == (3, 1, 1, 1)
    assert Grouping(((0, 2), (1, 3, 4, 5))).phase_sizes == (2, 2, 1, 1)
    assert even_sizes(10, 4) == (3, 3, 2, 2)


def test_a_group_file_comes_back(tmp_path):
    grouping = Grouping(((3, 1), (0, 4, 2)), method="spectral", use="apart")
    path = tmp_path / "groups.json"
    write_groups(path, grouping)
    assert read_groups(path, channels=5) == grouping
    assert json.loads(path.read_text())["order"] == [2, 3]


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([[0, 1], [3]], "channel 2 is missing"),
        ([[0, 1], [1, 2, 3]], "channel 1 is there twice: in group 0 and in group 1"),
        ([[0, 1], [2, 3, 4]], "channel 4 in group 1 is out of range: channels are 0 to 3"),
        ([[0, -1], [2, 3]], "channel -1 in group 0 is out of range"),
        ([[0, 1.5], [2, 3]], "group 0 holds 1.5"),
        ([[0, True], [2, 3]], "group 0 holds True"),
        ([[0, "1"], [2, 3]], "group 0 holds '1'"),
        ([[0, 1], [], [2, 3]], "group 1 is empty"),
        ([], "there are 0 groups"),
        ([[0], 1], "not a list of lists"),
        ({"0": [0]}, "not a list of lists"),
    ],
    ids=str,
)
def test_what_is_no_partition_is_refused_by_a_sentence(tmp_path, groups, words):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"format": "samebits-groups-1", "groups": groups}))
    with pytest.raises(ValueError, match=words) as refused:
        read_groups(path, channels=4)
    assert "bad.json" in str(refused.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"groups": [[0]]}'])
def test_other_files_are_no_group_files(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"other.json is not"):
        read_groups(path, channels=1)


def test_the_clustering_term_pulls_channels_together():
    model = tiny_model()
    crops = smooth_pictures(count=4, size=64)
    last = model.g_a.layers[-1]
    before = last.weight.detach().clone()
    labels, distances = labels_by_loss(
        model, crops, count=3, seed=0, steps=12, weight=500.0, learning_rate=2e-3
    )
    assert distances[-1] < 0.9 * distances[0]
    assert labels.shape == (16,)
    assert len(set(labels.tolist())) <= 3
    assert torch.equal(last.weight, before)
    again, _ = labels_by_loss(
        model, crops, count=3, seed=0, steps=12, weight=500.0, learning_rate=2e-3
    )
    assert np.array_equal(labels, again)


def test_the_clustering_term_is_the_k_means_distance():
    model = tiny_model()
    with torch.no_grad():
        y = model.g_a((smooth_pictures(count=2, size=64).float() - 128) / 64)
    term = ClusteringTerm(y, count=3, seed=0)
    moved = y + 0.3 * torch.randn_like(y)
    expected = torch.cdist(channel_features(moved), term.centroids).min(1).values.square().mean()
    assert torch.allclose(term(moved), expected, rtol=1e-4, atol=1e-6)
    # The centroids are the means of their channels now: the distance cannot have grown.
    assert term(moved) <= expected + 1e-6


@pytest.mark.parametrize("method", METHOD_NAMES)
@pytest.mark.parametrize("use", ["apart", "together"])
def test_every_method_gives_a_partition_of_a_models_channels(finder, method, use):
    grouping = finder.grouping(method, use=use)
    assert sorted(grouping.order.tolist()) == list(range(16))
    assert (grouping.method, grouping.use) == (method, use)
    four = finder.grouping(method, use=use, sizes=[4, 4, 4, 4])
    assert four.sizes == (4, 4, 4, 4)


@pytest.fixture(scope="module")
def finder():
    options = FindOptions(count=4, positions=64, loss_steps=2)
    return GroupFinder(tiny_model(), smooth_pictures(count=4, size=64), options)


def test_training_with_the_clustering_term(tmp_path):
    from PIL import Image

    from samebits.learn.grouping.clustering_trainer import ClusteringTrainer
    from samebits.learn.training.train import TrainOptions

    for n, picture in enumerate(smooth_pictures(count=4, size=64)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / f"{n}.png")
    options = TrainOptions(data=tmp_path, out=tmp_path / "run", batch=2, crop=64, late_crop=64)
    trainer = ClusteringTrainer(options, TINY_CONFIG, weight=100.0)
    distance = [trainer.distance().item()]
    for _ in range(15):
        trainer.train_step()
    distance.append(trainer.distance().item())
    assert distance[1] < distance[0]
    with pytest.raises(ValueError, match="must be above 0"):
        ClusteringTrainer(
            TrainOptions(data=tmp_path, out=tmp_path / "none", batch=2, crop=64, late_crop=64),
            TINY_CONFIG,
            weight=0.0,
        )
