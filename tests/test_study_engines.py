"""Many machines from the command line: shards draw their rows and nothing else, then all are found."""

import os
import sys

import pytest

from locolib import __main__
from locolib.drawing import engines, machines
from locolib.experiments.locogen.page import LocoGenPage
from locolib.experiments.tracing.page import TracingPage
from locolib.models import loading, registry
from locolib.store import Store
from locolib.study import ahead, options, runner

MODEL = "planted-sd-v1-5"


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv(machines.VARIABLE, raising=False)
    engines.use(None)
    yield
    engines.use(None)


@pytest.fixture
def run(organisms, tmp_path, monkeypatch, capsys):
    """The command line on the random models."""
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["locolib", *words])
        with pytest.raises(SystemExit) as stopped:
            __main__.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return command


def images(root) -> set[str]:
    return {path.stem for path in root.rglob("*.png")}


def test_shards_of_a_sweep_leave_all_its_images_and_nothing_to_draw(run, tmp_path, monkeypatch):
    asked = ("localize", MODEL, "--attribute", "style", "--m", "8", "--profile", "smoke")
    found = []
    for number in (1, 2):
        code, out, error = run(*asked, "--shard", f"{number}/2")
        assert code == 0 and f"shard {number}/2: its rows of 1 window sizes" in out, error
        found.append(images(tmp_path / "store"))
    assert len(found[1]) == 2 * (9 + 2) and found[0] <= found[1]

    def drawn(*asked, **more):
        raise AssertionError("drawn again")

    monkeypatch.setattr("locolib.drawing.sampling.denoise", drawn)
    code, out, error = run(*asked, "--json")
    assert code == 0 and '"images": 22' in out, error


def test_shard_and_engine_exclude_each_other(run):
    code, _, error = run("study", "--shard", "1/2", "--engine", "dask")
    assert code == 2 and "not both" in error
    code, _, error = run("study", "--shard", "3/2")
    assert code == 2 and "--shard takes i/n" in error
    code, _, error = run("localize", MODEL, "--attribute", "style", "--engine", "slurm")
    assert code == 2 and "--engine must be" in error


def test_a_shard_of_the_study_draws_what_depends_on_no_other_result(
    organisms, tmp_path, monkeypatch, capsys
):
    """Of LocoGen and tracing, over all shards, every image that the pages then ask for."""
    monkeypatch.setenv("LOCOLIB_STORE", str(tmp_path / "store"))
    asked = {
        "01_causal_tracing": TracingPage(
            model=MODEL, prompts=1, attribute="style", states=1, steps=1
        ),
        "02_locogen": LocoGenPage(model=MODEL, prompts=4, attribute="style", m=8, steps=1),
    }
    monkeypatch.setattr(ahead, "parameters", lambda page, values: asked.get(page, object()))
    of = []
    for number in (1, 2):
        options.check_engines("local", f"{number}/2")
        runner.study(profile="smoke", model=MODEL, shard=True)
        of.append(images(tmp_path / "store"))
    assert len(of[0]) < len(of[1])  # batches of 16 and 32 rows; then the other 12
    assert "when all shards are done" in capsys.readouterr().out
    engines.use(None)
    store, model = Store(), loading.load(MODEL)
    asked["02_locogen"].locate(model, "style", store)
    for _ in asked["01_causal_tracing"].ahead(model, store):
        pass
    known = {name for name in images(store.root) if name not in of[1]}
    assert len(known) <= 4 * 15  # at most the known window's own size
    assert registry.MODELS[MODEL].planted


def test_the_kernels_of_pages_share_one_cluster(monkeypatch):
    class Client:
        class scheduler:
            address = "tcp://1.2.3.4:8786"

        def close(self):
            self.closed = True

    engine = machines.Dask(address="tcp://1.2.3.4:8786")
    engine._client = client = Client()
    engines.use(engine)
    with ahead.shared_engine():
        assert os.environ[machines.VARIABLE] == "dask:tcp://1.2.3.4:8786"
    assert machines.VARIABLE not in os.environ and client.closed
