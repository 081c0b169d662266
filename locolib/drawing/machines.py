"""Engines that share work out: shards of the rows for machines without a scheduler, and workers of `dask.distributed`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from logging import CRITICAL
from threading import Lock
from typing import Any

from tqdm.auto import tqdm

from .. import UserError
from ..models import Model, load, precision
from ..models.chosen import source_of
from ..store import Store
from .engines import Batches, Elsewhere, Engine, alone, in_use, use
from .memory import Row
from .sampling import generate

VARIABLE = "LOCOLIB_ENGINE"  # what `--engine` said, for the kernels of notebooks
ATTEMPTS = 5  # workers that may die under one batch before it is drawn here


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Every n-th batch, from the i-th on: for machines with a common store and no scheduler.

    Attributes:
        number, of: i, from 1, and n.
    """

    number: int
    of: int

    def draw(
        self,
        model: Model,
        batches: Batches,
        missing: Sequence[int],
        settings: Any,
        store: Store,
        label: str,
    ) -> None:
        """Its own batches, whoever has drawn others; then `Elsewhere`, unless nothing is missing."""
        own = [place for place in missing if place % self.of == self.number - 1]
        rows = [row for place in own for row in batches[place]]
        with tqdm(
            total=len(rows), desc=f"{label}, shard {self.number}/{self.of}", unit="image"
        ) as bar:
            for place in own:
                _here(model, batches[place], settings, store)
                bar.update(len(batches[place]))
        if len(own) < len(missing):
            raise Elsewhere


def shard(text: str) -> Shard:
    """``--shard 2/8``.

    Raises:
        UserError: it is not of that form, or not one of them.
    """
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UserError(f"--shard takes i/n with i from 1 to n, such as 2/8, not {text!r}.")
    return Shard(number=int(number), of=int(of))


@dataclass(kw_only=True)
class Dask:
    """A task for each batch, on the workers of `dask.distributed`; images land in the store, which all of them must reach.

    A worker loads the model once and keeps it.  If it dies, its batch goes to another one; nothing else is lost.

    Attributes:
        address: of the scheduler; "": a cluster of this machine's own is started, a process for each processor.
        workers: processes of that cluster; 0: as many as there are processors.
    """

    address: str = ""
    workers: int = 0
    _client: Any = field(default=None, repr=False)
    _others: set[str] = field(default_factory=set, repr=False)  # models that workers cannot load

    @property
    def client(self) -> Any:
        """The connection, made when it is needed first."""
        if self._client is None:
            distributed = _distributed()
            try:
                if self.address:
                    self._client = distributed.Client(self.address, timeout="20s")
                else:
                    processes = self.workers or len(os.sched_getaffinity(0))
                    cluster = distributed.LocalCluster(
                        n_workers=processes,
                        threads_per_worker=1,
                        dashboard_address=None,
                        silence_logs=CRITICAL,
                    )
                    self._client = distributed.Client(cluster)
            except (OSError, ValueError, TimeoutError) as error:
                raise UserError(
                    f"No dask scheduler answers at {self.address or 'this machine'} ({type(error).__name__}); "
                    "start one by `dask scheduler`, or name another address."
                ) from None
        return self._client

    def draw(
        self,
        model: Model,
        batches: Batches,
        missing: Sequence[int],
        settings: Any,
        store: Store,
        label: str,
    ) -> None:
        """A task for each missing batch; those of a model that was changed since it was loaded are left to this process."""
        if model.fingerprint in self._others:
            return
        kind = precision.title(model.dtype)
        asked = (model.name, source_of(model.name), kind, model.fingerprint)
        tasks = [
            self.client.submit(
                work,
                *asked,
                list(batches[place]),
                settings,
                str(store.root.resolve()),
                pure=False,
                retries=ATTEMPTS,
            )
            for place in missing
        ]
        sizes = {task.key: len(batches[place]) for task, place in zip(tasks, missing)}
        done = _distributed().as_completed(tasks)
        with tqdm(total=sum(sizes.values()), desc=f"{label}, dask", unit="image") as bar:
            for task in done:
                if task.status == "finished" and not task.result():
                    self._others.add(model.fingerprint)
                    self.client.cancel(tasks)
                    return
                _raise_for(task)
                bar.update(sizes[task.key])

    def close(self) -> None:
        """End the connection, and the cluster where it is this process's own."""
        if self._client is not None:
            cluster = None if self.address else self._client.cluster
            self._client.close()
            if cluster is not None:
                cluster.close()
            self._client = None


def _raise_for(task: Any) -> None:
    """A user's mistake that a worker found is one sentence here too; workers that die too often are no error, but a loss of time."""
    if task.status == "error" and isinstance(error := task.exception(), UserError):
        raise error


def _distributed() -> Any:
    """`dask.distributed`, an optional part."""
    try:
        return import_module("distributed")
    except ImportError:
        raise UserError(
            "--engine dask needs dask.distributed, which is not installed: pip install 'locolib[cluster]'."
        ) from None


_one = Lock()  # a worker may have several threads; its model draws one batch at a time


@lru_cache(maxsize=1)
def _kept(name: str, source: str | None, dtype: str) -> Model:
    """A worker's model: loaded for its first batch, and kept."""
    return load(name, source=source, dtype=dtype)


def work(
    name: str,
    source: str | None,
    dtype: str,
    fingerprint: str,
    rows: list[Row],
    settings: Any,
    root: str,
) -> bool:
    """What a worker does: one batch into the store; False where its model is not the one that is meant (an edited one, say)."""
    with _one:
        model = _kept(name, source, dtype)
        if model.fingerprint != fingerprint:
            return False
        _here(model, rows, settings, Store(root))
    return True


def _here(model: Model, rows: Sequence[Row], settings: Any, store: Store) -> None:
    """Draw one batch in this process, whatever engine is in use."""
    with alone():
        generate(model, rows, settings, store=store, quiet=True)


def engine(text: str) -> Engine | None:
    """``--engine``: local, dask, or dask:ADDRESS.

    Raises:
        UserError: it is none of these.
    """
    kind, _, address = text.partition(":")
    if kind == "dask":
        _distributed()
        return Dask(address=address)
    if text not in ("", "local"):
        raise UserError(f"--engine must be local, dask or dask:ADDRESS, not {text!r}.")
    return None


def use_environment() -> None:
    """Let a notebook's kernel draw by the engine of the study that runs it, if there is one (`VARIABLE`)."""
    if in_use() is None and (said := os.environ.get(VARIABLE, "")):
        use(engine(said))
