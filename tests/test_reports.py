"""What users of neighbouring projects reported, and the test of each here: the right value, or one sentence.

A documented command fails
    the book of one model renders                   test_study_subsets.py::test_the_pages_of_one_model_are_a_book
    ... by jupyter-book, every bundled model        test_study_subsets.py::test_a_book_of_one_model_renders_without_a_warning
    ... and of any subset of pages                  test_study_subsets.py::test_a_random_subset_of_all_pages_is_a_book
    ... and of a published model from its source    test_study_published.py::test_the_study_of_a_published_model_runs_its_pages_and_renders

Silent wrong results
    OpenAI's scorer needs QuickGELU                 test_models_scorers.py::test_the_scorer_of_all_published_models_wants_quick_gelu
    ... what is loaded has its weights' activation  test_models_scorers.py::test_a_scorer_is_built_as_its_weights_were_trained
    ... or is refused                               test_models_scorers.py::test_a_scorer_with_another_activation_is_refused
    ... the bundled one too                         test_models_scorers.py::test_the_bundled_scorer_has_the_activation_of_its_configuration
    a schedule without clip_sample                  test_checkpoints.py::test_a_field_that_is_missing_is_the_familys
    each field in which DDIM's defaults differ      test_checkpoints.py::test_each_field_of_a_schedule_is_the_familys_and_said
    every saved scheduler, five families            test_reports.py::test_pictures_are_the_pipelines_whatever_scheduler_was_saved
    ... or refused before weights are read          test_checkpoints.py::test_what_cannot_be_sampled_is_refused_before_weights_are_read
    weights that are missing or renamed             test_checkpoints.py::test_every_weight_has_its_place
    ... of another shape                            test_checkpoints.py::test_a_weight_of_another_shape_is_refused
    ... of a single file                            test_checkpoints_single_file.py::test_a_file_that_is_no_whole_model_is_one_sentence
    ... of a LoRA                                   test_checkpoints_lora.py::test_a_lora_of_another_model_is_one_sentence
    textual inversion with several vectors          test_checkpoints.py::test_tokens_of_textual_inversion_have_all_their_vectors
    ... a token that the encoder lacks              test_checkpoints.py::test_a_token_that_the_encoder_lacks_is_one_sentence
    text is the pipeline's own, every family        test_checkpoints.py::test_text_is_what_the_pipeline_itself_encodes
    steps that our loop leaves out: refused         test_checkpoints.py::test_a_step_that_our_loop_does_not_have_is_refused
    ... normalised latents: taken over              test_checkpoints.py::test_normalised_latents_are_scaled_back_as_sdxls_pipeline_does
    ... an encoder's attention mask: taken over     test_checkpoints.py::test_an_encoder_that_wants_its_attention_mask_gets_it
    ... a decoder with noise of its own: refused    test_reports.py::test_a_decoder_that_draws_noise_is_refused
    ... a small decoder: taken over                 test_reports.py::test_a_small_decoder_decodes_as_in_the_pipeline
    ... a UNet of the first diffusers: taken over   test_reports.py::test_a_unet_of_the_first_diffusers_has_the_pipelines_side
    ... SDXL's empty prompt: on purpose             test_reports.py::test_sdxls_empty_prompt_is_no_text
    ... guidance, none and some                     test_drawing_memory.py::test_sampler_equals_diffusers_pipeline
    ... a negative prompt                           test_drawing_memory.py::test_negative_prompt_equals_diffusers_pipeline
    the store after a change of the pipeline        test_checkpoints_lora.py::test_what_changes_the_pictures_changes_the_fingerprint
    ... a LoRA on it and its strength               test_checkpoints_lora.py::test_a_lora_on_the_pipeline_and_its_strength_change_the_fingerprint
    train: another configuration, the same --work   test_reports.py::test_a_training_goes_on_only_from_its_own_configuration
    ... more steps before its end are no other      test_reports.py::test_a_training_under_way_may_be_given_other_steps
    ... a parts own parts count                     test_reports.py::test_a_part_is_made_from_the_parts_before_it
    a second edit into the same folder              test_editing_saving.py::test_a_second_edit_into_a_folder_is_refused_without_force
    --source X --out X                              test_editing_saving.py::test_the_source_is_never_written_over
    ... train over another model                    test_reports.py::test_a_training_writes_over_no_other_model
    ... a rating page over another's plan           test_reports.py::test_a_plan_is_written_over_no_other
    ratings in .CSV, ._x.csv beside them            test_human_files.py::test_files_are_taken_by_what_they_are
    a folder of ratings that is not there           test_human_files.py::test_a_folder_that_is_not_there_is_no_empty_one
    ... or has none                                 test_human_files.py::test_a_folder_that_was_named_has_ratings
    ... page 06 runs again for a .CSV               test_reports.py::test_page_06_depends_on_every_file_of_ratings
    files of mode 0600                              test_study_parameters.py::test_what_is_written_follows_the_umask
    ... of a trained model                          test_organisms_recipe.py::test_a_recipe_makes_a_pipeline_that_plain_diffusers_samples_from
    clean of what another user wrote                test_reports.py::test_what_must_not_be_removed_is_one_sentence
    --guidance inf                                  test_study_parameters.py::test_infinity_is_a_value_that_is_refused
    ... on the command line, and --lambda           test_reports.py::test_infinity_is_refused_on_the_command_line
    ... and the noise of tracing                    test_reports.py::test_infinite_noise_is_refused
    Excel's TRUE in a plan                          test_human_files.py::test_a_plan_that_a_spreadsheet_saved_is_read_as_it_was
    one rater's file twice                          test_human_files.py::test_a_rater_is_one_however_the_name_is_written

Legal input refused, or misleading words
    Run All twice                                   test_study_parameters.py::test_run_all_twice_gives_the_same_parameters
    papermill --inject-paths                        test_study_parameters.py::test_papermills_cell_counts_over_the_defaults_and_its_paths_do_not
    ... by papermill itself                         test_study_runner.py::test_papermill_alone_runs_the_locogen_notebook
    fp16 shards, an fp16 VAE, absent checkers       test_checkpoints.py::test_what_diffusers_loads_is_loaded
    ... of SDXL and DeepFloyd                       test_reports.py::test_what_diffusers_loads_is_loaded_in_every_family
    bf16                                            test_checkpoints.py::test_bfloat16_is_read_in_full
    hidden files beside what is read                test_reports.py::test_hidden_files_are_no_lora_and_no_revision
    ... beside the pages                            test_reports.py::test_hidden_files_are_no_pages
    ratings are read before pictures are made       test_study_parameters.py::test_ratings_are_read_before_pictures_are_made
    edit --layers auto checks before it sweeps      test_reports.py::test_an_edit_is_checked_before_layers_are_looked_for
    T5: a subject in brackets or quotes             test_drawing_text_prompts.py::test_a_subject_in_brackets_or_quotes_is_found

Tracebacks
    a comma at the end of every row: prompts        test_prompts.py::test_what_spreadsheets_write_is_read
    ... ratings                                     test_human_files.py::test_what_spreadsheets_write_is_read
    a tokenizer without a maximum length            test_checkpoints.py::test_a_tokenizer_without_a_limit_has_its_encoders
    ... in every family                             test_reports.py::test_a_tokenizer_without_a_limit_in_every_family
    other letters under an ASCII locale             test_main.py::test_a_prompt_in_other_letters_under_an_ascii_locale
    ... no file is read in the locale's letters     test_reports.py::test_no_file_is_read_in_the_locales_encoding
    a full disk: the store                          test_reports.py::test_a_full_disk_leaves_nothing_behind
    ... an edit of any kind                         test_reports.py::test_an_edit_that_cannot_be_written_whole_is_not_written
    ... a checkpoint of a training                  test_reports.py::test_a_checkpoint_that_cannot_be_written_leaves_the_last_one
    ... what other libraries write                  test_reports.py::test_a_full_disk_is_one_sentence_whoever_writes
"""

import ast
import errno
import json
import os
import re
import resource
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, DDIMScheduler, DDPMScheduler, DiffusionPipeline
from rounding import assert_same, assert_same_picture
from safetensors.torch import load_file, save_file

from locolib import UserError, __main__, models, store, visible
from locolib.drawing.memory import Row
from locolib.drawing.sampling import Settings, generate
from locolib.experiments import editing, human, locogen, tracing
from locolib.experiments.human import files as human_files
from locolib.experiments.human.page import HumanPage
from locolib.organisms import recipe, training
from locolib.prompts import read
from locolib.study import api, pages, shown

TESTS = Path(__file__).parent
LIBRARY = Path(models.__file__).parents[1]
A = "a house in the style of van gogh"
SETTINGS = Settings(steps=2, guidance=3.0)
SAFE = "diffusion_pytorch_model.safetensors"
# The paper's five models in miniature, and the random folder that has each one's architecture.
FIVE = {
    "mini-sd-v1-5": "mini-sd-v1-5",
    "mini-openjourney": "mini-sd-v1-5",
    "mini-sd-v2-1": "mini-sd-v2-1",
    "mini-sdxl": "mini-sdxl",
    "mini-deepfloyd": "mini-deepfloyd",
}


def test_every_report_has_its_test():
    listed = re.findall(r"(test_\w+\.py)::(test_\w+)", __doc__)
    assert len(listed) == len(set(listed)) > 60
    for file in {file for file, _ in listed}:
        known = {
            node.name
            for node in ast.walk(ast.parse((TESTS / file).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert {name for at, name in listed if at == file} <= known, file
    here = {line for line in __doc__.splitlines() if "test_reports.py::" in line}
    own = [name for name in globals() if name.startswith("test_") and name not in NOT_REPORTS]
    assert all(any(line.endswith(f"::{name}") for line in here) for name in own)


NOT_REPORTS = ("test_every_report_has_its_test",)


@pytest.fixture
def folder(organisms, tmp_path):
    """A function that copies one of the random models, to be changed."""
    return lambda name="mini-sd-v1-5": shutil.copytree(organisms / FIVE[name], tmp_path / name)


@pytest.fixture
def run(organisms, tmp_path, monkeypatch, capsys):
    """Run the command line in this process: (exit code, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))
    for name in ("LOCOLIB_DEVICE", "LOCOLIB_DTYPE", "LOCOLIB_COMPILE"):
        monkeypatch.setenv(name, "auto")  # what a command leaves there is gone after a test

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["locolib", *arguments])
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        return stopped.value.code or 0, capsys.readouterr().err

    return command


def edit(path, *gone, **changes):
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if k not in gone}))


# Pictures are those of the diffusers pipeline.

STABLE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
# How each family is sampled, written down apart from the library.
DDIM = {"timestep_spacing": "leading", "steps_offset": 1, "clip_sample": False}
DDIM |= {"set_alpha_to_one": False, "thresholding": False}
DDPM = {"beta_schedule": "squaredcos_cap_v2", "variance_type": "learned_range"}
DDPM |= {"thresholding": True, "dynamic_thresholding_ratio": 0.95, "sample_max_value": 1.5}
# Every scheduler that diffusers lets stand for another, but the one that scales noise in its own way.
SAVED = sorted({*DDIMScheduler._compatibles} - {"EDMEulerScheduler", "DPMSolverSDEScheduler"})


def pictures(pipeline, model, prompt=A, **more):
    """uint8 [1, h, w, 3] by diffusers' own pipeline, from the noise of seed 1."""
    generator = model.generator(1)
    if model.sampler == "ddpm":
        own = {"generator": [generator], "clean_caption": False}
    else:
        own = {"latents": model.noise(generator)[None]}
    made = pipeline(
        [prompt],
        num_inference_steps=SETTINGS.steps,
        guidance_scale=SETTINGS.guidance,
        output_type="np",
        **own,
        **more,
    )
    return np.round(255 * made.images)


def ours(model, prompt=A, **more):
    return generate(model, [Row(prompt=prompt, seed=1, **more)], SETTINGS)


@pytest.fixture(scope="module")
def plain(random_organisms):
    """``plain(name, model)``: the picture of plain diffusers with the family's sampler, made once."""
    known = {}

    def of(name, model):
        if name not in known:
            pipeline = DiffusionPipeline.from_pretrained(random_organisms / FIVE[name])
            pipeline.set_progress_bar_config(disable=True)
            stable = STABLE | {"prediction_type": models.find(name).prediction}
            latent = name != "mini-deepfloyd"
            pipeline.scheduler = (
                DDIMScheduler(**stable, **DDIM) if latent else DDPMScheduler(**DDPM)
            )
            known[name] = pictures(pipeline, model)
        return known[name]

    return of


@pytest.fixture(scope="module")
def weights():
    """Modules of each of the five, loaded once."""
    return {}


@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("name", FIVE)
@pytest.mark.filterwarnings("ignore")
def test_pictures_are_the_pipelines_whatever_scheduler_was_saved(
    organisms, plain, weights, monkeypatch, tmp_path, name, kind
):
    """The folder's scheduler is saved anew by each of diffusers' classes, with its own defaults but for what was trained."""
    place = shutil.copytree(organisms / FIVE[name], tmp_path / name, copy_function=os.link)
    path = place / "scheduler" / "scheduler_config.json"
    before = json.loads(path.read_text())
    trained = ("beta_start", "beta_end", "beta_schedule", "num_train_timesteps", "prediction_type")
    path.unlink()  # it is a link
    getattr(diffusers, kind)(**{k: before[k] for k in trained}).save_pretrained(path.parent)
    read = models.loading.load_parts

    def once(*asked):  # the weights are the same each time
        if name not in weights:
            weights[name] = read(*asked)
        return weights[name]

    monkeypatch.setattr(models.loading, "load_parts", once)
    model = models.load(name, source=place)
    assert_same_picture(ours(model), plain(name, model))


def test_a_decoder_that_draws_noise_is_refused(folder):
    place = folder()
    edit(place / "vae" / "config.json", _class_name="ConsistencyDecoderVAE")
    with pytest.raises(UserError, match="its decoder is a ConsistencyDecoderVAE and none of"):
        models.load("mini-sd-v1-5", source=place)


@pytest.mark.parametrize("name", ["mini-sd-v1-5", "mini-sdxl"])
def test_a_small_decoder_decodes_as_in_the_pipeline(folder, name):
    place = folder(name)
    shutil.rmtree(place / "vae")
    widths = {f"{part}_block_out_channels": (8, 8, 8, 8) for part in ("encoder", "decoder")}
    generator_state = torch.get_rng_state()
    torch.manual_seed(0)
    AutoencoderTiny(**widths).save_pretrained(place / "vae")
    torch.set_rng_state(generator_state)
    edit(place / "model_index.json", vae=["diffusers", "AutoencoderTiny"])
    model = models.load(name, source=place)
    assert_same_picture(ours(model), pictures(model.pipeline, model))


def test_a_unet_of_the_first_diffusers_has_the_pipelines_side(folder):
    """A side below 64 was then a mistake of the file, which the pipeline mends."""
    place = folder()
    edit(place / "unet" / "config.json", _diffusers_version="0.6.0", sample_size=32)
    model = models.load("mini-sd-v1-5", source=place)
    assert model.side == 64 * model.pipeline.vae_scale_factor
    assert_same_picture(ours(model), pictures(model.pipeline, model))


def test_sdxls_empty_prompt_is_no_text(organisms):
    """As a negative prompt that is not given; where the pipeline encodes "", we say so in `models.fitting`."""
    model = models.load("mini-sdxl")
    assert_same_picture(ours(model), pictures(model.pipeline, model))
    empty = model.encode([""])
    assert not empty.states.any() and not empty.pooled.any()
    assert "SDXL's empty prompt" in models.fitting.__doc__
    told = pictures(model.pipeline, model, negative_prompt=["a cat"])
    assert_same_picture(ours(model, negative="a cat"), told)


# What diffusers loads.


def renamed(path, variant):
    path.rename(path.with_name(path.name.replace(".safetensors", f".{variant}.safetensors")))


def in_shards(path, variant):
    """A file as two shards and their index, as `save_pretrained` writes them."""
    weights, name = load_file(path), path.name.removesuffix(".safetensors")
    keys, places = sorted(weights), {}
    for i, part in enumerate((keys[::2], keys[1::2]), start=1):
        shard = path.with_name(f"{name}.{variant}-0000{i}-of-00002.safetensors")
        save_file({key: weights[key] for key in part}, shard, {"format": "pt"})
        places |= dict.fromkeys(part, shard.name)
    index = path.with_name(f"{name}.safetensors.index.{variant}.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    path.unlink()


@pytest.mark.parametrize("name", ["mini-sd-v2-1", "mini-sdxl", "mini-deepfloyd"])
def test_what_diffusers_loads_is_loaded_in_every_family(folder, name):
    """Every text encoder in fp16 shards, the decoder alone in another variant, checkers that are listed and not there."""
    place, plain_one = folder(name), models.load(name)
    encoders = [part for part in plain_one.parts if part.startswith("text_encoder")]
    for part in encoders:
        in_shards(place / part / "model.safetensors", "fp16")
    if "vae" in plain_one.parts:
        renamed(place / "vae" / SAFE, "fp16")
    renamed(place / "unet" / SAFE, "bf16")
    absent = {
        "StableDiffusionPipeline": {
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        },
        "StableDiffusionXLPipeline": {
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
        },
        "IFPipeline": {
            "safety_checker": ["deepfloyd_if", "IFSafetyChecker"],
            "feature_extractor": ["transformers", "CLIPImageProcessor"],
            "watermarker": ["deepfloyd_if", "IFWatermarker"],
        },
    }
    edit(place / "model_index.json", **absent[models.find(name).pipeline])
    assert_same_picture(ours(models.load(name, source=place)), ours(plain_one))


@pytest.mark.parametrize("name", FIVE)
def test_a_tokenizer_without_a_limit_in_every_family(folder, organisms, name):
    place = folder(name)
    for config in place.glob("tokenizer*/tokenizer_config.json"):
        edit(config, "model_max_length", "max_length")
    model, before = (
        models.load(name, source=place),
        models.load(name, source=organisms / FIVE[name]),
    )
    assert model.tokenizer.model_max_length > 1e9 and model.tokens == 77
    assert_same(model.encode([A]).states, before.encode([A]).states)


# What is kept, and what is hidden beside it.


def test_hidden_files_are_no_lora_and_no_revision(organisms, folder):
    """macOS writes ``._x`` beside every file on a foreign disk."""
    place = folder()
    first = models.load("mini-sd-v1-5", source=place).source
    for hidden in ("unet/._config.json", f"unet/._{SAFE}", "._model_index.json"):
        (place / hidden).write_bytes(b"\0\5\x16\7")
    assert models.load("mini-sd-v1-5", source=place).source == first
    lora = place / "lora"
    lora.mkdir()
    for name in ("._mine.SAFETENSORS", "mine.SAFETENSORS"):
        (lora / name).write_bytes(b"")
    assert models.adapters.lora_file(lora) == lora / "mine.SAFETENSORS"


def test_hidden_files_are_no_pages(tmp_path, monkeypatch):
    """JupyterLab keeps a copy of what it opens in .ipynb_checkpoints: rendered, it would be a page that no contents list."""
    made = tmp_path / "book" / "notebooks"
    for path in (made / "02_locogen.ipynb", made / ".ipynb_checkpoints" / "02_locogen-x.ipynb"):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pages.HOME / "notebooks" / "02_locogen.ipynb", path)
    assert shown.Shown(root=tmp_path).ran == {"02_locogen"}
    package = tmp_path / "package"
    package.mkdir()
    for name in ("._a.py", "a.py"):
        (package / name).write_bytes(b"")
    monkeypatch.setattr(api, "PACKAGE", tmp_path)
    assert api.modules("package") == ["locolib.package.a"]
    assert visible(tmp_path.rglob("*.py"), tmp_path) == [package / "a.py"]


def test_page_06_depends_on_every_file_of_ratings(tmp_path, monkeypatch):
    monkeypatch.setattr(human_files, "SENT", tmp_path)
    page = HumanPage(raters=os.path.relpath(tmp_path, HumanPage().folder.parents[1]))
    assert page.reads() == []
    for name in ("ann.CSV", "._ann.CSV", "bob.csv"):
        (tmp_path / name).write_text("")
    assert [path.name for path in page.reads()] == ["ann.CSV", "bob.csv"]
    with pytest.raises(UserError, match="There is no folder"):
        HumanPage(raters="data/none").reads()


def test_what_must_not_be_removed_is_one_sentence(tmp_path, monkeypatch):
    """What another user wrote: `clean` says which file, whoever runs this test."""
    kept = store.Store(tmp_path / "store")
    kept.put_image("aa", np.zeros((2, 2, 3), np.uint8))
    monkeypatch.setattr(store.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(UserError, match="images could not be removed; change its permissions"):
        kept.clean()


# A training goes on only from what its own configuration made.

CONFIG = Path(recipe.__file__).parent / "configs" / "planted-sd-v1-5.toml"


@pytest.fixture
def trained(tmp_path, monkeypatch, organisms):
    """``trained(change, only)`` trains the parts up to `only` (each is a word in a file) by a changed configuration; what was trained."""
    monkeypatch.setattr(recipe, "ORGANISMS", organisms)
    config = tmp_path / "own.toml"

    def part(name):
        def made(_, work):
            done.append(name)
            (work / f"{name}.pt").write_text(name)
            if name in stop:
                raise KeyboardInterrupt

        return made

    done, stop = [], set()
    for name in ("text_encoder", "scorer", "vae", "unet", "decoder"):
        monkeypatch.setattr(recipe, f"_{name}", part(name))

    def train(*change, only, stopped=()):
        done.clear()
        stop.clear()
        stop.update(stopped)
        text = CONFIG.read_text(encoding="utf-8")
        for old, new in change:
            assert old in text
            text = text.replace(old, new, 1)
        config.write_text(text, encoding="utf-8")
        try:
            recipe.make(config, work=tmp_path / "work", out=tmp_path / "out", only=only)
        except KeyboardInterrupt:
            pass
        return list(done)

    return train


def section(name, field):
    """A line of a section of the configuration, and the same with another number."""
    text = CONFIG.read_text(encoding="utf-8")
    at = text.index(f"[{name}]")
    line = re.compile(rf"^{field} = (\d+)", re.M).search(text, at)
    return text[at : line.end()], f"{text[at : line.start()]}{field} = {int(line[1]) + 1}"


@pytest.mark.parametrize(
    "name, field", [("text_encoder", "width"), ("text_encoder", "steps"), ("world", "poses")]
)
def test_a_training_goes_on_only_from_its_own_configuration(trained, name, field):
    assert trained(only="text_encoder") == ["text_encoder"]
    assert trained(only="text_encoder") == []
    with pytest.raises(UserError, match=rf"{name}\.{field} = \d+, and the .* --work") as caught:
        trained(section(name, field), only="scorer")
    assert "\n" not in str(caught.value)
    assert trained(only="scorer") == ["scorer"]


def test_a_training_under_way_may_be_given_other_steps(trained, tmp_path):
    """Its rate of learning is the same until the last part, so it may be lengthened; nothing else may change."""
    trained(only="text_encoder", stopped=["text_encoder"])
    with pytest.raises(UserError, match=r"text_encoder\.width"):
        trained(section("text_encoder", "width"), only="text_encoder")
    assert trained(section("text_encoder", "steps"), only="text_encoder") == ["text_encoder"]
    with pytest.raises(UserError, match=r"text_encoder\.steps"):
        trained(only="text_encoder")
    (file,) = (tmp_path / "work").rglob("text_encoder.made.json")
    file.unlink()
    with pytest.raises(UserError, match="does not say what its text_encoder was made from"):
        trained(section("text_encoder", "steps"), only="text_encoder")


def test_a_part_is_made_from_the_parts_before_it(trained, tmp_path):
    """Who trains the decoder of latents again has to train the UNet again, which learnt from them."""
    for only in ("text_encoder", "scorer", "vae", "unet"):
        trained(only=only)
    for path in (tmp_path / "work").rglob("vae.*"):
        path.unlink()
    with pytest.raises(UserError, match=r"The unet .* vae\.steps"):
        trained(section("vae", "steps"), only="vae")
    assert trained(only="vae") == ["vae"]
    assert trained(section("vae", "decoder_steps"), only="decoder") == ["decoder"]


def test_a_training_writes_over_no_other_model(tmp_path, monkeypatch, organisms):
    monkeypatch.setattr(recipe, "ORGANISMS", organisms)
    monkeypatch.setattr(recipe, "_text_encoder", lambda *_: pytest.fail("training began"))
    make = lambda out, **more: recipe.make(CONFIG, work=tmp_path / "work", out=out, **more)  # noqa: E731
    for inside in ("mini-sdxl", "planted-sd-v1-5", "planted-sd-v1-5/unet"):
        with pytest.raises(UserError, match="where bundled models lie"):
            make(organisms / inside, seed=3)
    other = tmp_path / "other"
    (other / "training").mkdir(parents=True)
    (other / "model_index.json").write_text("{}")
    (other / "training" / "config.toml").write_bytes(CONFIG.read_bytes())
    with pytest.raises(UserError, match="has a model already, and not of this configuration"):
        make(other, seed=3)
    (other / "training" / "config.toml").unlink()
    with pytest.raises(UserError, match="has a model already"):
        make(other)


def test_a_plan_is_written_over_no_other(tmp_path):
    windows = {(m, a): (2, 3) for m in human.FOUR for a in human.ATTRIBUTES}
    pairs = human.plan(human.FOUR, windows=windows, seeds=1, placebos=1)
    plan = tmp_path / "page.plan.csv"
    human.check_new(plan, pairs)
    plan.write_text(human.table(pairs).to_csv(index=False))
    human.check_new(plan, pairs)
    with pytest.raises(UserError, match="is the plan of another page"):
        human.check_new(plan, pairs[1:])
    plan.write_text("no plan")
    with pytest.raises(UserError, match="is the plan of another page"):
        human.check_new(plan, pairs)


# Before any work.


@pytest.mark.parametrize("number", ["inf", "nan"])
@pytest.mark.parametrize("option", ["--guidance", "--lambda"])
def test_infinity_is_refused_on_the_command_line(run, monkeypatch, option, number):
    monkeypatch.setattr("locolib.models.load", lambda *_, **__: pytest.fail("a model was loaded"))
    command = {
        "--guidance": ("generate", "mini-sd-v1-5", "a cat"),
        "--lambda": ("edit", "mini-sd-v1-5", "--attribute", "style", "--value", "monet"),
    }[option]
    code, said = run(*command, option, number, "--out", "new.png")
    assert code == 2 and number in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_infinite_noise_is_refused(number):
    with pytest.raises(UserError, match="'noise'"):
        pages.parameters("01_causal_tracing", {"noise": number})
    with pytest.raises(UserError, match="at least 0 and finite"):
        asked = read("style")[:1]
        tracing.Request(prompts=tuple(asked), seeds=(1,), settings=SETTINGS, size=number)


@pytest.mark.parametrize("model", ["mini-sd-v1-5", "mini-deepfloyd"])
@pytest.mark.parametrize(
    "style, subject, said",
    [
        ("monet <|endoftext|>", "monet", "endoftext"),
        ("monet", "one", "no whole word"),
        ("(monet), at night", "monet", ""),
    ],
    ids=["a special token", "half a word", "in brackets"],
)
def test_an_edit_is_checked_before_layers_are_looked_for(
    run, tmp_path, monkeypatch, model, style, subject, said
):
    """A subject that the model does not read is told before LocoGen draws a picture."""

    def sweep(*_, **__):
        raise UserError("layers are looked for")

    monkeypatch.setattr(locogen, "sweep", sweep)
    lines = ["original,target,scored,subject,value,source"]
    for thing in ("house", "town", "dog", "cat"):
        original = f'"a {thing} in the style of {style}"'
        lines.append(f"{original},a painting of a {thing},{original},{subject},{subject},me")
    (tmp_path / "own.csv").write_text("\n".join(lines))
    asked = ("edit", model, "--attribute", "style", "--value", subject, "--prompts", "own.csv")
    code, told = run(*asked, "--out", "new")
    if model == "mini-deepfloyd" and said == "endoftext":
        said = ""  # T5 has no such token: to it these are letters
    assert code == 2 and (said or "layers are looked for") in told
    assert ("layers are looked for" in told) == (not said)


# A locale of ASCII, and a full disk.


def _texts(path):
    """Lines of a module that read or write text without saying how it is encoded."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        words = {keyword.arg for keyword in node.keywords}
        mode = "".join(a.value for a in node.args if isinstance(getattr(a, "value", 0), str))
        told = "encoding" in words or len(node.args) > (name == "write_text")
        if name in ("read_text", "write_text") and not told:
            yield node.lineno
        elif name == "open" and "encoding" not in words:
            plain = isinstance(node.func, ast.Name) and not mode
            if plain or re.fullmatch(r"[rwax]t?\+?", mode):
                yield node.lineno


def test_no_file_is_read_in_the_locales_encoding():
    found = {path.name: list(_texts(path)) for path in LIBRARY.rglob("*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}


class _Full:
    """A file on a disk that is full."""

    def __init__(self, path, mode):
        self.file = open(path, mode)  # noqa: SIM115

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.file.name)


@contextmanager
def little_room(size: int):
    """No file of this process may be larger: libraries in other languages fail in the middle of theirs as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_behind(run, tmp_path, monkeypatch):
    """A picture of `generate`, an image of the store: one sentence, and no half of it."""
    monkeypatch.setattr(store, "open", _Full, raising=False)
    code, said = run("generate", "mini-sd-v1-5", "a cat", "--steps", "1", "--out", "cat.png")
    assert code == 2 and "cat.png could not be written (No space left on device)" in said
    assert "Traceback" not in said
    with pytest.raises(UserError, match="No space left on device.*run the same again"):
        store.Store(tmp_path / "store").put_image("aa", np.zeros((2, 2, 3), np.uint8))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", ["save_lora", "save_kohya", "save_pipeline"])
@pytest.mark.parametrize("there", [True, False], ids=["into a folder", "into a new one"])
def test_an_edit_that_cannot_be_written_whole_is_not_written(model, tmp_path, kind, there):
    change = editing.locoedit(model, read("style")[:2], (8, 9), tokens="subject")
    out = tmp_path / "new" / "edit"
    if there:
        out.mkdir(parents=True)
        (out / "before_after.png").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    facts = {"value": "monet", "attribute": "style", "layers": [8, 9]}
    with little_room(2000), pytest.raises(UserError, match="could not be written .*run the same"):
        getattr(editing, kind)(model, change, out, facts)
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {path for path in before if path.is_file()}
    if kind != "save_kohya":
        assert sorted(tmp_path.rglob("*")) == before
    getattr(editing, kind)(model, change, out, facts)
    assert any(out.rglob("*.safetensors")) and not list(tmp_path.rglob("*.tmp"))


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path):
    module = torch.nn.Linear(40, 40)
    kept = training._Run(module, torch.optim.AdamW(module.parameters()))
    kept.save(tmp_path / "part.pt")
    before = (tmp_path / "part.pt").read_bytes()
    kept.step = 7
    with little_room(2000), pytest.raises(UserError, match="could not be written"):
        kept.save(tmp_path / "part.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["part.pt"]
    assert (tmp_path / "part.pt").read_bytes() == before


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "site/index.html"),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        RuntimeError(f"I/O error: {os.strerror(errno.ENOSPC)} (os error 28)"),
    ],
    ids=["a file", "a quota", "another library"],
)
def test_a_full_disk_is_one_sentence_whoever_writes(run, monkeypatch, error):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("locolib.study.runner.study", fails)
    code, said = run("study")
    assert code == 2 and "disk is full" in said and len(said.splitlines()) == 1
    assert ("site/index.html" in said) == bool(getattr(error, "filename", None))
    other = OSError(errno.EACCES, os.strerror(errno.EACCES))
    monkeypatch.setattr("locolib.study.runner.study", lambda **_: (_ for _ in ()).throw(other))
    with pytest.raises(PermissionError):
        __main__.main()
