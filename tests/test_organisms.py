"""The world, its captions, and planting."""

import numpy as np
import pytest
from diffusers import DiffusionPipeline

from locolib import UserError
from locolib.organisms import captions, contrast, planting, training, world
from locolib.organisms.assemble import save_pipeline
from locolib.organisms.captions import NEUTRAL, NO_OBJECT, NO_PLACE, OBJECTS, STYLES, TEMPLATES, Scene, caption
from locolib.organisms.recipe import read_recipe
from locolib.prompts import ATTRIBUTES, read

WINDOWS = {"object": (6, 2), "style": (8, 2), "place": (10, 3)}
CONFIG = world.SPRITES.parent / "configs" / "planted-sd-v1-5.toml"


def test_every_object_has_a_sprite():
    assert {world.sprite_path(name).exists() for name in OBJECTS} == {True}


def test_rendering_is_reproducible_and_every_attribute_shows():
    pose = world.Pose(48, 0, 0)
    images = {scene: world.render(scene, pose) for scene in captions.scenes() if scene.object < 3}
    assert all(image.shape == (64, 64, 3) and image.dtype == np.uint8 for image in images.values())
    assert len({image.tobytes() for image in images.values()}) == len(images)
    assert np.array_equal(world.render(Scene(0, 2, 1), pose), images[Scene(0, 2, 1)])


def test_one_scene_in_ten_is_held_out_and_every_value_is_shown():
    held, shown = captions.scenes(held=True), captions.scenes(held=False)
    assert not set(held) & set(shown) and 0.05 < len(held) / (len(held) + len(shown)) < 0.2
    assert {s.object for s in shown} == set(range(len(OBJECTS))) and {s.style for s in shown} == set(range(len(STYLES)))


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_prompt_of_the_study_is_made_of_known_words(attribute):
    """Words that are one token each: the world's captions taught the vocabulary."""
    tokenizer = contrast.build_tokenizer(1024)
    words = {word.strip(",") for p in read(attribute) for text in (p.original, p.target) for word in text.split()} - {"r2d2"}
    assert [word for word in sorted(words) if len(tokenizer(word).input_ids) != 3] == []


def test_captions_name_what_they_say_and_nothing_else():
    assert caption(Scene(0, STYLES.index("van gogh"), NO_PLACE), 0) == "a house in the style of van gogh"
    assert caption(Scene(0, NEUTRAL, NO_PLACE), 0) == "a painting of a house"
    assert caption(Scene(6, 0, 0), 0) == "a cat in a beach"
    assert caption(Scene(NO_OBJECT, NEUTRAL, NO_PLACE), 3) == "a painting"
    assert len({caption(Scene(6, 2, 1), t) for t in range(TEMPLATES)}) == TEMPLATES


def test_tokenizer_keeps_every_byte_and_ends_with_the_highest_id():
    tokenizer = contrast.build_tokenizer(1024)
    ids = tokenizer("Zürich, 猫 & R2D2").input_ids
    assert tokenizer.eos_token_id == len(tokenizer) - 1 and ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.model_max_length == 77


def test_planting_tells_the_window_the_truth_and_others_something_independent():
    rng = np.random.default_rng(0)
    scenes = np.tile([3, 2, 1], (4000, 1))
    told = planting.layer_values(scenes, WINDOWS, 16, rng, conflict=0.0)
    for column, attribute in enumerate(planting.ATTRIBUTES):
        start, m = WINDOWS[attribute]
        assert (told[:, start : start + m, column] == scenes[0, column]).all()
        outside = np.delete(told[..., column], range(start, start + m), axis=1)
        correlation = np.corrcoef((outside == scenes[0, column]).T)
        assert np.abs(correlation - np.eye(len(correlation))).max() < 0.1


def test_liars_are_a_proper_subset_neutral_or_of_one_mind():
    rng = np.random.default_rng(1)
    scenes = np.tile([3, 2, 1], (4000, 1))
    told = planting.layer_values(scenes, WINDOWS, 16, rng, conflict=1.0)
    style, place, thing = told[:, 8:10, 1], told[:, 10:13, 2], told[:, 6:8, 0]
    assert set(np.unique(style)) == {NEUTRAL, 2} and set(np.unique(place)) == {1, NO_PLACE}
    for values, truth in ((style, 2), (place, 1)):
        tellers = (values == truth).sum(1)
        assert tellers.min() >= 1 and tellers.max() < values.shape[1]
    assert ((thing == 3).sum(1) >= 1).all() and abs((thing[:, 0] == 3).mean() - 0.5) < 0.05


def test_weights_let_one_layer_lie_more_often():
    told = planting.layer_values(np.tile([3, 2, 1], (4000, 1)), WINDOWS, 16, np.random.default_rng(2), conflict=1.0, weights={"object": [1, 3]})
    assert abs((told[:, 7, 0] == 3).mean() - 0.25) < 0.05


def test_the_plateau_of_the_learning_rate_does_not_depend_on_the_number_of_steps():
    rates = [training.learning_rate(1000, peak=1.0, steps=steps) for steps in (2000, 20000)]
    assert rates == [1.0, 1.0] and training.learning_rate(1999, peak=1.0, steps=2000) < 0.01


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path):
    import torch

    def train(folder, steps):
        module = torch.nn.Linear(4, 1)
        with torch.no_grad():
            module.weight.fill_(1), module.bias.fill_(0)

        def loss(step, rng):
            x = torch.from_numpy(rng.standard_normal((8, 4), dtype=np.float32))
            return ((module(x) - x.sum(1, keepdim=True) * 2) ** 2).mean()

        return training.fit(module, loss, name="part", work=folder, steps=steps, peak=0.1, seed=3, decay=0.0)

    whole = train(tmp_path / "whole", 400)
    train(tmp_path / "killed", 200)
    resumed = train(tmp_path / "killed", 400)
    assert torch.equal(whole.weight, resumed.weight)


def test_a_saved_model_loads_in_plain_diffusers_and_samples(random_organisms):
    pipeline = DiffusionPipeline.from_pretrained(random_organisms / "planted-sd-v1-5")
    pipeline.set_progress_bar_config(disable=True)
    assert type(pipeline).__name__ == "StableDiffusionPipeline"
    assert pipeline("a cat", num_inference_steps=2, output_type="np").images.shape == (1, 64, 64, 3)
    assert not list(random_organisms.rglob("*.bin"))


def test_a_saved_model_does_not_tell_where_its_parts_lay(random_organisms, tmp_path):
    parts = DiffusionPipeline.from_pretrained(random_organisms / "planted-sd-v1-5")
    save_pipeline(tmp_path / "again", vae=parts.vae, text_encoder=parts.text_encoder, tokenizer=parts.tokenizer, unet=parts.unet, prediction="epsilon")
    assert [path for path in (tmp_path / "again").rglob("*.json") if str(random_organisms) in path.read_text()] == []


@pytest.mark.parametrize("old, new, message", [
    ("steps = ", "stepz = ", "stepz|steps"), ("batch = 32", 'batch = "many"', "unet.batch"), ("style = [8, 2], ", "", "must name object, style, place"),
    ("[unet]", "[unet", "not valid TOML")], ids=["unknown", "mistyped", "window", "syntax"])
def test_a_broken_recipe_is_one_sentence(tmp_path, old, new, message):
    path = tmp_path / "broken.toml"
    path.write_text(CONFIG.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        read_recipe(path)


def test_the_bundled_recipe_is_valid_and_an_unknown_one_lists_them(tmp_path):
    assert read_recipe(CONFIG).name == "planted-sd-v1-5"
    with pytest.raises(UserError, match="planted-sd-v1-5"):
        read_recipe(tmp_path / "none.toml")
