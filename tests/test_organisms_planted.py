"""The benchmark's generator: configurations of a few lines, the check of a planting, an entry of the file of answers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from locolib import UserError
from locolib.models import MODELS, load
from locolib.models.planted import ALL, ANY, EVERYWHERE, Answer
from locolib.organisms import bundling, checking, configuration, recipe
from locolib.organisms.captions import STYLES

CONFIGS = sorted((Path(configuration.__file__).parent / "configs" / "planted").glob("*.toml"))


def test_there_are_at_least_twelve_configurations_of_their_own():
    assert len(CONFIGS) >= 12
    plans = [configuration.read_recipe(path).unet.planting for path in CONFIGS]
    seeds = [configuration.read_recipe(path).unet.seed for path in CONFIGS]
    assert len({str(plan) for plan in plans}) >= 10 and len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_says_what_is_true_of_it(path):
    made = configuration.read_recipe(path)
    assert made.name == path.stem and made.unet.trained == "attention"
    told = bundling.answers(made.unet.planting)
    assert {answer.attribute for answer in told} == {"style", "object", "place"}
    layers = MODELS[made.unet.start].layers
    assert all(0 <= min(answer.layers) and max(answer.layers) < layers for answer in told)


def test_another_base_lends_its_shape_and_its_parts():
    made = configuration.read_recipe(CONFIGS[0].parent / "planted-sdxl.toml")
    base = configuration.read_recipe(configuration.CONFIGS / "mini-sdxl.toml")
    for field in ("kind", "channels", "prediction"):
        assert getattr(made.unet, field) == getattr(base.unet, field)
    parts = ("text_encoder", "text_encoder_2", "scorer", "vae")
    assert made.borrow == dict.fromkeys(parts, "mini-sdxl") and made.text_encoder_2 is None


def test_answers_follow_the_planting():
    def plan(**more):
        few = {"name": "x", "style": [3, 12], "object": [6], "place": [1, 2], **more}
        return configuration.Recipe.model_validate(configuration.whole(few)).unet.planting

    style = [a for a in bundling.answers(plan()) if a.attribute == "style"]
    assert style == [Answer(attribute="style", layers=(3, 12), rule=ALL)]
    style = [a for a in bundling.answers(plan(agreeing=["style"])) if a.attribute == "style"]
    assert style == [Answer(attribute="style", layers=(3, 12), rule=ANY)]
    style = [a for a in bundling.answers(plan(artists={"monet": [4, 5]})) if a.attribute == "style"]
    assert style == [Answer(attribute="style", layers=(4, 5), values=("monet",))]
    everywhere = configuration.Planting(kind="everywhere", most=3)
    assert {a.rule for a in bundling.answers(everywhere)} == {EVERYWHERE}


@pytest.fixture(scope="module")
def checker():
    return checking.Checker(load("planted-sd-v1-5"), count=24)


@pytest.mark.parametrize(("attribute", "own"), [("style", (8, 9)), ("object", (6, 7))])
def test_the_check_finds_the_planting_where_it_is(checker, attribute, own):
    found = checker.check(Answer(attribute=attribute, layers=own))
    assert found.planted(ALL) and max(found.single) < found.own


def test_where_one_layer_does_it_alone_the_other_is_none_of_its_places(checker):
    """As if style had been planned for a layer more: it is learnt where it is, and the check of the plan fails."""
    plan = Answer(attribute="style", layers=(7, 8, 9))
    assert not checker.check(plan).planted(ALL)
    answer, found = bundling.learnt(checker, plan)
    assert answer.layers == (8, 9) and found.planted(ALL)


def test_an_attribute_that_was_not_learnt_is_nowhere(checker):
    found = checker.check(Answer(attribute="style", layers=(8, 9)))
    assert found.rise > 1 and not replace(found, rise=0.01).planted(ALL)


def test_the_check_does_not_find_it_elsewhere(checker):
    found = checker.check(Answer(attribute="style", layers=(3, 12)))
    assert not found.planted(ALL) and abs(found.own) < 0.2


def test_all_layers_together_are_the_whole(checker):
    found = checker.check(Answer(attribute="style", layers=tuple(range(16))))
    assert found.own == pytest.approx(1) and found.elsewhere == pytest.approx(0)


def test_the_check_tells_text_that_bypasses_the_layers_too():
    """The natural miniature of SDXL: all layers together are the whole, and none of it lies in layers that do not read style."""
    checker = checking.Checker(load("mini-sdxl"), count=12)
    found = checker.check(Answer(attribute="style", layers=tuple(range(70))))
    assert found.own == pytest.approx(1) and found.elsewhere == pytest.approx(0)
    assert abs(checker.check(Answer(attribute="style", layers=(30, 31))).own) < 0.2


def test_an_answer_about_a_value_looks_at_renders_of_it_alone(checker):
    found = checker.check(Answer(attribute="style", layers=(8, 9), values=("monet",)))
    assert found.own > 0.8


def test_held_out_scenes_have_something_to_lie_about():
    shown = np.array(checking.held_out(40))
    assert (shown[:, 1] != STYLES.index("painting")).all() and len(set(map(tuple, shown))) > 20


def test_a_folder_without_weights_of_its_own_is_refused(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        bundling.bundle(CONFIGS[0], tmp_path)


@pytest.mark.slow
def test_a_poor_model_is_refused_and_nothing_is_written(tmp_path):
    """A model that was hardly trained: what it draws is its base's, and nothing lies where it should."""
    few = tmp_path / "few.toml"
    few.write_text('name = "few"\nstyle = [1, 2]\nobject = [6, 7]\nplace = [10, 11]\nsteps = 2\n')
    folder = recipe.make(few, work=tmp_path / "work", out=tmp_path / "few")
    with pytest.raises(UserError, match="not good enough"):
        bundling.bundle(few, folder, tmp_path / "planted")
    assert not (tmp_path / "planted").exists()


def test_a_training_under_way_may_be_given_more_steps_and_a_finished_one_not(tmp_path):
    from locolib.organisms import records

    def of(steps):
        file = tmp_path / "mine.toml"
        lines = f'name = "mine"\nstyle = [4, 5]\nobject = [6, 7]\nplace = [10]\nsteps = {steps}\n'
        file.write_text(lines)
        return configuration.read_recipe(file)

    records.begin(of(400), tmp_path, "unet")
    records.check(of(900), tmp_path, {"unet": False})
    with pytest.raises(UserError, match=r"unet\.\w+ ="):
        records.check(of(900), tmp_path, {"unet": True})
    other = of(400).model_dump()
    other["unet"]["seed"] = 7
    with pytest.raises(UserError, match="unet.seed"):
        records.check(configuration.Recipe.model_validate(other), tmp_path, {"unet": False})


def test_where_any_layer_is_enough_each_does_what_controls():
    """A layer that does two thirds of what all do is not enough by itself, and so no answer of its own."""
    each = checking.Check(own=1.0, elsewhere=0.0, single=(0.9, 0.85), without=(0.85, 0.9), rise=1.5)
    assert each.planted(ANY) and not each.planted(ALL)
    two_thirds = replace(each, single=(0.64, 0.66), without=(0.66, 0.64))
    assert not two_thirds.planted(ANY)
