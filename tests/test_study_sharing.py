"""Results of another machine: whole or refused, never in the place of our own, shown with their origin."""

import io
import json
import pickle
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from locolib import UserError, __main__, claims
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.prompts import read
from locolib.store import Store, digest
from locolib.study import archive as archive_
from locolib.study import ledger, sharing, shown

ASKED = locogen.Request(
    prompts=read("style")[:3], seeds=locogen.seeds(1), settings=Settings(steps=1, guidance=1.0)
)
SETS = [(), (0, 1), tuple(range(16))]
CLAIM = claims.Claim(text="a <b>claim</b>", section="5.2", number="0.9 [0.8, 1.0]", outcome="held")


@pytest.fixture(scope="module")
def measured(tmp_path_factory, random_organisms, _random_model):
    """The store of a lab: one run and a claim."""
    store = Store(tmp_path_factory.mktemp("lab") / "store")
    scorer = sharing_scorer(random_organisms)
    table = locogen.measure(_random_model, ASKED, SETS, store=store, scorer=scorer)
    claims.keep(store, "02b_five_models", "mini-sdxl", [CLAIM])
    claims.keep(store, "03_locoedit", "planted-sd-v1-5", [CLAIM])
    return store, table


def sharing_scorer(folder):
    from locolib.models import scorers

    before, scorers.ORGANISMS = scorers.ORGANISMS, folder
    scorers.load_scorer.cache_clear()
    try:
        return scorers.load_scorer("scorer")
    finally:
        scorers.ORGANISMS = before
        scorers.load_scorer.cache_clear()


@pytest.fixture
def archive(measured, tmp_path):
    store, _ = measured
    path, _ = sharing.export(
        store, "planted-sd-v1-5", tmp_path / "a.zip", by="a lab", pictures="all"
    )
    return path


def test_a_round_trip_gives_the_same_tables_pictures_and_claims(measured, archive, store):
    lab, table = measured
    (name,) = lab.runs()
    taken, usable = sharing.take_in(store, archive)
    assert usable == 1 and list(taken.runs()) == [name]
    assert taken.origin.startswith("imported from a lab, ") and "20" in taken.origin
    found, facts = store.run(name)
    pd.testing.assert_frame_equal(found, table)
    assert facts["origin"] == taken.origin
    for key in table.image:
        assert np.array_equal(store.image(key), lab.image(key))
    told = claims.table(store)
    assert told[["claim", "page", "outcome"]].values.tolist() == [
        [CLAIM.text, "03_locoedit", "held"]  # that of another model stays at home
    ]
    assert told.origin.tolist() == [taken.origin]
    sharing.take_in(store, archive)  # twice is as once
    assert len(sharing.imported(store)) == 1 and len(claims.table(store)) == 1


def test_pictures_of_figures_are_fewer_and_the_study_does_not_go_on_from_them(
    measured, store, tmp_path
):
    lab, table = measured
    (name,) = lab.runs()
    counts = {}
    for pictures in sharing.PICTURES:
        path, _ = sharing.export(lab, name, tmp_path / f"{pictures}.zip", pictures=pictures)
        with zipfile.ZipFile(path) as opened:
            counts[pictures] = sum(one.startswith("images/") for one in opened.namelist())
    assert counts == {"none": 0, "figures": 6, "all": 9}
    taken, usable = sharing.take_in(store, tmp_path / "figures.zip")
    assert usable == 0 and store.run(name) is None and store.runs() == {}
    pd.testing.assert_frame_equal(taken.runs()[name][0], table)


def test_nothing_that_was_measured_here_is_replaced(measured, archive, store):
    lab, table = measured
    (name,) = lab.runs()
    own = table.assign(score=1.0)
    for key in table.image:
        store.put_sealed(key, lab.sealed_image(key))
    store.put_run(name, own, {"model": "planted-sd-v1-5"}, list(table.image))
    claims.keep(store, "03_locoedit", "planted-sd-v1-5", [CLAIM])
    sharing.take_in(store, archive)
    assert (store.run(name)[0].score == 1.0).all() and "origin" not in store.run(name)[1]
    assert sorted(claims.table(store).origin.astype(bool)) == [False, True]


def rewritten(archive, path, change) -> None:
    """The archive with its files changed by ``change(files)``."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    files = change(files) or files
    with zipfile.ZipFile(path, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)


def relisted(files, **facts):
    """The same with a list that is right again, as a forger would write it."""
    from locolib.store import sealed

    told = json.loads(files[archive_.LIST])["archive"] | facts
    told["files"] = {
        name: archive_.hashed(data) for name, data in files.items() if name != archive_.LIST
    }
    return files | {archive_.LIST: sealed("archive", told, archive_.LIST.encode())}


def first(files, end):
    return next(name for name in files if name.endswith(end))


def flipped(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


BROKEN = {
    "a picture": lambda f: f | {first(f, ".png"): flipped(f[first(f, ".png")])},
    "a table": lambda f: f | {first(f, ".parquet"): flipped(f[first(f, ".parquet")])},
    "provenance": lambda f: f | {first(f, "run.json"): f[first(f, "run.json")].replace(b"1", b"2")},
    "a missing file": lambda f: {n: d for n, d in f.items() if n != first(f, ".png")},
    "a file more": lambda f: f | {"images/abc.png": b"x"},
    "no list": lambda f: {n: d for n, d in f.items() if n != archive_.LIST},
    "another's list": lambda f: f | {archive_.LIST: b'{"content": "", "archive": {}}'},
    "a path upwards": lambda f: relisted(f | {"../../evil.txt": b"x"}),
    "a path upwards in a run": lambda f: relisted(f | {"runs/../table.parquet": b"x"}),
    "an absolute path": lambda f: relisted(f | {"/tmp/evil.txt": b"x"}),
    "a pickle": lambda f: relisted(f | {"runs/a/table.pkl": pickle.dumps(1)}),
    "a pickle as a table": lambda f: relisted(f | {first(f, ".parquet"): pickle.dumps({"a": 1})}),
    "no picture": lambda f: relisted(f | {first(f, ".png"): b"<script>"}),
    "a picture of another key": lambda f: relisted(
        f | {"images/" + "0" * 32 + ".png": f[first(f, ".png")]}
    ),
    "claims that are none": lambda f: relisted(f | {"claims/03_locoedit-mini-sdxl.json": b"{}"}),
    "another version": lambda f: relisted(f, format=99),
    "no origin": lambda f: relisted(f, device=3),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_damaged_or_foreign_is_refused_and_leaves_nothing(archive, store, tmp_path, how):
    rewritten(archive, tmp_path / "b.zip", BROKEN[how])
    with pytest.raises(UserError) as error:
        sharing.take_in(store, tmp_path / "b.zip")
    assert "\n" not in str(error.value) and "b.zip" in str(error.value)
    assert "upwards" not in how or "no archive of `locolib export`" in str(error.value)
    assert not store.root.exists() and not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("data", [b"", b"no zip", "cut"])
def test_what_is_no_zip_is_refused(archive, store, tmp_path, data):
    whole = archive.read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[: len(whole) // 2] if data == "cut" else data)
    with pytest.raises(UserError, match="b.zip cannot be read"):
        sharing.take_in(store, tmp_path / "b.zip")
    with pytest.raises(UserError, match="absent.zip cannot be read .No such file"):
        sharing.take_in(store, tmp_path / "absent.zip")


def test_a_claim_of_an_unknown_page_or_model_is_refused(archive, store, tmp_path):
    from locolib.store import sealed

    for change in ({"page": "99"}, {"model": "sd-v9"}, {"claims": [{"text": 1}]}):
        content = {"page": "03_locoedit", "model": "mini-sdxl", "weights": "", "commit": ""}
        content |= {"claims": []} | change
        name = "03_locoedit-mini-sdxl.json"
        bad = sealed("kept", content, name.encode())
        rewritten(archive, tmp_path / "b.zip", lambda f: relisted(f | {f"claims/{name}": bad}))
        with pytest.raises(UserError, match="is not what `locolib export` writes"):
            sharing.take_in(store, tmp_path / "b.zip")


def test_a_zip_that_says_it_is_huge_is_refused(archive, store, monkeypatch):
    monkeypatch.setattr(archive_, "LARGEST", 1000)
    with pytest.raises(UserError, match="more than"):
        sharing.take_in(store, archive)


def test_what_is_not_there_cannot_be_exported(measured, tmp_path):
    with pytest.raises(UserError, match="No run or model 'sdxl'"):
        sharing.export(measured[0], "sdxl", tmp_path / "a.zip")
    with pytest.raises(UserError, match="--pictures must be one of"):
        sharing.export(measured[0], "planted-sd-v1-5", tmp_path / "a.zip", pictures="some")


def test_the_ledger_and_a_page_of_the_book_say_where_it_comes_from(
    archive, store, tmp_path, monkeypatch
):
    monkeypatch.setenv("LOCOLIB_STORE", str(store.root))
    taken, _ = sharing.take_in(store, archive)
    told = ledger.records(claims.table(store))
    assert told[0]["origin"] == taken.origin
    page = ledger.page(told, {"planted-sd-v1-5": "planted"}).data
    assert "imported from a lab" in page and "<b>claim" not in page
    book = shown.Shown(root=tmp_path / "build")
    files = dict(book.files())
    text = files["imported.md"].decode()
    assert "Imported from a lab" in text and "Mean CLIP" in text
    pictures = [name for name in files if name.startswith("_static/imported/")]
    assert len(pictures) == len(SETS) and all(name in text for name in pictures)
    assert "file: imported" in files["_toc.yml"].decode()


def test_a_book_without_imports_has_no_such_page(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))
    files = dict(shown.Shown(root=tmp_path).files())
    assert "imported.md" not in files and "imported" not in files["_toc.yml"].decode()


def test_the_commands_say_what_they_did(measured, tmp_path, monkeypatch, capsys):
    lab, _ = measured

    def run(root, *words):
        monkeypatch.setenv("LOCOLIB_STORE", str(root))
        monkeypatch.setattr(sys, "argv", ["locolib", *words])
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        return stopped.value.code or 0, *capsys.readouterr()

    monkeypatch.chdir(tmp_path)
    code, out, _ = run(lab.root, "export", "planted-sd-v1-5", "--by", "a lab")
    assert code == 0 and out.startswith("planted-sd-v1-5.zip: ")
    before = (tmp_path / "planted-sd-v1-5.zip").read_bytes()
    code, _, error = run(lab.root, "export", "planted-sd-v1-5", "--by", "another")
    assert code == 2 and "planted-sd-v1-5.zip is there already" in error and "--force" in error
    assert (tmp_path / "planted-sd-v1-5.zip").read_bytes() == before
    code, *_ = run(lab.root, "export", "planted-sd-v1-5", "--by", "a lab", "--force")
    assert code == 0
    code, out, _ = run(tmp_path / "other", "import", "planted-sd-v1-5.zip")
    assert code == 0 and out.startswith("imported from a lab") and "1 runs" in out
    code, _, error = run(tmp_path / "other", "import", "nothing.zip")
    assert code == 2 and error.startswith("locolib: nothing.zip cannot be read")


def test_archives_of_the_same_results_are_told_apart_by_their_content(archive, tmp_path):
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as opened:
        facts = json.loads(opened.read(archive_.LIST))["archive"]
    assert digest(facts) != digest(facts | {"by": "another lab"})
