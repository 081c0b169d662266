"""Who draws changes no picture: shards, dask workers, one of them killed; what an engine leaves over is drawn here."""

import importlib.util
import os
import signal
import time
from threading import Thread

import numpy as np
import pytest

from locolib import UserError
from locolib.drawing import engines, machines
from locolib.drawing.memory import Row
from locolib.drawing.sampling import Settings, generate, image_key
from locolib.models import registry
from locolib.store import Store

SETTINGS = Settings(steps=1, guidance=2.0, batch=4)
ROWS = [Row(prompt=f"a house, {i}", seed=i) for i in range(18)]
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="dask.distributed is not installed: pip install 'locolib[cluster]'",
)


@pytest.fixture(autouse=True)
def alone():
    """No engine before a test, and none after it."""
    engines.use(None)
    yield
    engines.use(None)


def names(store: Store) -> set[str]:
    return {path.stem for path in (store.root / "images").rglob("*.png")}


@pytest.fixture
def plain(model, tmp_path):
    """All images by this process alone."""
    return generate(model, ROWS, SETTINGS, store=Store(tmp_path / "plain"))


@pytest.mark.parametrize("of", [1, 2, 3, 8])
def test_shards_draw_what_one_process_draws(model, plain, tmp_path, of):
    store = Store(tmp_path / "shards")
    for number in range(1, of + 1):
        engines.use(machines.shard(f"{number}/{of}"))
        if number < of and of < 8:
            with pytest.raises(engines.Elsewhere):
                generate(model, ROWS, SETTINGS, store=store)
        else:
            try:
                generate(model, ROWS, SETTINGS, store=store)
            except engines.Elsewhere:
                assert number < 5  # there are five batches
    engines.use(None)
    assert names(store) == {image_key(model, row, SETTINGS) for row in ROWS}
    assert np.array_equal(generate(model, ROWS, SETTINGS, store=store), plain)


def test_each_shard_draws_its_own_rows_once(model, store):
    drawn = []
    for number in (1, 2):
        engines.use(machines.shard(f"{number}/2"))
        before = names(store)
        with pytest.raises(engines.Elsewhere) if number == 1 else open(os.devnull):
            generate(model, ROWS, SETTINGS, store=store)
        drawn.append(len(names(store) - before))
    assert drawn == [10, 8]  # batches 1, 3, 5 of 4, 4, 2 rows; and 2, 4


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "-1/2", "1/0", ""])
def test_a_shard_that_is_none_is_refused(text):
    with pytest.raises(UserError, match="--shard takes i/n"):
        machines.shard(text)


def test_an_engine_that_is_none_is_refused():
    assert machines.engine("local") is None and machines.engine("") is None
    with pytest.raises(UserError, match="local, dask or dask:ADDRESS"):
        machines.engine("slurm")


def test_without_dask_it_is_one_sentence(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(machines, "import_module", absent)
    with pytest.raises(UserError, match="not installed: pip install"):
        machines.engine("dask")


def test_what_an_engine_leaves_over_is_drawn_here(model, plain, store):
    class Lazy:
        def draw(self, model, batches, missing, settings, store, label):
            assert missing == list(range(5)) and [len(b) for b in batches] == [4, 4, 4, 4, 2]
            machines._here(model, batches[1], settings, store)

    engines.use(Lazy())
    assert np.array_equal(generate(model, ROWS, SETTINGS, store=store), plain)


def test_the_environment_names_the_engine_of_a_kernel(monkeypatch):
    monkeypatch.setenv(machines.VARIABLE, "local")
    machines.use_environment()
    assert engines.in_use() is None
    monkeypatch.setenv(machines.VARIABLE, "elsewhere")
    with pytest.raises(UserError, match="--engine"):
        machines.use_environment()


@pytest.fixture
def cluster(random_organisms, monkeypatch):
    """``cluster(n)``: an engine of n worker processes that know the random models."""
    monkeypatch.setenv("LOCOLIB_ORGANISMS", str(random_organisms))
    monkeypatch.setattr(registry, "ORGANISMS", random_organisms)
    made = []

    def start(workers: int) -> machines.Dask:
        made.append(machines.Dask(workers=workers))
        engines.use(made[-1])
        return made[-1]

    yield start
    for one in made:
        one.close()


@needs_dask
@pytest.mark.slow
def test_one_two_and_four_workers_leave_the_same_store(model, plain, cluster, tmp_path):
    stores = []
    for workers in (1, 2, 4):
        stores.append(Store(tmp_path / f"by{workers}"))
        engine = cluster(workers)
        images = generate(model, ROWS, SETTINGS, store=stores[-1])
        engine.close()
        assert np.abs(images.astype(int) - plain).max() <= 1  # see image_key
    assert names(stores[0]) == names(stores[1]) == names(stores[2])
    first = [stores[0].image(name) for name in sorted(names(stores[0]))]
    for other in stores[1:]:
        for image, name in zip(first, sorted(names(other))):
            assert np.array_equal(image, other.image(name))


@needs_dask
@pytest.mark.slow
def test_a_killed_worker_loses_its_running_batch_alone(model, plain, cluster, store):
    engine = cluster(2)
    first = list(engine.client.run(os.getpid).values())[0]

    def kill():
        while not names(store):  # until the work has begun
            time.sleep(0.02)
        os.kill(first, signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    images = generate(model, ROWS, SETTINGS, store=store)
    killer.join()
    assert np.abs(images.astype(int) - plain).max() <= 1
    assert names(store) == {image_key(model, row, SETTINGS) for row in ROWS}
    assert first not in engine.client.run(os.getpid).values()  # it was one of the workers


@needs_dask
@pytest.mark.slow
def test_an_edited_model_is_drawn_here_as_workers_have_the_plain_one(model, cluster, store):
    cluster(1)
    plain = {image_key(model, row, SETTINGS) for row in ROWS[:4]}
    weight = next(model.unet.parameters()).data
    weight.mul_(2)
    try:
        images = generate(model, ROWS[:4], SETTINGS, store=store)
        edited = {image_key(model, row, SETTINGS) for row in ROWS[:4]}
    finally:
        weight.div_(2)  # exactly as it was
    assert len(images) == 4 and names(store) == edited and not edited & plain
