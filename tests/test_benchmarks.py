"""Benchmarks as far as seconds go: what they measure fits the model, and a model that cannot be measured is one sentence."""

import importlib.util
import sys
from pathlib import Path

import pytest

from locolib.models import find

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def sweep():
    spec = importlib.util.spec_from_file_location("sweep", FOLDER / "sweep.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    return module


@pytest.mark.parametrize("name", ["planted-sd-v1-5", "mini-sdxl"])
def test_all_windows_of_a_model_are_swept(sweep, name):
    layers = find(name).layers
    assert {
        layer
        for row in sweep.plan(layers, layers)
        for change in row.changes
        for layer in change.layers
    } == set(range(layers))


@pytest.mark.parametrize(
    "name, words", [("mini-deepfloyd", "takes no latents"), ("sd-v9", "Unknown model")]
)
def test_a_model_that_cannot_be_compared_is_one_sentence(sweep, monkeypatch, capsys, name, words):
    monkeypatch.setattr(sys, "argv", ["sweep.py", "--model", name])
    with pytest.raises(SystemExit):
        sweep.main()
    assert words in capsys.readouterr().err


def test_the_judge_is_judged_on_draws_of_its_own_pictures():
    import numpy as np

    from locolib.experiments.editing import Judgement

    spec = importlib.util.spec_from_file_location("judging_benchmark", FOLDER / "judging.py")
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    good, bad = (
        Judgement(
            value="v",
            scorer="s",
            pairs={},
            found={"gone": np.array(gone), "kept": np.ones(40, bool), "moved": np.full(40, 0.5)},
        )
        for gone in (np.ones(40, bool), np.arange(40) % 2 == 0)
    )
    refused, written = module.rates([good, bad], 40, 10)
    assert (refused, written) == (0, 0)  # all pictures: the same answer
    assert 0.2 < module.rates([bad], 1, 400)[1] < 0.8  # one picture says as little as it should
