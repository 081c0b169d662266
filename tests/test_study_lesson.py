"""The lesson: its solutions pass its checks, and the mistakes that classes make fail them by their names."""

import contextlib
import io
import re
from functools import cache
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

from locolib import UserError
from locolib.drawing.memory import Altered, Row
from locolib.drawing.sampling import Settings, generate
from locolib.study import lesson
from locolib.study.lesson import checking
from locolib.study.lesson.altering import guided

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
STEPS = range(1, 11)
# Step, what stands in the solution, what a class writes in its place, words of the check.
MISTAKES = [
    (1, "layer.to_k.weight.T", "layer.to_v.weight.T", "the layer's values"),
    (1, "keys = states @ layer.to_k.weight.T", "keys = states", "the text states"),
    (1, "states @ layer.to_k.weight.T", "layer.to_k.weight @ states.T", "a column for each token"),
    (1, "states @ layer", "states[:12] @ layer", "not a row for each position"),
    (1, "states @ layer", "states[8] @ layer", "not a row for each position"),
    (1, "bench.modules[3]", "bench.modules[2]", "another layer"),
    (1, "states(pair.original)", "states(pair.target)", "target prompt"),
    (
        2,
        'index("gogh"), tokens.index("<|endoftext|>")',
        'index("van"), tokens.index("<|endoftext|>") - 1',
        "position 0",
    ),
    (
        2,
        'tokens.index("gogh")',
        "len([t for t in tokens if 'end' not in t]) - 1",
        "prompt's last word",
    ),
    (2, 'index("gogh")', 'index("van")', "its first token"),
    (2, 'index("gogh")', 'index("<|endoftext|>")', "that of the end of the text"),
    (2, 'tokens.index("<|endoftext|>")', "len(tokens) - 1", "padding"),
    (2, 'tokens.index("<|endoftext|>")', 'tokens.index("<|endoftext|>") - 1', "the last word"),
    (
        3,
        'sorted(paths, key=lambda path: ["down", "mid", "up"].index(path.split("_")[0]))',
        "paths",
        "written down",
    ),
    (3, 'endswith("attn2")', 'endswith(("attn1", "attn2"))', "attends to itself"),
    (3, 'endswith("attn2")', 'endswith(("attn2.to_k", "attn2.to_v"))', "counted once"),
    (3, "sorted(paths,", "sorted(paths[1:],", "missing"),
    (3, "[0]))", "[0]))[::-1]", "the way back"),
    (4, "plain + s", "told + s", "count from the plain one"),
    (4, "(told - plain)", "(plain - told)", "the sign"),
    (4, "plain + s * (told - plain)", "told + s * (plain - told)", "changed places"),
    (4, "(told - plain)", "told", "not its difference"),
    (4, "plain + s * (told - plain)", "told", "leaves the plain prediction out"),
    (
        5,
        '[""] * layers',
        "[target if i in window else '' for i in range(layers)]",
        "only the told branch",
    ),
    (
        5,
        '[""] * layers',
        "[target if i in window else original for i in range(layers)]",
        "altered too",
    ),
    (5, '[""] * layers', "[original] * layers", "told nothing"),
    (
        5,
        "target if i in window else original",
        "target if i + 1 in window else original",
        "off by one",
    ),
    (
        5,
        "target if i in window else original",
        "target if i - 1 in window else original",
        "off by one",
    ),
    (5, "i in window else", "i in window[:-1] else", "lacks its last layer"),
    (
        5,
        "i in window else",
        "i in (*window, *(i + 1 for i in window[-1:])) else",
        "a layer too many",
    ),
    (5, "i in window", "i not in window", "the other way round"),
    (5, "return plain, told", "return plain, told[1:]", "15 prompts for 16 layers"),
    (5, "return plain, told", "return told", "(plain, told)"),
    (6, "draw(altered, seeds,", "draw(altered, [seed + 1 for seed in seeds],", "same noise"),
    (6, "[pair.original for", "[pair.target for", "scored with the target"),
    (
        6,
        "draw(altered, seeds, guided), originals",
        "draw(altered, seeds, guided), [pair.target for pair in pairs]",
        "two different texts",
    ),
    (6, "before - after", "after - before", "The sign is wrong"),
    (6, "pair.target, window,", "pair.target, (),", "is the window passed on"),
    (6, "return before - after", "return before", "a difference of two"),
    (6, "return before - after", "return (before - after).mean()", "one effect for each"),
    (7, "effect.mean() / full.mean()", "(effect / full).mean()", "divide means"),
    (7, "/ full.mean()", "/ clean.mean()", "a share of the clean score"),
    (7, "effect.mean() / full.mean()", "full.mean() / effect.mean()", "upside down"),
    (7, "effect.mean() / full.mean()", "full.mean() - effect.mean()", "a difference in points"),
    (7, "/ full.mean()", "/ (clean - full).mean()", "the altered pictures' score"),
    (7, "effect.mean() / full.mean()", "effect / full", "one number for all"),
    (8, "range(layers - m + 1)]", "range(layers - m)]", "the last layer"),
    (8, "range(layers - m + 1)]", "range(1, layers - m + 1)]", "the first layer"),
    (8, "range(layers - m + 1)]", "range(layers)]", "does not have"),
    (8, "range(start, start + m)", "range(start, start + m + 1)", "does not have"),
    (8, ">= threshold", "> threshold", "exactly the threshold"),
    (8, "shares[best] >= threshold", "True", "below the threshold"),
    (8, "range(1, layers + 1)", "range(2, layers + 1)", "a smaller one"),
    (8, "range(1, layers + 1)", "range(layers, 0, -1)", "a smaller one"),
    (8, "range(1, layers + 1)", "range(1, layers // 4 + 1)", "go on to all layers"),
    (
        8,
        "max(shares, key=shares.get)",
        "next((w for w in shares if shares[w] >= threshold), windows[0])",
        "the best is asked for",
    ),
    (8, "return best", "return best[0]", "all of its layers"),
    (
        9,
        "bench.position(prompt, words) :",
        "len(prompt.replace(',', ' ,').split()) :",
        "not at the subject's",
    ),
    (
        9,
        "[bench.position(prompt, words) :]",
        "[bench.position(prompt, words)]",
        "one position alone",
    ),
    (
        9,
        "bench.position(prompt, words) :",
        "bench.position(prompt, words) : bench.tokens(prompt).index('<|endoftext|>')",
        "padding has read",
    ),
    (
        9,
        "bench.position(prompt, words) :",
        "bench.position(prompt, words) + 1 :",
        "behind the subject",
    ),
    (9, "[bench.position(prompt, words) :]", "", "before the subject"),
    (9, " + lam * W.T).T", ").T", "The old matrix is left out"),
    (9, "lam * torch.eye(X.shape[1])", "lam", "to its diagonal"),
    (
        9,
        "X.T @ X + lam * torch.eye(X.shape[1])",
        "target.T @ target + lam * torch.eye(X.shape[1]); X, target = target, X",
        "changed places",
    ),
    (9, "lam * W.T).T", "lam * W.T)", "the wrong way round"),
    (9, "lam * W.T).T", "lam * W.T).T - W", "the change alone"),
    (9, "(target @ W.T)", "target", "stopped with RuntimeError"),
    (10, "if not set(window) & set(found)]", "if window != found]", "overlap"),
    (10, "if not set(window) & set(found)]", "]", "found window itself"),
    (10, "range(i, i + len(found))", "range(i, i + 1)", "another size"),
    (
        10,
        "if not set(window) & set(found)]",
        "if not set(window) & set(found)][:1]",
        "there are more",
    ),
    (10, "max(others)", "sum(others) / len(others)", "the mean of the others"),
    (10, "own - max(others)", "max(others) - own", "The sign"),
    (10, "own - max(others)", "own / max(others)", "a ratio"),
    (10, "bench.confirming", "bench.choosing", "partly by luck"),
    (
        10,
        "asked = bench.confirming",
        "asked = bench.confirming + bench.choosing",
        "some that chose",
    ),
]


def notebook(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def answers(name: str) -> list[str]:
    """The cells to fill, in order."""
    cells = notebook(name).cells
    return [cell.source for cell in cells if "answer" in cell.metadata.get("tags", [])]


class Class:
    """A kernel in which the solutions have been run, but for the cells that draw hundreds of pictures."""

    def __init__(self) -> None:
        code = [cell.source for cell in notebook("lesson").cells if cell.cell_type == "code"]
        self.known: dict[str, object] = {}
        exec("\n".join(code[:2]).replace("steps = 0", "steps = 4"), self.known)
        self.said = {
            step: self.asked(step, source, self.known)
            for step, source in zip(STEPS, answers("lesson_solutions"))
        }

    def asked(self, step: int, source: str, known: dict[str, object] | None = None) -> str:
        """What the check of a cell says."""
        told: dict[int, str] = {}

        def check(bench, number, answer):
            told[number] = lesson.verdict(bench, number, answer)

        own = dict(self.known) if known is None else known
        own["check"] = check
        with contextlib.redirect_stdout(io.StringIO()):
            exec(source, own)
        assert list(told) == [step]
        return told[step]


@cache
def classroom() -> Class:
    return Class()


@pytest.mark.parametrize("step", STEPS)
def test_the_solution_passes(step):
    assert classroom().said[step] == ""


@pytest.mark.parametrize(
    "step, old, new, words", MISTAKES, ids=[f"{m[0]}-{m[3]}" for m in MISTAKES]
)
def test_a_planned_mistake_is_named(step, old, new, words):
    source = answers("lesson_solutions")[step - 1]
    assert source.count(old) == 1, "the mistake no longer fits the solution"
    assert words in classroom().asked(step, source.replace(old, new))


@pytest.mark.parametrize("step", STEPS)
def test_an_empty_cell_is_told_so(step):
    said = classroom().asked(step, answers("lesson")[step - 1])
    assert re.search(r"three dots|returns nothing yet", said), said


def test_every_step_has_its_planned_mistakes():
    assert (
        len(answers("lesson"))
        == len(answers("lesson_solutions"))
        == len(checking.STEPS)
        == len(STEPS)
    )
    assert all(sum(mistake[0] == step for mistake in MISTAKES) >= 5 for step in STEPS)


def test_no_check_gives_the_answer():
    """Positions, paths and windows of the right answers stand in no message."""
    at, order = (classroom().known[name] for name in ("subject", "order"))
    for step, old, new, _ in MISTAKES:
        said = classroom().asked(step, answers("lesson_solutions")[step - 1].replace(old, new))
        if step == 2:
            assert not re.search(rf"\b({at}|{classroom().known['end']})\b", said)
        assert not any(path in said for path in order) and not re.search(
            r"\b8(-| and |, )9\b", said
        )


def test_the_notebooks_differ_in_the_cells_to_fill_alone():
    one, two = notebook("lesson").cells, notebook("lesson_solutions").cells
    assert len(one) == len(two)
    for here, there in zip(one[1:], two[1:]):
        assert (here.source == there.source) == ("answer" not in here.metadata.get("tags", []))
        assert here.metadata == there.metadata and here.cell_type == there.cell_type


@pytest.mark.parametrize("name", ["lesson", "lesson_solutions"])
def test_cells_can_be_read_at_one_look(name):
    code = [cell.source for cell in notebook(name).cells if cell.cell_type == "code"]
    assert max(len(source.splitlines()) for source in code) <= 15
    hints = [cell.source for cell in notebook(name).cells if "<summary>Hint" in cell.source]
    assert len(hints) == len(STEPS)


def test_the_own_locogen_is_twenty_lines():
    """From who reads what to the smallest window: steps 5 to 8 without their checks."""
    own = "\n".join(answers("lesson_solutions")[4:8])
    lines = [line for line in own.splitlines() if line.strip() and not line.startswith("check(")]
    assert len(lines) <= 20


def test_pictures_are_the_library_s():
    """Drawn by the lesson's own parts, with a window altered and without."""
    bench = classroom().known["bench"]
    pairs, windows = bench.choosing[:2], ((), (5, 6, 7, 8, 9))
    told = [
        ([""] * 16, [pair.target if i in window else pair.original for i in range(16)])
        for window in windows
        for pair in pairs
    ]
    rows = [
        Row(
            prompt=p.original,
            seed=p.seed,
            changes=(Altered(layers=window, prompt=p.target),) if window else (),
        )
        for window in windows
        for p in pairs
    ]
    made = bench.draw(told, [row.seed for row in rows], guided)
    library = generate(
        bench.model, rows, Settings(steps=bench.steps, guidance=bench.guidance), quiet=True
    )
    assert np.abs(made.astype(int) - library.astype(int)).max() <= 2


def test_a_picture_is_drawn_once_and_again_by_another_function_or_model(monkeypatch):
    bench = classroom().known["bench"]
    drawn, own = [], bench._drawn
    monkeypatch.setattr(
        bench, "_drawn", lambda told, *rest: drawn.append(len(told)) or own(told, *rest)
    )
    told = [([""] * 16, ["a cat"] * 16)] * 2

    def mine(plain, told, s):
        return guided(plain, told, 1.0)

    one, two = bench.draw(told, [5, 5], guided)
    assert drawn == [1] and (one == two).all()
    assert (bench.draw(told[:1], [5], guided)[0] == one).all() and drawn == [1]
    assert (bench.draw(told[:1], [5], mine)[0] != one).any() and drawn == [1, 1]
    matrices = (2 * bench.modules[7].to_k.weight, 2 * bench.modules[7].to_v.weight)
    with bench.edited({7: matrices}):
        assert (bench.draw(told[:1], [5], guided)[0] != one).any() and drawn == [1, 1, 1]
    assert (bench.draw(told[:1], [5], guided)[0] == one).all() and drawn == [1, 1, 1]


def test_an_edit_leaves_the_model_as_it_was():
    bench = classroom().known["bench"]
    matrix = bench.modules[8].to_k.weight
    before = matrix.detach().clone()
    with bench.edited({8: (torch.zeros_like(matrix), bench.modules[8].to_v.weight)}):
        assert not matrix.any()
    assert torch.equal(matrix, before)


def test_the_halves_share_no_pair_and_see_all_values():
    bench = classroom().known["bench"]
    assert not {p.original for p in bench.choosing} & {p.original for p in bench.confirming}
    assert {p.value for p in bench.choosing} == {p.value for p in bench.confirming}
    assert len({p.value for p in bench.taught}) == 1 and len({p.value for p in bench.kept}) == 2
    assert bench.kept[0].value == bench.taught[0].value and bench.kept[0] not in bench.taught


def test_what_a_user_may_do_wrong_is_one_sentence():
    bench = classroom().known["bench"]
    for wrong, words in (
        (lambda: lesson.Bench("mini-sd-v1-5"), "planted-sd-v1-5"),
        (lambda: lesson.verdict(bench, 11, 1), "steps 1 to 10"),
        (lambda: bench.draw([([""] * 16, [""] * 16)], [], guided), "needs a seed"),
        (lambda: bench.draw([("a", "b")], [1], guided), "list of 16 prompts"),
    ):
        with pytest.raises(UserError, match=words) as error:
            wrong()
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
def test_the_solutions_run_from_top_to_bottom(tmp_path):
    """They find the planted window, whose share stays near 1 on the pairs that did not choose it."""
    import papermill

    out = tmp_path / "solutions.ipynb"
    papermill.execute_notebook(
        FOLDER / "lesson_solutions.ipynb",
        out,
        kernel_name="python3",
        progress_bar=False,
        cwd=tmp_path,
    )
    made = nbformat.read(out, as_version=4)
    texts = [
        o.text
        for c in made.cells
        if c.cell_type == "code"
        for o in c.outputs
        if o.output_type == "stream"
    ]
    said = "\n".join(texts)
    assert re.findall(r"Step (\d+): right\.", said) == [str(step) for step in STEPS]
    assert "not yet" not in said and "found: (8, 9)" in said
    own, other, lead = (
        float(found) for found in re.findall(r"(?:share|lead:?) (-?\d\.\d\d)", said)[-3:]
    )
    assert own > 0.8 and other < 0.3 and abs(lead - (own - other)) < 0.02
