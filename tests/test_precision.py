"""Devices and types of numbers: what is not there is one sentence, and in half precision everything that is done to rows still works.

Half precision on a CPU proves that no two types meet where they must not, not that it is fast.  How far pictures may differ is
that type's own rounding (float16 2^-11, bfloat16 2^-8, relative), added up over a few layers and steps.
"""

import numpy as np
import pytest
import torch
from conftest import FAMILIES

from locolib import UserError, models
from locolib.drawing.hooks import recording
from locolib.drawing.layers import sites
from locolib.drawing.memory import Altered, Dropped, Row, TextMemory
from locolib.drawing.provenance import provenance
from locolib.drawing.sampling import Settings, denoise, generate, image_key
from locolib.drawing.text import Corrupted
from locolib.experiments import attribution, editing, locogen, neurons
from locolib.experiments.editing import baselines
from locolib.experiments.tracing.states import unet_states
from locolib.models import memory, precision, text_states
from locolib.prompts import choose, read
from locolib.store import key

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=2, guidance=2.0, batch=8)
A, B = "a house in the style of van gogh", "a painting of a house"
NAMES = [name for name in FAMILIES if name != "mini-sd-v1-5"]
LOOSE = {torch.float32: 1e-4, torch.float16: 0.05, torch.bfloat16: 0.3}  # of latents of size 1


@pytest.fixture(scope="module")
def loaded(random_organisms):
    """``loaded(name, dtype)``: a random model of a family, once for each type."""
    kept = {}

    def load(name, dtype):
        if (name, dtype) not in kept:
            kept[name, dtype] = models.load(name, source=random_organisms / name, dtype=dtype)
        return kept[name, dtype]

    return load


@pytest.fixture(params=[(n, d) for n in NAMES for d in ("bfloat16", "float16")], ids="-".join)
def half(request, organisms, loaded):
    """A model of each family in each half type, and the same in full."""
    name, dtype = request.param
    return loaded(name, dtype), loaded(name, "float32")


def everything_done(model):
    """Rows with all that can be done to one."""
    last = model.spec.layers - 1
    texts, path = text_states(model.pipeline), unet_states(model.unet)[3].path
    noisy = Corrupted(prompt=A, subject="van gogh", size=3.0, seed=1)
    return [
        Row(prompt=A, seed=0),
        Row(prompt=A, seed=0, negative="a cat", changes=(Altered(layers=(3, last), prompt=B),)),
        Row(prompt=A, seed=1, changes=(Altered(layers=(4,), prompt=B, positions=(2, 3)),)),
        Row(prompt=A, seed=1, changes=(Dropped(layer=5, matrix="key", neurons=(0, 7)),), pooled=B),
        Row(
            prompt=A,
            seed=1,
            changes=(Dropped(layer=5, matrix="value", neurons=(1,), values=(0.3,)),),
        ),
        Row(prompt=noisy, seed=2),
        Row(prompt=noisy, seed=2, restored=path),
        Row(
            prompt=Corrupted(
                prompt=A, subject="van gogh", size=3.0, seed=1, restored=texts[-1], where="all"
            ),
            seed=2,
        ),
    ]


def latents(model, rows):
    return denoise(model, rows, SETTINGS, TextMemory(model))


# --- what is asked for


def test_auto_on_a_cpu_is_float32(monkeypatch):
    monkeypatch.delenv(precision.DTYPE, raising=False)
    assert precision.dtype("auto", torch.device("cpu")) == torch.float32
    assert precision.dtype("auto", torch.device("cuda")) == torch.float16


def test_auto_is_what_the_environment_says(monkeypatch):
    monkeypatch.setenv(precision.DEVICE, "cpu")
    monkeypatch.setenv(precision.DTYPE, "bfloat16")
    assert precision.device().type == "cpu"
    assert precision.dtype("auto", torch.device("cpu")) == torch.bfloat16
    assert precision.dtype("float32", torch.device("cpu")) == torch.float32, "named: it counts"


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"device": "tpu"}, "Unknown device 'tpu'; choose one of auto, cuda, mps, cpu"),
        ({"dtype": "int8"}, "Unknown type of numbers 'int8'; choose one of auto, float32"),
        ({"device": "cuda"}, "no device 'cuda'; it has cpu"),
    ],
)
def test_what_is_unknown_or_not_there_is_one_sentence(random_organisms, monkeypatch, asked, words):
    monkeypatch.setattr(precision, "is_there", lambda kind: kind == "cpu")
    with pytest.raises(UserError, match=words):
        models.load("planted-sd-v1-5", source=random_organisms / "planted-sd-v1-5", **asked)


def test_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv(precision.DTYPE, "half")
    with pytest.raises(UserError, match="'half' .LOCOLIB_DTYPE.; choose one of"):
        precision.dtype("auto", torch.device("cpu"))


# --- half precision


def test_all_that_is_done_to_rows_is_done_in_half(half):
    """Every row is finite and near the same row in full; latents are float32, text memory has the UNet's type."""
    model, full = half
    assert model.dtype != full.dtype == torch.float32
    rows = everything_done(model)
    made, wanted = latents(model, rows), latents(full, rows)
    assert made.dtype == torch.float32 and made.shape == wanted.shape
    error = (made - wanted).flatten(1).abs().mean(1) / wanted.abs().mean()
    assert error.max() < LOOSE[model.dtype], error
    keys, values, pooled = TextMemory(model).gather(rows[:2], guided=True)
    assert {t.dtype for t in (*keys, *values)} == {model.dtype}
    assert pooled is None or pooled.dtype == model.dtype


def test_what_is_done_still_shows_in_half(half):
    """The effect of an alteration is larger than rounding: it is not lost."""
    model, full = half
    rows = [Row(prompt=A, seed=3), Row(prompt=A, seed=3, negative="a cat")]
    plain, other = latents(model, rows)
    effect = (other - plain).abs().mean()
    rounding = (latents(full, rows)[0] - plain).abs().mean()
    assert effect > 0 and torch.isfinite(rounding)
    if model.dtype == torch.float16:
        assert effect > rounding


def test_images_are_made_stored_and_known_by_their_type(half, store):
    model, full = half
    rows = everything_done(model)[:3]
    made = generate(model, rows, SETTINGS, store=store)
    assert made.dtype == np.uint8 and made.shape[1:] == (model.side, model.side, 3)
    assert np.array_equal(generate(model, rows, SETTINGS, store=store), made)
    assert image_key(model, rows[0], SETTINGS) != image_key(full, rows[0], SETTINGS)
    assert model.fingerprint != full.fingerprint, "part of the key of every run"
    scorer = models.load_scorer(model.spec.scorer)
    seen = scorer.images(made)
    assert seen.dtype == np.float32 and np.isfinite(seen).all()
    facts = provenance(model, SETTINGS, scorer, prompts=1, seeds=[0], minutes=0.0)
    assert facts["precision"].startswith(precision.title(model.dtype))


def test_edits_are_solved_in_full_and_written_in_half(half):
    model, _ = half
    before = {name: weight.clone() for name, weight in model.unet.state_dict().items()}
    prompts = read("style")[:2]
    change = editing.locoedit(model, prompts, (3, 4))
    assert {delta.dtype for delta in change.deltas.values()} == {torch.float32}
    row = Row(prompt=prompts[0].original, seed=0)
    plain = latents(model, [row])
    with editing.applied(model, change) as edited:
        for path, delta in change.deltas.items():
            name = path.removeprefix("unet.")
            exact = before[name].float() + delta
            assert torch.equal(edited.unet.state_dict()[name], exact.to(model.dtype)), (
                "rounded once"
            )
        changed = latents(edited, [row])
        assert image_key(edited, row, SETTINGS) != image_key(model, row, SETTINGS)
    assert not torch.equal(plain, changed)
    assert all(torch.equal(w, before[name]) for name, w in model.unet.state_dict().items())
    assert torch.equal(latents(model, [row]), plain)


def test_other_methods_edit_a_half_model(half):
    model, _ = half
    prompts = read("style")[:2]
    changes = [
        baselines.uce(model, prompts, ["a cat"]),
        baselines.diffquickfix(model, prompts),
        baselines.concept_ablation(
            model, prompts, baselines.Training(steps=2, batch=2, pictures=2), SETTINGS
        ),
    ]
    for change in changes:
        assert all(torch.isfinite(delta).all() for delta in change.deltas.values()), change.method
        with editing.applied(model, change) as edited:
            assert torch.isfinite(latents(edited, [Row(prompt=A, seed=0)])).all()


def test_neurons_are_ranked_in_half(half):
    model, full = half
    texts = ["a house in the style of van gogh", "a dog in the style of van gogh", "a cat"]
    ours, theirs = (
        neurons.Activations(one, (3,)).of(texts, artist="van gogh")[3, "value"]
        for one in (model, full)
    )
    assert ours.dtype == np.float64
    assert np.abs(ours - theirs).max() < 20 * torch.finfo(model.dtype).eps * np.abs(theirs).max()


def test_a_recorded_state_has_the_models_type(half):
    model, _ = half
    module = model.unet.get_submodule(sites(model.unet)[2].path)
    with recording({"state": module}) as seen:
        latents(model, [Row(prompt=A, seed=0)])
    assert seen["state"].dtype == model.dtype


def test_diffusers_own_pipeline_agrees_in_half(half):
    """At equal precision: their latents are in half too, ours in full."""
    model, _ = half
    if model.sampler == "ddpm":
        pytest.skip("diffusers' IFPipeline takes no latents")
    noise = model.noise(model.generator(1))[None].to(model.dtype)
    theirs = model.pipeline(
        [A], latents=noise, num_inference_steps=2, guidance_scale=2.0, output_type="latent"
    ).images
    ours = latents(model, [Row(prompt=A, seed=1)])
    error = (ours - theirs.float()).abs().mean() / ours.abs().mean()
    assert error < LOOSE[model.dtype]


# --- the decoder


def test_the_decoder_has_a_type_in_which_it_stays_finite(loaded, organisms):
    assert loaded("mini-sdxl", "float16").pipeline.vae.dtype == torch.float32
    assert loaded("mini-sdxl", "float16").precision == "float16, decoder float32"
    assert loaded("mini-sdxl", "bfloat16").pipeline.vae.dtype == torch.bfloat16
    assert loaded("mini-sd-v2-1", "float16").pipeline.vae.dtype == torch.float16
    assert loaded("mini-sd-v2-1", "float32").precision == "float32"


def test_a_decoder_that_overflows_in_half_decodes_in_full(random_organisms):
    name = "planted-sd-v1-5"
    model = models.load(name, source=random_organisms / name, dtype="float16")
    full = models.load(name, source=random_organisms / name)
    for one in (model, full):
        one.pipeline.vae.decoder.conv_in.weight.data *= 3e4
    wide = torch.full((2, *model.latent_shape), 30.0)
    vae = model.pipeline.vae
    assert not torch.isfinite(vae.decode(wide.half()).sample).all(), "it does overflow"
    made = model.decode(wide)
    assert np.abs(made.astype(int) - full.decode(wide).astype(int)).mean() < 8
    assert vae.dtype == torch.float16, "and has its own type again"


def test_a_small_t5_keeps_what_overflows_in_float32(loaded, organisms):
    encoder = loaded("mini-deepfloyd", "float16").pipeline.text_encoder
    kinds = {
        name.rpartition(".")[0].rpartition(".")[2]: p.dtype
        for name, p in encoder.named_parameters()
    }
    assert kinds["wo"] == torch.float32 and kinds["q"] == torch.float16


# --- what enters keys


def test_how_rows_are_cut_is_part_of_no_key(loaded, organisms):
    model, row = loaded("planted-sd-v1-5", "float32"), Row(prompt=A, seed=0)
    one, other = Settings(steps=2, batch=1), Settings(steps=2, batch=16)
    assert image_key(model, row, one) == image_key(model, row, other)
    assert key({"settings": one}) == key({"settings": other}), "as the keys of runs have it"


def test_batches_hardly_move_scores(half):
    """In half a batch of one and of many differ by the type's rounding, which scores hardly see."""
    model, _ = half
    rows = everything_done(model)[:4]
    settings = [Settings(steps=2, guidance=2.0, batch=batch) for batch in (1, 4)]
    alone, together = (generate(model, rows, one).astype(int) for one in settings)
    assert np.abs(alone - together).mean() < 255 * LOOSE[model.dtype] / 2
    assert memory.fitting(model, 4) == 4


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_backward_passes_in_half_precision_say_what_float32_says(dtype):
    """Shares of layers, whose gradients are scaled on the way back so that half precision holds them."""
    asked = locogen.Request(
        prompts=choose(read("style"), 2), seeds=locogen.seeds(1), settings=Settings(steps=2)
    )
    full, half = (
        attribution.attribute(models.load("planted-sd-v1-5", dtype=kind), asked)
        for kind in ("float32", dtype)
    )
    assert np.abs(half.layers - full.layers).max() <= 0.05
    assert np.abs(half.gap).max() <= 0.1 and half.mean.argmax() == full.mean.argmax()
