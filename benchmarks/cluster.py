"""How well many workers share the batches of a sweep: work of known cost (sleep) on simulated workers of `dask.distributed`.

``python benchmarks/cluster.py --workers 8 --batches 64 --seconds 0.5``
"""

import argparse
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from locolib.drawing import machines
from locolib.drawing.memory import Row
from locolib.drawing.sampling import Settings
from locolib.store import Store

MODEL = SimpleNamespace(name="none", fingerprint="0" * 16)


def share(workers: int, batches: int, seconds: float, rows: int = 4) -> tuple[float, float]:
    """(seconds that it took, share of the ideal) of so many batches that cost `seconds` each."""
    from distributed import Client, LocalCluster

    def nap(name, source, fingerprint, part, settings, root):
        time.sleep(seconds)
        return True

    before, machines.work = machines.work, nap
    parts = [
        [Row(prompt="a house", seed=i * rows + j) for j in range(rows)] for i in range(batches)
    ]
    try:
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
            tempfile.TemporaryDirectory() as folder,
        ):
            engine = machines.Dask(address=cluster.scheduler_address)
            engine._client = client
            client.gather([client.submit(time.sleep, 0, pure=False) for _ in range(workers)])
            started = time.monotonic()
            store = Store(Path(folder))
            engine.draw(MODEL, parts, range(batches), Settings(), store, f"{workers} workers")
            took = time.monotonic() - started
    finally:
        machines.work = before
    return took, batches * seconds / workers / took


def main() -> None:
    """A line for each number of workers."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8])
    asked.add_argument("--batches", type=int, default=64)
    asked.add_argument("--seconds", type=float, default=0.5)
    given = asked.parse_args()
    for workers in given.workers:
        took, part = share(workers, given.batches, given.seconds)
        print(
            f"{workers} workers, {given.batches} batches of {given.seconds:g} s: {took:.1f} s, {100 * part:.0f}% of ideal"
        )


if __name__ == "__main__":
    main()
