"""The benchmark of localisers: what counts as right, strangers' functions, the file of answers."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from locolib import UserError
from locolib.__main__ import app
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.experiments.attribution import benchmark, localisers, report_benchmark, strangers
from locolib.experiments.attribution.localisers import Scores
from locolib.experiments.locogen import searching
from locolib.models import planted
from locolib.models.planted import ANY, EVERYWHERE, Answer
from locolib.prompts import choose, read
from locolib.study import bench

WINDOW = Answer(attribute="style", layers=(8, 9))
APART = Answer(attribute="style", layers=(4, 11))
EITHER = Answer(attribute="style", layers=(3, 12), rule=ANY)
NOWHERE = Answer(attribute="style", layers=tuple(range(16)), rule=EVERYWHERE)
WIDE = Answer(attribute="style", layers=(4, 5, 12, 13, 14))


def scored(layers=None, verdict="", found=(), adjacent=True):
    layers = np.zeros(16) if layers is None else np.asarray(layers, float)
    return Scores(
        layers=layers, rows=1, seconds=0.0, verdict=verdict, found=found, adjacent=adjacent
    )


def one_hot(*own):
    return np.isin(np.arange(16), own).astype(float)


# ---- what is right ----


def test_a_perfect_order_has_1_its_reverse_0_and_no_order_a_half():
    assert benchmark.auroc(one_hot(8, 9), WINDOW) == 1
    assert benchmark.auroc(-one_hot(8, 9), WINDOW) == 0
    assert benchmark.auroc(np.ones(16), WINDOW) == 0.5


def test_random_scores_have_a_half_on_average():
    rng = np.random.default_rng(0)
    assert (
        abs(np.mean([benchmark.auroc(rng.normal(size=16), APART) for _ in range(400)]) - 0.5) < 0.03
    )


def test_overlap_counts_the_planted_among_as_many_of_the_highest():
    assert benchmark.overlap(one_hot(8, 9), WINDOW) == 1
    assert benchmark.overlap(one_hot(8, 1), WINDOW) == 0.5
    assert benchmark.overlap(one_hot(1, 2), WINDOW) == 0


def test_where_everything_is_planted_no_order_is_right():
    assert np.isnan(benchmark.auroc(np.arange(16), NOWHERE))
    assert np.isnan(benchmark.overlap(np.arange(16), NOWHERE))


@pytest.mark.parametrize(
    ("answer", "verdict", "found", "adjacent", "right"),
    [
        (WINDOW, "localised", (8, 9), True, "right"),
        (WINDOW, "localised", (8,), True, "wrong"),
        (WINDOW, "localised", (8, 9, 10), True, "wrong"),
        (WINDOW, "not localised", (), True, "wrong"),
        (WINDOW, "inconclusive", (8, 9), True, "open"),
        (APART, "not localised", (), True, "right"),  # no window has it
        (APART, "not localised", (), False, "wrong"),  # a set of two has
        (APART, "localised", (4, 11), False, "right"),
        (APART, "localised", (4, 5), True, "wrong"),
        (WIDE, "not localised", (), False, "right"),  # five layers: more than are searched
        (EITHER, "localised", (3,), True, "right"),
        (EITHER, "localised", (12,), True, "right"),
        (EITHER, "localised", (3, 12), False, "wrong"),  # one is enough
        (EITHER, "not localised", (), True, "wrong"),
        (NOWHERE, "localised", (1, 2), True, "wrong"),
        (NOWHERE, "not localised", (), True, "right"),
    ],
)
def test_verdicts_are_judged_by_the_answer(answer, verdict, found, adjacent, right):
    assert benchmark.judged(scored(None, verdict, found, adjacent), answer) == right


def test_windows_are_those_that_locogen_searches():
    assert WINDOW.window == (8, 2) and APART.window is None and EITHER.window is None
    assert Answer(attribute="style", layers=(1, 2, 3, 4, 5)).window is None  # wider than a quarter


# ---- tables ----


def table(*rows):
    return pd.DataFrame(
        [
            benchmark.row(benchmark.Question(model=model, answer=answer), name, found)
            for name, model, answer, found in rows
        ]
    )


def test_a_model_counts_once_however_many_questions_it_has():
    good, bad = scored(one_hot(8, 9)), scored(-one_hot(8, 9))
    made = table(*[("x", "a", WINDOW, good)] * 9, ("x", "b", WINDOW, bad))
    assert benchmark.summary(made).auroc[0] == 0.5


def test_a_localiser_without_a_verdict_has_no_rate_of_verdicts():
    made = benchmark.summary(table(("x", "a", WINDOW, scored(one_hot(8, 9)))))
    assert np.isnan(made.right[0]) and report_benchmark.in_words(made)["verdict right"][0] == ""


def test_a_wrong_verdict_says_too_much_or_too_little():
    said = [("localised", (8, 9)), ("localised", (3,)), ("not localised", ()), ("inconclusive", ())]
    made = table(
        *[(("x", f"m{i}", WINDOW, scored(None, *one))) for i, one in enumerate(said)],
        ("x", "m4", NOWHERE, scored(None, "localised", (8, 9))),
    )
    own = benchmark.summary(made).iloc[0]
    assert (own.right, own.false, own.missed) == (0.2, 0.4, 0.2)
    assert "falsely localised 40%, missed 20%" in bench.told(benchmark.summary(made))


def test_the_lead_is_paired_by_model():
    models = [f"m{i}" for i in range(6)]
    made = table(
        *[("one", name, WINDOW, scored(one_hot(8, 9))) for name in models],
        *[("other", name, WINDOW, scored(np.ones(16))) for name in models],
    )
    assert report_benchmark.lead(made, "one", "other").value == 0.5
    assert report_benchmark.better(made, "one", "other").outcome == "held"
    assert report_benchmark.better(made, "other", "one").outcome == "did not hold"


@pytest.mark.parametrize(("words", "are"), [("8 and 9", True), ("3 or 12", False), ("7", True)])
def test_adjacent_layers_are_told_from_words(words, are):
    assert report_benchmark.adjacent(words) == are


# ---- questions ----


def test_every_answer_of_the_file_is_a_question():
    asked = benchmark.questions()
    assert len(asked) == sum(len(one.answers) for one in planted.benchmark().values())
    assert len({one.name for one in asked}) == len(asked)


def test_questions_about_single_values_ask_about_these_alone():
    from locolib.models import find

    of_values = [one for one in benchmark.questions(["style"]) if one.answer.values]
    assert of_values
    for one in of_values:
        request = one.request(find(one.model), 4)
        assert {prompt.value for prompt in request.prompts} == set(one.answer.values)


@pytest.mark.parametrize(
    ("attributes", "models", "says"),
    [(["mood"], [], "no attribute"), (["style"], ["mini-sdxl"], "no model")],
)
def test_what_the_benchmark_does_not_have_is_refused(attributes, models, says):
    with pytest.raises(UserError, match=says):
        benchmark.questions(attributes, models)


def test_every_model_of_the_benchmark_loads_and_differs_from_its_base():
    from locolib.models import load

    for name, one in planted.benchmark().items():
        if one.weights:
            model = load(name)
            assert model.fingerprint != load(one.base).fingerprint and model.name == name
            assert model.source.endswith(one.weights)


def test_plain_diffusers_loads_a_model_as_the_file_says():
    import torch
    from diffusers import DiffusionPipeline
    from safetensors.torch import load_file

    from locolib.models import ORGANISMS, load

    names = [one for one in planted.benchmark().values() if one.weights]
    if not names:
        pytest.skip("no weights of their own are bundled yet")
    one = names[0]
    pipe = DiffusionPipeline.from_pretrained(ORGANISMS / one.base)
    pipe.unet.load_state_dict(load_file(planted.PLANTED / one.weights), strict=False)
    ours = load(one.name).unet.state_dict()
    assert all(torch.equal(weight, ours[name]) for name, weight in pipe.unet.state_dict().items())


def test_the_files_are_those_that_were_measured():
    from hashlib import sha256

    told = json.loads((planted.PLANTED / planted.ANSWERS).read_text())["models"]
    for one in told.values():
        if "weights" in one:
            assert (
                sha256((planted.PLANTED / one["weights"]).read_bytes()).hexdigest() == one["sha256"]
            )


def test_all_models_of_the_benchmark_reach_its_bar():
    """As measured when they were made: styles and objects of samples, and the planting by the training loss."""
    for name, one in json.loads((planted.PLANTED / planted.ANSWERS).read_text())["models"].items():
        if "weights" in one:
            assert one["measured"]["style"] >= 0.95 and one["measured"]["object"] >= 0.85, name
            assert all(answer["checked"]["planted"] for answer in one["answers"]), name


def test_missing_or_foreign_weights_are_one_sentence(tmp_path):
    import torch
    from safetensors.torch import save_file

    from locolib.models import load

    unet = load("planted-sd-v1-5").unet
    with pytest.raises(UserError, match="not there"):
        planted.put_weights(unet, "absent.safetensors", tmp_path)
    save_file({"other.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="of another UNet"):
        planted.put_weights(unet, "other.safetensors", tmp_path)


# ---- localisers of strangers ----


def mine(tmp_path, body):
    file = tmp_path / "mine.py"
    file.write_text(f"def localise(model, prompts):\n    {body}\n")
    return f"{file}:localise"


def ask(place):
    name, localiser = strangers.read(place)
    asked = benchmark.questions(["style"], ["planted-sd-v1-5"])
    return benchmark.run({name: localiser}, asked, prompts=2)


def test_a_stranger_is_asked_about_each_model(tmp_path):
    made = ask(mine(tmp_path, "return [1.0 if layer in (8, 9) else 0 for layer in range(16)]"))
    assert made.auroc[0] == 1 and made.localiser[0] == "mine:localise" and made["rows"][0] == 0


def test_a_strangers_rows_are_counted(tmp_path):
    body = "model.pipeline(prompts[0].original, num_inference_steps=2, guidance_scale=3.0); return [0] * 16"
    assert ask(mine(tmp_path, body))["rows"][0] == 4  # two steps, each with and without the prompt


def test_a_stranger_may_decide(tmp_path):
    body = "return {'layers': range(16), 'found': [8, 9]}"
    assert ask(mine(tmp_path, body)).judged[0] == "right"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return [1, 2]", "16 layers"),
        ("return [float('nan')] * 16", "not finite"),
        ("return {'found': [1]}", "score for each layer"),
        ("return None", "score for each layer"),
        ("raise RuntimeError('oh')", "RuntimeError: oh"),
    ],
)
def test_what_a_stranger_may_not_return_is_said(tmp_path, body, says):
    with pytest.raises(UserError, match=says):
        ask(mine(tmp_path, body))


@pytest.mark.parametrize(
    ("place", "says"), [("mine.py", "file and a function"), ("absent.py:f", "no file")]
)
def test_a_place_that_is_none_is_refused(place, says):
    with pytest.raises(UserError, match=says):
        strangers.read(place)


def test_a_file_without_the_function_or_that_fails_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text("1 / 0\n")
    with pytest.raises(UserError, match="no function"):
        strangers.read(f"{tmp_path / 'a.py'}:x")
    with pytest.raises(UserError, match="ZeroDivisionError"):
        strangers.read(f"{tmp_path / 'b.py'}:f")


def test_the_command_writes_a_row_that_the_page_finds(tmp_path, monkeypatch):
    from locolib.store import Store

    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))
    place = mine(tmp_path, "return [1.0 if layer in (8, 9) else 0 for layer in range(16)]")
    words = ["bench-localiser", place, "--attributes", "style", "--models", "planted-sd-v1-5"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and "AUROC 1.00" in done.output
    assert bench.handed_in(Store()).auroc.tolist() == [1.0]


# ---- our own, on planted models ----


@pytest.mark.parametrize("name", list(bench.everyone()))
def test_every_localiser_scores_all_layers(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))
    asked = benchmark.questions(["style"], ["planted-sd-v1-5"])
    made = benchmark.run({name: bench.everyone()[name]}, asked, prompts=1)
    assert len(made.scores[0].split()) == 16 and made["rows"][0] > 0


def test_integrated_gradients_find_what_was_planted():
    asked = benchmark.questions(["style", "object"], ["planted-sd-v1-5"])
    ours = {"ours": bench.everyone()["integrated gradients (ours)"]}
    made = benchmark.run(ours, asked, prompts=2)
    assert (made.auroc == 1).all()


@pytest.mark.parametrize(
    "name", ["one layer altered", "all but one altered", "LocoGen, all windows"]
)
def test_where_altering_changes_nothing_no_layer_is_above_another(model, store, monkeypatch, name):
    """Pictures of one colour, say: a localiser gives 0, which counts as chance, and no number that is none."""
    asked = locogen.Request(
        prompts=choose(read("style"), 2), seeds=locogen.seeds(1), settings=Settings(steps=1)
    )
    plain = locogen.effects

    def nothing(*args):
        found = plain(*args)
        return replace(found, windows=0 * found.windows, full=0 * found.full)

    for module in (localisers, searching):
        monkeypatch.setattr(module, "effects", nothing)
    method = {**localisers.LOCALISERS, **localisers.ANSWERERS}[name]
    assert not method(model, asked, store=store).layers.any()


def test_verdicts_stand_in_words_and_only_of_those_that_decide():
    question = benchmark.Question(model="planted-sd-v1-5", answer=WINDOW)
    some = {
        "scores": scored(),
        "finds": scored(verdict="localised", found=(8, 9)),
        "denies": scored(verdict="not localised", found=(1, 2)),
    }
    rows = pd.DataFrame([benchmark.row(question, name, one) for name, one in some.items()])
    told = report_benchmark.verdicts(rows)
    assert list(told.columns) == ["question", "layers", "finds", "denies"]
    assert told.loc[0, "finds"] == "localised in 8-9: right"
    assert told.loc[0, "denies"] == "not localised: wrong"
