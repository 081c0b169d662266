"""Checkpoints as they are found: forms of files, weights that do not fit, schedulers, steps, tokens, revisions, LoRAs.

Random weights, the true layers of each family.  A folder that diffusers loads gives here what it gives there, or is refused in
one sentence.
"""

import json
import re
import shutil
from fnmatch import fnmatch
from types import SimpleNamespace

import diffusers
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from rounding import assert_same, assert_same_picture
from safetensors.torch import load_file, save_file

from locolib import Notice, UserError, models
from locolib.drawing.memory import Row, TextMemory
from locolib.drawing.sampling import Settings, denoise, generate
from locolib.models import schedules, sources

SETTINGS = Settings(steps=3, guidance=3.0)
A = "a house in the style of van gogh"
SAFE = "diffusion_pytorch_model.safetensors"
FIVE = ("mini-sd-v1-5", "mini-sd-v2-1", "mini-sdxl", "mini-deepfloyd", "planted-sd-v1-5")


@pytest.fixture
def folder(organisms, tmp_path):
    """A function that copies one of the random models, to be changed."""
    return lambda name="mini-sd-v1-5": shutil.copytree(organisms / name, tmp_path / name)


def edit(path, *gone, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if k not in gone}))


def rewrite(path, change):
    """Weights of a file, changed."""
    save_file(
        {k: w.contiguous() for k, w in change(load_file(path)).items()}, path, {"format": "pt"}
    )


def latents(model, prompt=A):
    return denoise(model, [Row(prompt=prompt, seed=1)], SETTINGS, TextMemory(model))


def same_weights(model, other):
    return all(
        torch.equal(a, b)
        for part in model.parts
        for a, b in zip(
            getattr(model.pipeline, part).parameters(), getattr(other.pipeline, part).parameters()
        )
    )


# Forms of files.


def halved(path):
    path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))


def in_shards(path, variant=""):
    """A file as two shards and their index, as `save_pretrained` writes them."""
    weights, name = load_file(path), path.name.removesuffix(".safetensors")
    keys, half = sorted(weights), len(weights) // 2
    places = {}
    for i, part in enumerate((keys[:half], keys[half:]), start=1):
        shard = path.with_name(f"{name}{variant}-0000{i}-of-00002.safetensors")
        save_file({key: weights[key] for key in part}, shard, {"format": "pt"})
        places |= dict.fromkeys(part, shard.name)
    index = f"{name}.safetensors.index{variant}.json"
    path.with_name(index).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    path.unlink()


def old_names(place):
    """As the first diffusers wrote them: a VAE's attention, a text encoder below `text_model`, with its counts of positions."""
    pairs = (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn"))

    def vae(weights):
        found = {}
        for key, weight in weights.items():
            for new, old in pairs:
                key = key.replace(f".{new}.", f".{old}.")
            found[key] = weight
        return found

    def encoder(weights):
        found = {f"text_model.{key.removeprefix('text_model.')}": w for key, w in weights.items()}
        return found | {"text_model.embeddings.position_ids": torch.arange(77)[None]}

    rewrite(place / "vae" / SAFE, vae)
    rewrite(place / "text_encoder" / "model.safetensors", encoder)


FORMS = {
    "fp16 variants": lambda f: [halved(f / "unet" / SAFE), halved(f / "vae" / SAFE)],
    "an fp16 VAE alone": lambda f: halved(f / "vae" / SAFE),
    "shards": lambda f: [
        in_shards(f / "unet" / SAFE),
        in_shards(f / "text_encoder" / "model.safetensors"),
    ],
    "fp16 shards": lambda f: [
        in_shards(f / "unet" / SAFE, ".fp16"),
        in_shards(f / "text_encoder" / "model.safetensors", ".fp16"),
    ],
    "old names": old_names,
    "a listed safety checker that is absent": lambda f: edit(
        f / "model_index.json",
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
        requires_safety_checker=True,
    ),
    "force_upcast": lambda f: edit(f / "vae" / "config.json", force_upcast=True),
    "both halves and full": lambda f: shutil.copy(
        f / "unet" / SAFE, f / "unet" / SAFE.replace(".safe", ".fp16.safe")
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_diffusers_loads_is_loaded(organisms, folder, form):
    place = folder()
    FORMS[form](place)
    assert same_weights(models.load("mini-sd-v1-5", source=place), models.load("mini-sd-v1-5"))


def test_bfloat16_is_read_in_full(organisms, folder):
    place = folder()
    for file in (place / "unet" / SAFE, place / "text_encoder" / "model.safetensors"):
        rewrite(file, lambda weights: {k: w.bfloat16() for k, w in weights.items()})
        file.rename(file.with_name(file.name.replace(".safe", ".bf16.safe")))
    model = models.load("mini-sd-v1-5", source=place)
    assert {
        p.dtype for part in model.parts for p in getattr(model.pipeline, part).parameters()
    } == {torch.float32}
    assert torch.isfinite(latents(model)).all()


# Weights that do not fit.

PARTS = [
    ("mini-sd-v1-5", "unet", SAFE),
    ("mini-sd-v1-5", "text_encoder", "model.safetensors"),
    ("mini-sd-v1-5", "vae", SAFE),
    ("mini-sdxl", "text_encoder_2", "model.safetensors"),
    ("mini-deepfloyd", "text_encoder", "model.safetensors"),
]


def gone(weights):
    return dict(sorted(weights.items())[1:])


def more(weights):
    return weights | {"further.weight": torch.zeros(2)}


def other_name(weights):
    (name, weight), *rest = sorted(weights.items())
    return dict(rest) | {f"{name}x": weight}


@pytest.mark.parametrize(
    "spoil, said", [(gone, "lacks 1"), (more, "has no place for 1"), (other_name, "lacks 1")]
)
@pytest.mark.parametrize("name, part, file", PARTS, ids=[f"{n} {p}" for n, p, _ in PARTS])
def test_every_weight_has_its_place(folder, name, part, file, spoil, said):
    place = folder(name)
    rewrite(place / part / file, spoil)
    with pytest.raises(UserError, match=f"its {part} {said} of the weights") as caught:
        models.load(name, source=place)
    assert "\n" not in str(caught.value)


def test_a_weight_of_another_shape_is_refused(folder):
    place = folder()
    rewrite(place / "unet" / SAFE, lambda w: w | {"conv_in.bias": torch.zeros(3)})
    with pytest.raises(UserError, match="conv_in"):
        models.load("mini-sd-v1-5", source=place)


# Schedules.

SAVED = (
    "PNDMScheduler",
    "LMSDiscreteScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "DDPMScheduler",
    "HeunDiscreteScheduler",
    "DDIMScheduler",
)


def save_scheduler(place, kind, **changes):
    """The scheduler's configuration as `kind` writes it, with its own defaults but for what the model was trained with."""
    path = place / "scheduler" / "scheduler_config.json"
    before = json.loads(path.read_text())
    trained = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "prediction_type")
    made = getattr(diffusers, kind)(**{k: before[k] for k in trained} | changes)
    made.save_pretrained(path.parent)


@pytest.mark.parametrize("kind", SAVED)
def test_every_saved_scheduler_samples_what_its_plain_twin_does(folder, kind):
    """Whatever the defaults of the scheduler that wrote the configuration."""
    place = folder()
    save_scheduler(place, kind)
    with pytest.warns(Notice, match=f"saved with a {kind}; to sample by DDIM as its family does"):
        model = models.load("mini-sd-v1-5", source=place)
    assert_same(latents(model), latents(models.load("mini-sd-v1-5")))


@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("name", ["mini-sd-v2-1", "mini-sdxl", "mini-deepfloyd"])
@pytest.mark.filterwarnings("ignore::locolib.Notice")
def test_every_family_has_one_schedule(folder, name, kind):
    plain, place = models.loading.FAMILIES[models.find(name).pipeline].sampler, folder(name)
    read = lambda: json.loads((place / "scheduler" / "scheduler_config.json").read_text())  # noqa: E731
    before = schedules.scheduler(read(), plain, name)
    save_scheduler(place, kind)
    after = schedules.scheduler(read(), plain, name)
    assert type(after) is type(before) is {"ddim": DDIMScheduler, "ddpm": DDPMScheduler}[plain]
    assert {k: v for k, v in after.config.items() if k[0] != "_"} == {
        k: v for k, v in before.config.items() if k[0] != "_"
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"timestep_spacing": "linspace"},
        {"timestep_spacing": "trailing"},
        {"steps_offset": 0},
        {"set_alpha_to_one": True},
        {"clip_sample": True},
        {"thresholding": True},
    ],
    ids=str,
)
def test_each_field_of_a_schedule_is_the_familys_and_said(folder, changes):
    place = folder()
    edit(place / "scheduler" / "scheduler_config.json", **changes)
    ((field, value),) = changes.items()
    with pytest.warns(Notice, match=f"{field} {value!r} to "):
        model = models.load("mini-sd-v1-5", source=place)
    assert_same(latents(model), latents(models.load("mini-sd-v1-5")))


def test_a_field_that_is_missing_is_the_familys(folder, recwarn):
    place = folder()
    edit(
        place / "scheduler" / "scheduler_config.json",
        "clip_sample",
        "steps_offset",
        "timestep_spacing",
    )
    with pytest.warns(Notice, match="steps_offset 0 to 1, clip_sample True to False"):
        model = models.load("mini-sd-v1-5", source=place)
    assert_same(latents(model), latents(models.load("mini-sd-v1-5")))


def test_nothing_is_said_of_a_schedule_that_is_the_familys(organisms, recwarn):
    for name in FIVE:
        models.load(name)
    assert not [w for w in recwarn if issubclass(w.category, Notice)]


def test_zero_terminal_snr_is_kept_and_sampled_to_its_end(folder):
    """It is what the model was trained with: then the steps begin at its end, as they must."""
    place = folder("mini-sd-v2-1")
    edit(
        place / "scheduler" / "scheduler_config.json",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    model = models.load("mini-sd-v2-1", source=place)
    scheduler = model.pipeline.scheduler
    scheduler.set_timesteps(3)
    assert scheduler.alphas_cumprod[-1] == 0 and scheduler.timesteps[0] == 999
    assert torch.isfinite(latents(model)).all()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "trained by flow matching"),
        ({"prediction_type": "flow_prediction"}, "trained by flow matching"),
        ({"use_flow_sigmas": True}, "trained by flow matching"),
        ({"_class_name": "EDMEulerScheduler"}, "its EDMEulerScheduler samples in a way"),
        ({"_class_name": "LCMScheduler"}, "its LCMScheduler samples in a way"),
        ({"prediction_type": "velocity"}, "it predicts velocity"),
        ({"rescale_betas_zero_snr": True}, "must predict v"),
    ],
)
def test_what_cannot_be_sampled_is_refused_before_weights_are_read(folder, changes, message):
    place = folder()
    edit(place / "scheduler" / "scheduler_config.json", **changes)
    (place / "unet" / SAFE).unlink()
    with pytest.raises(UserError, match=message):
        models.load("mini-sd-v1-5", source=place)


# Steps of diffusers' pipelines.


@pytest.mark.parametrize(
    "name, file, changes, message",
    [
        ("mini-sd-v1-5", "unet", {"time_cond_proj_dim": 256}, "takes the guidance as an input"),
        ("mini-sd-v1-5", "unet", {"num_class_embeds": 10}, "takes class labels"),
        ("mini-sd-v1-5", "unet", {"class_embed_type": "timestep"}, "takes class labels"),
        ("mini-sd-v1-5", "unet", {"sample_size": [8, 16]}, "no squares"),
        ("mini-sd-v1-5", "unet", {"in_channels": 9}, "takes 9 channels and not its VAE's 4"),
        ("mini-sd-v1-5", "unet", {"encoder_hid_dim_type": "ip_image_proj"}, "not text alone"),
        ("mini-sd-v1-5", "unet", {"addition_embed_type": "image"}, "takes image beside the text"),
        ("mini-sd-v1-5", "vae", {"shift_factor": 0.1}, "latents are shifted"),
        (
            "mini-sd-v1-5",
            "vae",
            {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4},
            "normalised",
        ),
        ("mini-sdxl", "unet", {"projection_class_embeddings_input_dim": 192}, "as a refiner is"),
        ("mini-sdxl", "unet", {"addition_embed_type": None}, "takes nothing beside the text"),
        ("mini-deepfloyd", "unet", {"out_channels": 3}, "no variance"),
    ],
)
def test_a_step_that_our_loop_does_not_have_is_refused(folder, name, file, changes, message):
    place = folder(name)
    edit(place / file / "config.json", **changes)
    with pytest.raises(UserError, match=message) as caught:
        models.load(name, source=place)
    assert "\n" not in str(caught.value)


def test_normalised_latents_are_scaled_back_as_sdxls_pipeline_does(folder):
    place = folder("mini-sdxl")
    edit(
        place / "vae" / "config.json",
        latents_mean=[0.5, -0.2, 0.1, 0.0],
        latents_std=[2.0, 0.5, 1.0, 1.5],
    )
    model = models.load("mini-sdxl", source=place)
    theirs = model.pipeline(
        [A],
        latents=model.noise(model.generator(1))[None],
        num_inference_steps=3,
        guidance_scale=3.0,
        output_type="np",
    ).images
    ours = generate(model, [Row(prompt=A, seed=1)], SETTINGS)
    assert_same_picture(ours, (255 * theirs).round())
    plain = generate(models.load("mini-sdxl"), [Row(prompt=A, seed=1)], SETTINGS)
    assert abs(ours.astype(int) - plain.astype(int)).max() > 10


def test_an_encoder_that_wants_its_attention_mask_gets_it(folder):
    place = folder()
    edit(place / "text_encoder" / "config.json", use_attention_mask=True)
    model = models.load("mini-sd-v1-5", source=place)
    theirs, _ = model.pipeline.encode_prompt(A, model.device, 1, False)
    assert_same(model.encode([A]).states, theirs)


# Text.


def own_text(model, prompt):
    """What the pipeline's own `encode_prompt` gives: states and, for SDXL, pooled text."""
    if model.sampler == "ddpm":
        return model.pipeline.encode_prompt(prompt, False, clean_caption=False)[0], None
    told = model.pipeline.encode_prompt(
        prompt, device=model.device, num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    return told[0], told[2] if len(told) == 4 else None


@pytest.mark.parametrize("prompt", [A, "A (house), by 'Monet'!", "a house " * 60, "héllo"])
def test_text_is_what_the_pipeline_itself_encodes(any_model, prompt):
    ours, (states, pooled) = any_model.encode([prompt]), own_text(any_model, prompt)
    if any_model.sampler == "ddpm":  # what bypasses the layers is what T5 gives
        assert_same(ours.pooled, states)
        assert_same(ours.states, any_model.unet.encoder_hid_proj(states))
    else:
        assert_same(ours.states, states)
    if pooled is not None:
        assert_same(ours.pooled, pooled)


@pytest.mark.parametrize("name", ["mini-sd-v1-5", "mini-sd-v2-1", "mini-sdxl"])
@pytest.mark.parametrize("vectors", [1, 3])
def test_tokens_of_textual_inversion_have_all_their_vectors(organisms, name, vectors):
    model = models.load(name)
    before = model.fingerprint
    generator = torch.Generator().manual_seed(0)
    learnt = torch.randn(vectors, 32, generator=generator)
    pairs = [(model.pipeline.tokenizer, model.pipeline.text_encoder)]
    if name == "mini-sdxl":
        pairs.append((model.pipeline.tokenizer_2, model.pipeline.text_encoder_2))
    for tokenizer, encoder in pairs:
        model.pipeline.load_textual_inversion(
            learnt, token="<mine>", tokenizer=tokenizer, text_encoder=encoder
        )
    prompt = "a house in the style of <mine>, at night"
    ours, (states, pooled) = model.encode([prompt]), own_text(model, prompt)
    assert_same(ours.states, states)
    if pooled is not None:
        assert_same(ours.pooled, pooled)
    assert sum("<mine>" in name for _, name, _ in model.pieces(prompt)) == vectors
    assert model.fingerprint != before


def test_a_token_that_the_encoder_lacks_is_one_sentence(organisms):
    model = models.load("mini-sd-v1-5")
    model.tokenizer.add_tokens("<theirs>")
    with pytest.raises(UserError, match="no vector for the token '<theirs>'"):
        latents(model, "a house by <theirs>")
    assert torch.isfinite(latents(model)).all()


def test_a_tokenizer_without_a_limit_has_its_encoders(folder):
    place = folder()
    edit(place / "tokenizer" / "tokenizer_config.json", "model_max_length", "max_length")
    model = models.load("mini-sd-v1-5", source=place)
    assert model.tokenizer.model_max_length > 1e9 and model.tokens == 77
    assert_same(latents(model), latents(models.load("mini-sd-v1-5")))


# Revisions: learnt, recorded, compared.


@pytest.fixture
def learnt(tmp_path, monkeypatch):
    """A file of revisions of its own."""
    monkeypatch.setattr(sources, "memory", lambda: tmp_path / "sources.json")
    return tmp_path / "sources.json"


COMMITS = ("a" * 40, "b" * 40)


@pytest.fixture
def hub(organisms, tmp_path, monkeypatch, learnt):
    """The hub's cache, without a network, with one repository at two commits; main is the first."""
    repository = tmp_path / "hub" / "models--artist--tuned"
    for commit in COMMITS:
        shutil.copytree(organisms / "mini-sd-v1-5", repository / "snapshots" / commit)
    edit(repository / "snapshots" / COMMITS[1] / "vae" / "config.json", scaling_factor=0.5)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMITS[0])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for module in (
        "huggingface_hub.constants",
        "huggingface_hub.file_download",
        "huggingface_hub._snapshot_download",
    ):
        monkeypatch.setattr(f"{module}.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    return repository


def test_a_repository_of_the_hub_at_its_newest_and_at_a_revision(hub):
    newest = models.load("mini-sd-v1-5", source="artist/tuned")
    other = models.load("mini-sd-v1-5", source=f"artist/tuned@{COMMITS[1]}")
    assert (
        newest.source == f"artist/tuned@{COMMITS[0]}"
        and other.source == f"artist/tuned@{COMMITS[1]}"
    )
    assert (
        newest.pipeline.vae.config.scaling_factor != other.pipeline.vae.config.scaling_factor == 0.5
    )
    assert newest.fingerprint != other.fingerprint


def test_a_revision_that_has_changed_is_said_once(hub, recwarn):
    models.load("mini-sd-v1-5", source="artist/tuned")
    models.load("mini-sd-v1-5", source="artist/tuned")
    assert not [w for w in recwarn if issubclass(w.category, Notice)]
    (hub / "refs" / "main").write_text(COMMITS[1])
    with pytest.warns(Notice, match=f"artist/tuned has changed .*{COMMITS[0]}.*{COMMITS[1]}"):
        models.load("mini-sd-v1-5", source="artist/tuned")
    recwarn.clear()
    models.load("mini-sd-v1-5", source="artist/tuned")
    assert not [w for w in recwarn if issubclass(w.category, Notice)]


@pytest.mark.parametrize("name", ["mini-sd-v1-5", "mini-sdxl"])
def test_an_image_encoder_that_is_not_loaded_is_not_downloaded(folder, name, monkeypatch):
    """The hub, as diffusers asks it: what a repository holds, its model_index.json, and then the files by their patterns."""
    place, asked = folder(name), []
    index = shutil.copy(place / "model_index.json", place.parent)  # the cache holds no more yet
    (place / "image_encoder").mkdir()
    for file in ("config.json", "model.safetensors"):
        (place / "image_encoder" / file).write_text("{}")
    known = ["transformers", "CLIPVisionModelWithProjection"]
    edit(place.parent / "model_index.json", image_encoder=known)
    held = [path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()]
    told = SimpleNamespace(siblings=[SimpleNamespace(rfilename=file) for file in held])

    def snapshot(*_, allow_patterns, ignore_patterns, **__):
        asked.extend(
            file
            for file in held
            if any(fnmatch(file, one) for one in allow_patterns)
            and not any(fnmatch(file, one) for one in ignore_patterns)
        )
        return str(place)

    hub = "diffusers.pipelines.pipeline_utils"
    monkeypatch.setattr(f"{hub}._resolve_revision", lambda *_, **__: None)
    monkeypatch.setattr(f"{hub}.model_info", lambda *_, **__: told)
    monkeypatch.setattr(f"{hub}.hf_hub_download", lambda *_, **__: str(index))
    monkeypatch.setattr(f"{hub}.snapshot_download", snapshot)
    monkeypatch.setattr(sources, "offline", lambda: False)
    monkeypatch.setattr(sources.HfApi, "list_repo_files", lambda *_, **__: held)
    spec = models.find(name)
    sources.fetched(
        sources.Place(kind="hub", where="an/other"),
        spec.pipeline,
        models.loading._WITHOUT[spec.pipeline],
    )
    assert "unet/diffusion_pytorch_model.safetensors" in asked
    assert not [file for file in asked if file.startswith("image_encoder")]


@pytest.mark.parametrize("source", ["artist/other", "artist/tuned@v9"])
def test_what_the_cache_does_not_hold_is_one_sentence_and_no_wait(hub, source):
    with pytest.raises(
        UserError, match="not on this machine and the hub does not give it"
    ) as caught:
        models.load("mini-sd-v1-5", source=source)
    assert "\n" not in str(caught.value)


def test_no_network_is_found_out_before_anything_waits_for_it(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(sources.urllib.request, "getproxies", dict)

    def refused(address, timeout):
        assert timeout <= 5
        raise OSError

    monkeypatch.setattr(sources.socket, "create_connection", refused)
    sources._answers.cache_clear()
    assert sources.offline()
    sources._answers.cache_clear()


def test_a_gated_repository_is_one_sentence(monkeypatch):
    class GatedRepoError(Exception):
        pass

    def gated(*_):
        raise GatedRepoError("403\nlong words")

    monkeypatch.setattr(models.loading, "configuration", gated)
    with pytest.raises(UserError, match="its licence must be accepted on the hub first") as caught:
        models.load("sd-v1-5", source="artist/gated")
    assert "\n" not in str(caught.value)


def test_a_folders_content_is_its_revision(folder, learnt, recwarn):
    place = folder()
    first = models.load("mini-sd-v1-5", source=place).source
    assert re.fullmatch(r"mini-sd-v1-5@[0-9a-f]{16}", first)
    assert json.loads(learnt.read_text())[str(place)] == {"revision": first.partition("@")[2]}
    assert models.load("mini-sd-v1-5", source=place).source == first
    assert not [w for w in recwarn if issubclass(w.category, Notice)]
    rewrite(place / "vae" / SAFE, lambda w: w | {"decoder.conv_out.bias": torch.ones(3)})
    with pytest.warns(Notice, match="has changed since it was loaded before"):
        assert models.load("mini-sd-v1-5", source=place).source != first


@pytest.mark.parametrize("source", ["nowhere", "a/b/c", "https://somewhere/x"])
def test_a_source_that_is_none_is_one_sentence(source):
    with pytest.raises(UserError, match="is not a diffusers folder"):
        models.load("mini-sd-v1-5", source=source)
