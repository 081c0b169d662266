"""Work on many machines: rows that are drawn before the pages run, and one cluster for all pages."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..drawing import engines, machines
from ..experiments.profiles import Profile
from ..models import load
from ..store import Store
from .pages import parameters, plan


def ahead(chosen: Profile, model: str | None) -> None:
    """Draw this shard's rows of every page whose rows depend on no other result: LocoGen's sweeps and causal tracing.

    Where an edit is tried depends on what a sweep found, so those pages draw when they are run.
    """
    store = Store()
    for run in plan(chosen, model):
        page = parameters(run.page, run.values)
        if not hasattr(page, "ahead"):
            continue
        loaded = load(page.model, source=page.source_of(page.model))
        for _ in page.ahead(loaded, store):
            print(f"{run.name}: a sweep's share is drawn", flush=True)
    print(f"the rows are in {store.root}; when all shards are done, run it without --shard")


@contextmanager
def shared_engine() -> Iterator[None]:
    """Let the kernels of all pages use the engine of this process: of dask one cluster, which is closed at the end."""
    engine = engines.in_use()
    if not isinstance(engine, machines.Dask):
        yield
        return
    before = os.environ.get(machines.VARIABLE)
    os.environ[machines.VARIABLE] = f"dask:{engine.client.scheduler.address}"
    try:
        yield
    finally:
        os.environ.pop(machines.VARIABLE)
        if before is not None:
            os.environ[machines.VARIABLE] = before
        engine.close()
