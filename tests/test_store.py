"""The store: whole or not there, resumed to the same bytes, shared by two processes, cleaned by run."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from locolib import UserError
from locolib.memory import Row
from locolib.runs import Store, key
from locolib.sampling import Settings, generate, image_key

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=2, guidance=2.0, batch=4)
ROWS = [Row(prompt=f"a cat {i}", seed=i) for i in range(10)]


def digest(store: Store) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(store.root.rglob("*.png"))}


def test_stored_images_are_the_images(model, store):
    made = generate(model, ROWS, SETTINGS, store=store)
    assert np.array_equal(made, generate(model, ROWS, SETTINGS))
    assert np.array_equal(made, generate(model, ROWS, SETTINGS, store=store))
    assert len(digest(store)) == len(ROWS)


def test_nothing_stored_is_computed_again(model, store, monkeypatch):
    generate(model, ROWS, SETTINGS, store=store)
    monkeypatch.setattr("locolib.sampling.denoise", lambda *a: pytest.fail("computed again"))
    generate(model, ROWS, SETTINGS, store=store)


def test_a_missing_or_damaged_image_is_made_again_to_the_same_bytes(model, store):
    generate(model, ROWS, SETTINGS, store=store)
    before = digest(store)
    paths = sorted(store.root.rglob("*.png"))
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:100])
    paths[2].write_bytes(b"")
    generate(model, ROWS, SETTINGS, store=store)
    assert digest(store) == before


def test_the_key_holds_all_that_determines_an_image(model):
    row = ROWS[0]
    keys = {image_key(model, row, SETTINGS), image_key(model, ROWS[1], SETTINGS),
            image_key(model, Row(prompt=row.prompt, seed=99), SETTINGS),
            image_key(model, Row(prompt=row.prompt, seed=0, negative="a dog"), SETTINGS),
            image_key(model, row, Settings(steps=3, guidance=2.0, batch=4)), image_key(model, row, Settings(steps=2, guidance=2.5, batch=4))}
    assert len(keys) == 6


def test_key_does_not_depend_on_the_order_of_entries():
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1}) != key({"a": 2, "b": 1})


SCRIPT = """
import sys
from locolib import models, runs, sampling
from locolib.memory import Row
model = models.load("planted-sd-v1-5", source=sys.argv[1])
rows = [Row(prompt=f"a cat {i}", seed=i) for i in range(int(sys.argv[3]))]
print("go", flush=True)
sampling.generate(model, rows, sampling.Settings(steps=2, guidance=2.0, batch=4), store=runs.Store(sys.argv[2]))
"""


def start(organisms: Path, store: Store, rows: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(organisms / "planted-sd-v1-5"), str(store.root), str(rows)],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_a_run_killed_in_the_middle_resumes_to_the_same_bytes(organisms, tmp_path):
    killed, whole = Store(tmp_path / "killed"), Store(tmp_path / "whole")
    process = start(organisms, killed, 200)
    process.stdout.readline()
    deadline = time.monotonic() + 60
    while len(digest(killed)) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 8 <= len(digest(killed)) < 200
    for store in (killed, whole):
        assert start(organisms, store, 200).wait() == 0
    assert digest(killed) == digest(whole)


def test_two_processes_share_a_store(organisms, tmp_path):
    shared = Store(tmp_path / "shared")
    both = [start(organisms, shared, 40) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert len(digest(shared)) == 40 and not list(shared.root.rglob("*.tmp"))
    alone = Store(tmp_path / "alone")
    assert start(organisms, alone, 40).wait() == 0
    assert digest(shared) == digest(alone)


def test_runs_are_kept_listed_and_cleaned(store):
    table = pd.DataFrame({"x": [1, 2]})
    for image in ("aa1", "bb2", "cc3"):
        store.put_image(image, np.zeros((4, 4, 3), np.uint8))
    store.put_run("first", table, {"minutes": 1}, ["aa1", "bb2"])
    store.put_run("second", table, {"minutes": 2}, ["bb2", "cc3"])
    assert store.run("first")[0].equals(table) and list(store.runs()) == ["first", "second"]
    assert store.clean("first") > 0
    assert store.run("first") is None and store.image("aa1") is None
    assert store.image("bb2") is not None, "the second run still uses it"
    with pytest.raises(UserError, match="there are: second"):
        store.clean("first")
    store.clean()
    assert store.size() == 0


def test_a_damaged_run_counts_as_missing(store):
    store.put_run("run", pd.DataFrame({"x": [1]}), {}, [])
    (store.root / "runs" / "run" / "table.parquet").write_bytes(b"broken")
    assert store.run("run") is None


def test_an_image_that_a_figure_shows_is_there_or_one_sentence(store):
    store.put_image("aa1", np.zeros((4, 4, 3), np.uint8))
    assert store.shown("aa1").shape == (4, 4, 3)
    with pytest.raises(UserError, match="run the same again"):
        store.shown("bb2")


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="name a folder"):
        Store(tmp_path / "file")
