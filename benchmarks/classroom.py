"""A class on one machine: several students run the whole lesson at once, one thread each; minutes and memory of each.

``python benchmarks/classroom.py [--students 8]``; with ``unshare -rn sh -c 'ip link set lo up; python ...'`` there is no network.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "lesson_solutions.ipynb"
LESSON = (
    "data/organisms/planted-sd-v1-5",
    "data/organisms/scorer",
    "data/prompts",
    "locolib",
    "notebooks",
)


def run(students: int, folder: Path) -> list[tuple[float, float, int]]:
    """Minutes, GiB at most and exit code of each student's run, all begun at once."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(NOTEBOOK),
        "--no-progress-bar",
        "-k",
        "python3",
    ]
    started, begun = time.monotonic(), {}
    for student in range(students):
        out = folder / f"{student}.ipynb"
        with (folder / f"{student}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, str(out)], env=environment, cwd=ROOT, stdout=log, stderr=log
            )
        begun[process.pid] = process
    found = []
    while len(found) < students:
        pid, status, used = os.wait4(-1, 0)
        if begun.pop(pid, None) is not None:
            peak = used.ru_maxrss / 2**20  # of the largest process below it, in KiB: the kernel
            found.append(
                ((time.monotonic() - started) / 60, peak, os.waitstatus_to_exitcode(status))
            )
    return found


def megabytes(path: Path) -> float:
    """What a file or a folder takes."""
    files = path.rglob("*") if path.is_dir() else [path]
    return (
        sum(
            file.stat().st_size
            for file in files
            if file.is_file() and "__pycache__" not in file.parts
        )
        / 1e6
    )


def main() -> None:
    """Run the class, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=8)
    asked = parser.parse_args()
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    whole = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    lesson = sum(megabytes(ROOT / place) for place in LESSON)
    packages = megabytes(Path(sys.prefix) / "lib")
    print(
        f"repository: {whole:.0f} MB of files, of which the lesson reads {lesson:.0f}; installed packages: {packages:.0f} MB"
    )
    with tempfile.TemporaryDirectory() as folder:
        for minutes, peak, code in run(asked.students, Path(folder)):
            print(f"done after {minutes:.1f} minutes, {peak:.2f} GiB, exit code {code}", flush=True)


if __name__ == "__main__":
    main()
