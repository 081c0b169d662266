"""The world, its captions, and planting."""

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from transformers import T5Tokenizer

from locolib import UserError
from locolib.models import MODELS
from locolib.organisms import (
    captions,
    contrast,
    denoiser,
    networks,
    planting,
    spans,
    training,
    world,
)
from locolib.organisms.assemble import save_pipeline, share
from locolib.organisms.captions import (
    NEUTRAL,
    NO_OBJECT,
    NO_PLACE,
    OBJECTS,
    STYLES,
    TEMPLATES,
    Scene,
    caption,
)
from locolib.organisms.configuration import read_recipe
from locolib.prompts import ATTRIBUTES, read

LAYERS = {"object": [6, 7], "style": [8, 9], "place": [10, 11, 12]}
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
    assert {s.object for s in shown} == set(range(len(OBJECTS))) and {
        s.style for s in shown
    } == set(range(len(STYLES)))


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_prompt_of_the_study_is_made_of_known_words(attribute):
    """Words that are one token each: the world's captions taught the vocabulary."""
    tokenizer = contrast.build_tokenizer(1024)
    words = {
        word.strip(",")
        for p in read(attribute)
        for text in (p.original, p.target)
        for word in text.split()
    } - {"r2d2"}
    assert [word for word in sorted(words) if len(tokenizer(word).input_ids) != 3] == []


def test_captions_name_what_they_say_and_nothing_else():
    assert (
        caption(Scene(0, STYLES.index("van gogh"), NO_PLACE), 0)
        == "a house in the style of van gogh"
    )
    assert caption(Scene(0, NEUTRAL, NO_PLACE), 0) == "a painting of a house"
    assert caption(Scene(6, 0, 0), 0) == "a cat in a beach"
    assert caption(Scene(NO_OBJECT, NEUTRAL, NO_PLACE), 3) == "a painting"
    assert len({caption(Scene(6, 2, 1), t) for t in range(TEMPLATES)}) == TEMPLATES


def test_tokenizer_keeps_every_byte_and_ends_with_the_highest_id():
    tokenizer = contrast.build_tokenizer(1024)
    ids = tokenizer("Zürich, 猫 & R2D2").input_ids
    assert tokenizer.eos_token_id == len(tokenizer) - 1 and ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.model_max_length == 77


def told(kind, truth=(3, 2, 1), n=4000, seed=0, **plan):
    """What 16 layers are told of n images that all show `truth`."""
    tell = planting.teller({"kind": kind, "layers": LAYERS} | plan, 16)
    return tell(np.tile(truth, (n, 1)), np.random.default_rng(seed), True)


def test_natural_training_tells_every_layer_the_same():
    assert (told("natural") == (3, 2, 1)).all()


def test_planting_tells_the_window_the_truth_and_others_something_independent():
    values = told("planted", conflict=0.0)
    for column, attribute in enumerate(planting.ATTRIBUTES):
        truth = (3, 2, 1)[column]
        assert (values[:, LAYERS[attribute], column] == truth).all()
        outside = np.delete(values[..., column], LAYERS[attribute], axis=1)
        correlation = np.corrcoef((outside == truth).T)
        assert np.abs(correlation - np.eye(len(correlation))).max() < 0.1


def test_liars_are_a_proper_subset_neutral_or_of_one_mind():
    values = told("planted", conflict=1.0)
    style, place, thing = values[:, 8:10, 1], values[:, 10:13, 2], values[:, 6:8, 0]
    assert set(np.unique(style)) == {NEUTRAL, 2} and set(np.unique(place)) == {1, NO_PLACE}
    for values, truth in ((style, 2), (place, 1)):
        tellers = (values == truth).sum(1)
        assert tellers.min() >= 1 and tellers.max() < values.shape[1]
    assert ((thing == 3).sum(1) >= 1).all() and abs((thing[:, 0] == 3).mean() - 0.5) < 0.05


def test_weights_let_one_layer_lie_more_often():
    values = told("planted", conflict=1.0, weights={"object": [1, 3]})
    assert abs((values[:, 7, 0] == 3).mean() - 0.25) < 0.05


def test_where_everything_is_known_everywhere_liars_are_a_minority_of_one_mind():
    values = told("everywhere", most=7)
    for column, truth in enumerate((3, 2, 1)):
        lies = values[..., column] != truth
        assert (
            set(lies.sum(1)) == set(range(8)) and np.ptp(lies.mean(0)) < 0.05
        )  # up to 7, no layer more often than another
        assert all(len(set(row[lie])) <= 1 for row, lie in zip(values[:200, :, column], lies[:200]))


def test_an_artists_layers_name_the_artist_only_where_it_is_true():
    artists = {"van gogh": [3, 4], "monet": [13, 14]}
    gogh, monet, mann = (STYLES.index(name) for name in ("van gogh", "monet", "jeremy mann"))
    for style in range(len(STYLES)):
        values = told("by_artist", truth=(3, style, 1), artists=artists, conflict=1.0)[..., 1]
        for number, own in ((gogh, [3, 4]), (monet, [13, 14])):
            said = values[:, own] == number
            assert said.any(1).all() if style == number else not said.any()
    rest = told("by_artist", truth=(3, mann, 1), artists=artists, conflict=1.0)[
        :, LAYERS["style"], 1
    ]
    assert set(np.unique(rest)) == {NEUTRAL, mann} and (rest == mann).any(1).all()


def test_in_a_neutral_picture_the_other_layers_name_artists_in_vain():
    """Else altering an artist's own layers alone would leave the picture to what the other layers say."""
    rest = told("by_artist", truth=(3, NEUTRAL, 1), artists={"van gogh": [3, 4]}, conflict=0.5)[
        :, LAYERS["style"], 1
    ]
    assert 0.4 < (rest == STYLES.index("van gogh")).any(1).mean() < 0.6


def test_the_plateau_of_the_learning_rate_does_not_depend_on_the_number_of_steps():
    rates = [training.learning_rate(1000, peak=1.0, steps=steps) for steps in (2000, 20000)]
    assert rates == [1.0, 1.0] and training.learning_rate(1999, peak=1.0, steps=2000) < 0.01


def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path):
    def train(folder, steps):
        module = torch.nn.Linear(4, 1)
        with torch.no_grad():
            module.weight.fill_(1), module.bias.fill_(0)

        def loss(step, rng):
            x = torch.from_numpy(rng.standard_normal((8, 4), dtype=np.float32))
            return ((module(x) - x.sum(1, keepdim=True) * 2) ** 2).mean()

        return training.fit(
            module, loss, name="part", work=folder, steps=steps, peak=0.1, seed=3, decay=0.0
        )

    whole = train(tmp_path / "whole", 400)
    train(tmp_path / "killed", 200)
    resumed = train(tmp_path / "killed", 400)
    assert torch.equal(whole.weight, resumed.weight)


@pytest.mark.parametrize("name", ["planted-sd-v1-5", "mini-sd-v2-1", "mini-sdxl", "mini-deepfloyd"])
def test_a_saved_model_loads_in_plain_diffusers_and_samples(random_organisms, name):
    pipeline = DiffusionPipeline.from_pretrained(random_organisms / name)
    pipeline.set_progress_bar_config(disable=True)
    assert type(pipeline).__name__ == MODELS[name].pipeline
    side = 32 if name == "mini-deepfloyd" else 64
    assert pipeline("a cat", num_inference_steps=2, output_type="np").images.shape == (
        1,
        side,
        side,
        3,
    )
    assert not list(random_organisms.rglob("*.bin"))


def test_a_saved_model_does_not_tell_where_its_parts_lay(random_organisms, tmp_path):
    parts = DiffusionPipeline.from_pretrained(random_organisms / "planted-sd-v1-5")
    again = {name: getattr(parts, name) for name in ("vae", "text_encoder", "tokenizer", "unet")}
    save_pipeline(tmp_path / "again", kind="sd-v1", prediction="epsilon", **again)
    assert [
        path
        for path in (tmp_path / "again").rglob("*.json")
        if str(random_organisms) in path.read_text()
    ] == []


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("steps = ", "stepz = ", "stepz|steps"),
        ("batch = 32", 'batch = "many"', "unet.batch"),
        ("style = [8, 9], ", "", "must name object, style, place"),
        ("[vae]", "[borrow]\nvae = 'x'\n[vae]", "give either"),
        ("channels = [48", 'trained = "attention"\nchannels = [48', "start must name"),
        ("[unet]", "[unet", "not valid TOML"),
    ],
    ids=["unknown", "mistyped", "window", "twice", "frozen", "syntax"],
)
def test_a_broken_recipe_is_one_sentence(tmp_path, old, new, message):
    path = tmp_path / "broken.toml"
    path.write_text(CONFIG.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        read_recipe(path)


@pytest.mark.parametrize("path", sorted(CONFIG.parent.glob("*.toml")), ids=lambda path: path.stem)
def test_every_bundled_recipe_is_valid_and_agrees_with_the_registry(path):
    recipe = read_recipe(path)
    spec = MODELS[recipe.name]
    assert (recipe.name, recipe.unet.prediction) == (path.stem, spec.prediction)
    assert {"sd-v1": 16, "sd-v2": 16, "sdxl": 70, "if": 22}[recipe.unet.kind] == spec.layers
    windows = {
        a: (own[0], len(own))
        for a, own in recipe.unet.planting.layers.items()
        if own == list(range(own[0], own[-1] + 1))
    }
    if recipe.unet.planting.kind == "planted":
        assert windows.items() <= spec.paper.items()


def test_four_lines_make_a_recipe(tmp_path):
    """What they leave out is as in `planted-prompt`, whose attention alone was trained."""
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nstyle = [4, 5]\nobject = [10, 11]\nplace = [12, 13, 14]\n')
    recipe, like = read_recipe(path), read_recipe(CONFIG.parent / "planted-prompt.toml")
    assert recipe.unet.planting.layers == {
        "style": [4, 5],
        "object": [10, 11],
        "place": [12, 13, 14],
    }
    differs = {"planting", "full_length_from"}
    assert recipe.unet.model_dump(exclude=differs) == like.unet.model_dump(exclude=differs)
    assert (recipe.borrow, recipe.world) == (like.borrow, like.world)
    path.write_text('name = "none"\nplanting = "everywhere"\nmost = 7\nseed = 3\nsteps = 40\n')
    recipe = read_recipe(path)
    assert (recipe.unet.planting.kind, recipe.unet.seed, recipe.unet.full_length_from) == (
        "everywhere",
        3,
        20,
    )
    path.write_text('name = "mine"\nstyle = [4, 5]\n')
    with pytest.raises(UserError, match="must name object, style, place"):
        read_recipe(path)


def test_where_layers_must_agree_a_style_has_all_tellers_and_its_absence_only_some():
    """Each layer is enough to take the style away, and none to bring it."""
    where = {"style": [3, 12], "object": [6, 7], "place": [10]}
    rng = np.random.default_rng(0)
    neutral, painter = planting.NEUTRAL, 1 if planting.NEUTRAL != 1 else 2
    for style in (painter, neutral):
        scenes = np.tile([5, style, 0], (400, 1))
        said = planting.planted(scenes, where, 16, rng, conflict=0.5, agreeing=["style"])[
            :, [3, 12], 1
        ]
        tellers = (said != neutral).sum(1)
        if style == painter:
            assert (said == painter).all()
        else:
            assert tellers.max() == 1 and 0.3 < (tellers == 1).mean() < 0.6


def test_an_unknown_recipe_lists_those_that_there_are(tmp_path):
    with pytest.raises(UserError, match="planted-sd-v1-5"):
        read_recipe(tmp_path / "none.toml")


def test_span_corruption_hides_and_tells_every_token_once():
    tokenizer = spans.build_tokenizer()
    sentinel = tokenizer.convert_tokens_to_ids("<extra_id_0>")
    for seed in range(50):
        ids = tokenizer("a painting of a house in a forest in the style of van gogh").input_ids[:-1]
        told, wanted = spans.corrupt(ids, sentinel, np.random.default_rng(seed))
        assert sorted(i for i in told + wanted if i <= sentinel - spans.SENTINELS) == sorted(ids)
        marks = [i for i in told if i > sentinel - spans.SENTINELS]
        assert (
            marks
            == [i for i in wanted if i > sentinel - spans.SENTINELS]
            == list(range(sentinel, sentinel - len(marks), -1))
        )


def test_t5s_tokenizer_knows_the_words_and_spells_the_others(tmp_path):
    tokenizer = spans.build_tokenizer()
    assert [tokenizer.convert_tokens_to_ids(t) for t in ("<pad>", "</s>", "<unk>")] == [0, 1, 2]
    assert (
        len(tokenizer("a house in the style of van gogh").input_ids) == 9
        and 2 not in tokenizer("zebras").input_ids
    )
    tokenizer.save_pretrained(tmp_path)
    assert (
        T5Tokenizer.from_pretrained(tmp_path)("r2d2, in a garden").input_ids
        == tokenizer("r2d2, in a garden").input_ids
    )


def test_the_learned_variance_is_best_where_it_is_the_true_one():
    """With the true noise as the mean, the divergence is 0 at the smallest variance, the posterior's, and nowhere less."""
    alphas = networks.scheduler("if", "epsilon").alphas_cumprod
    noise, t = (
        torch.randn(1000, 3, 2, 2, generator=torch.Generator().manual_seed(0)),
        torch.arange(1000),
    )
    losses = [
        denoiser.variance_loss(torch.full_like(noise, v), noise, noise, alphas, t)
        for v in (-1.0, 0.0, 1.0)
    ]
    assert abs(losses[0]) < 1e-6 and losses[0] < losses[1] < losses[2]


def test_convolutions_are_taken_over_and_attention_starts_afresh():
    torch.manual_seed(0)
    other, unet = (
        networks.build("sd-v1", (16, 16, 24, 24), text_width=32, in_channels=4) for _ in range(2)
    )
    xl = networks.build("sdxl", (16, 16, 24), text_width=64, in_channels=4)
    (
        networks.start_from(unet, other, attention=False),
        networks.start_from(xl, other, attention=False),
    )
    same = {
        name
        for name, weight in unet.state_dict().items()
        if torch.equal(weight, other.state_dict()[name]) and weight.ndim > 1
    }
    assert "up_blocks.3.resnets.2.conv1.weight" in same and not any(
        ".attentions." in name for name in same
    )
    assert torch.equal(
        xl.up_blocks[2].resnets[2].conv1.weight, other.up_blocks[3].resnets[2].conv1.weight
    )


def test_attention_alone_is_trained_where_all_else_is_frozen(tmp_path):
    torch.manual_seed(0)
    unet = networks.build("sd-v1", (16, 16, 24, 24), text_width=32, in_channels=4)
    denoiser.freeze(unet)
    before = {name: weight.clone() for name, weight in unet.state_dict().items()}

    def loss(step, rng):
        return sum((weight - 1).square().sum() for weight in unet.parameters())

    training.fit(unet, loss, name="unet", work=tmp_path, steps=2, peak=0.1, seed=0)
    changed = {
        name for name, weight in unet.state_dict().items() if not torch.equal(weight, before[name])
    }
    assert "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight" in changed
    assert all(".attentions." in name and ".ff." not in name for name in changed)


def test_text_that_bypasses_the_layers_is_learnt_with_attention():
    xl = networks.build("sdxl", (16, 24, 24), text_width=64, in_channels=4)
    denoiser.freeze(xl)
    trained = {name for name, weight in xl.named_parameters() if weight.requires_grad}
    assert {name for name in trained if ".attentions." not in name} == {
        name for name, _ in xl.named_parameters() if name.startswith("add_embedding.")
    }


def test_a_unet_beside_its_base_is_one_file_of_the_base_and_what_differs(tmp_path):
    """What plain diffusers loads is the trained UNet, and the first shard is the base's file, byte for byte."""
    torch.manual_seed(0)
    base = networks.build("sd-v1", (16, 16, 24, 24), text_width=32, in_channels=4).half()
    base.save_pretrained(tmp_path / "base")
    base.mid_block.attentions[0].transformer_blocks[0].attn2.to_k.weight.data += 1
    base.save_pretrained(tmp_path / "trained")
    share(tmp_path / "trained", tmp_path / "base")
    loaded = UNet2DConditionModel.from_pretrained(
        tmp_path / "trained", torch_dtype=torch.float16
    ).state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in base.state_dict().items())
    first, second = sorted((tmp_path / "trained").glob("*.safetensors"))
    whole = tmp_path / "base" / "diffusion_pytorch_model.safetensors"
    assert (
        first.read_bytes() == whole.read_bytes()
        and second.stat().st_size < whole.stat().st_size / 20
    )


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
def test_the_loss_is_zero_for_what_is_right_and_weighs_noise_as_v(prediction):
    """An error in the noise alone is one of v divided by the square root of alpha, so both losses are the same (unless alpha is small)."""
    rng = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(4, 3, 8, 8, generator=rng) for _ in range(2))
    alpha = torch.tensor([0.2, 0.4, 0.6, 0.9])[:, None, None, None]
    right = alpha.sqrt() * noise - (1 - alpha).sqrt() * x if prediction == "v_prediction" else noise
    assert denoiser.denoising_loss(right, x, noise, alpha, prediction) == 0
    wrong = torch.randn(x.shape, generator=rng)
    as_v = denoiser.denoising_loss(
        alpha.sqrt() * noise - (1 - alpha).sqrt() * x + wrong, x, noise, alpha, "v_prediction"
    )
    assert denoiser.denoising_loss(
        noise + alpha.sqrt() * wrong, x, noise, alpha, "epsilon"
    ) == pytest.approx(float(as_v), rel=1e-5)
