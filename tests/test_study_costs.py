"""Prices are said before: sums over models, each with its own images, steps and speed."""

from types import SimpleNamespace

import pytest

from locolib.drawing.sampling import Settings
from locolib.models import find, load
from locolib.store import Store
from locolib.study import costs, pages

SECONDS = {"mini-sd-v1-5": 1.0, "mini-sdxl": 10.0}


@pytest.fixture
def measured(monkeypatch):
    """Models whose images take SECONDS at ten steps, a tenth of it a step; what was measured."""
    asked = []

    def timed(model, settings, full=0):
        asked.append(model)
        each = SECONDS[model] / 10
        return costs.Timed(first=each, step=each, size=1e6, gib=SECONDS[model])

    monkeypatch.setattr(costs, "load", lambda name, source=None: name)
    monkeypatch.setattr(costs, "timed", timed)
    monkeypatch.setattr(costs, "architecture", lambda model: model.removesuffix(" again"))
    return asked


@pytest.fixture
def models_of_two_families():
    """Two models of one architecture with different weights, and one of another."""
    return load("mini-sd-v1-5"), load("planted-sd-v1-5"), load("mini-sdxl")


def page(images: dict[str, int], steps: dict[str, int]):
    """A page of several models."""
    return SimpleNamespace(
        about=lambda: tuple(images),
        images_of=images.get,
        settings_of=lambda name: Settings(steps=steps[name]),
    )


def test_a_page_of_several_models_costs_the_sum_and_not_its_firsts(measured, capsys, store):
    steps = {"mini-sd-v1-5": 10, "mini-sdxl": 20}
    todo = [pages.Run(page="05_deepfloyd_limits", values={})]
    asked = {"05_deepfloyd_limits": page({"mini-sd-v1-5": 60, "mini-sdxl": 6}, steps)}
    said = costs.announce(todo, asked, store)
    assert said == pytest.approx({"05_deepfloyd_limits": 60 * 1 + 6 * 20})
    said = capsys.readouterr().out
    assert (
        "at most 66 images (60 of mini-sd-v1-5, 6 of mini-sdxl), about 3.0 minutes, 10.0 GiB"
        in said
    )
    assert "in all at most 3 minutes" in said and "66 MB of disk" in said


def test_a_model_is_measured_once_whatever_its_steps(measured, capsys, store):
    names = ["01_causal_tracing", "02_locogen", "03_locoedit"]
    asked = {
        name: page({"mini-sd-v1-5": 1, "mini-sdxl": 0}, {"mini-sd-v1-5": steps, "mini-sdxl": 1})
        for name, steps in zip(names, (10, 10, 5))
    }
    said = costs.announce([pages.Run(page=name, values={}) for name in names], asked, store)
    assert measured == ["mini-sd-v1-5"]  # no image, no price
    assert list(said.values()) == pytest.approx([1, 1, 0.5])


def test_an_architecture_is_measured_once_whatever_its_weights(measured, capsys, store):
    same = {"mini-sd-v1-5": 2, "mini-sd-v1-5 again": 3, "mini-sdxl": 1}
    asked = {"02b_five_models": page(same, dict.fromkeys(same, 10))}
    said = costs.announce([pages.Run(page="02b_five_models", values={})], asked, store)
    assert measured == ["mini-sd-v1-5", "mini-sdxl"]
    assert said == pytest.approx({"02b_five_models": 2 * 1 + 3 * 1 + 10})


def test_what_an_image_costs_follows_from_shapes_alone(models_of_two_families):
    one, twin, other = models_of_two_families
    assert costs.architecture(one) == costs.architecture(twin) != costs.architecture(other)


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_pages_images_are_those_of_its_models(name):
    asked = pages.parameters(name, {})
    each = {model: asked.images_of(model) for model in asked.about()}
    assert sum(each.values()) == asked.images() and min(each.values(), default=0) >= 0


def test_the_models_of_a_page_have_their_own_numbers():
    asked = pages.parameters("04_neuron_editing", {})
    assert asked.images_of("mini-sd-v1-5") > asked.images_of("mini-sd-v2-1") > 0
    limits = pages.parameters("05_deepfloyd_limits", {"beside_prompts": 4, "prompts": 8})
    assert limits.images_of("mini-deepfloyd") > limits.images_of("mini-sd-v1-5")
    assert not find("mini-deepfloyd").planted


def test_a_price_names_time_memory_and_disk(model, store):
    each = costs.speed(model, Settings(steps=1, guidance=2.0, batch=2))
    line = costs.price(100, each, Store(store.root))
    assert each.gib > 0 and "GiB of memory" in line and "MB of disk" in line and "minutes" in line


def test_the_pictures_that_fine_tuned_methods_train_on_have_their_price():
    asked = {
        name: pages.parameters("03_locoedit", {"model": name, "prompts": 2, "pictures": 2})
        for name in ("planted-sd-v1-5", "mini-sd-v1-5", "sd-v1-5")
    }
    assert [page._training_pictures() for page in asked.values()] == [0, 96, 800]
