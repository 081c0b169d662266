"""A class on one machine: several students run the whole lesson at once, one thread each; minutes and memory of each.

``python benchmarks/classroom.py [--students 8] [--steps 0]``; with ``unshare -rn sh -c 'ip link set lo up; python ...'`` there is no network.
"""

import argparse
import json
import os
import signal
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


def run(students: int, folder: Path, steps: int, limit: float) -> list[str]:
    """What became of each student's run, all begun at once: minutes and GiB at most, or how far it came in `limit` seconds."""
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
    command += ["-p", "steps", str(steps), "--autosave-cell-every", "1"]
    started, begun, said = time.monotonic(), {}, []
    for student in range(students):
        out = folder / f"{student}.ipynb"
        with (folder / f"{student}.log").open("w") as log:
            process = subprocess.Popen(
                [*command, str(out)], env=environment, cwd=ROOT, stdout=log, stderr=log
            )
        begun[process.pid] = process, out
    while begun and (seconds := time.monotonic() - started) < limit:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if begun.pop(pid, None) is not None:
            peak = used.ru_maxrss / 2**20  # of the largest process below it, in KiB: the kernel
            processor = used.ru_utime + used.ru_stime
            code = os.waitstatus_to_exitcode(status)
            said.append(
                f"done after {seconds / 60:.1f} minutes, {processor:.0f} s of a core, {peak:.2f} GiB, exit code {code}"
            )
        time.sleep(0.2)
    for process, out in begun.values():
        process.send_signal(signal.SIGINT)  # papermill ends its kernel
        process.wait()
        said.append(f"stopped after {limit / 60:.1f} minutes: {progress(out)}")
    return said


def progress(notebook: Path) -> str:
    """How many cells of a notebook were run."""
    cells = json.loads(notebook.read_text())["cells"] if notebook.exists() else []
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    return f"{sum(bool(cell['execution_count']) for cell in code)} of {len(code)} cells were run"


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
    parser.add_argument("--steps", type=int, default=0, help="of sampling; 0: the model's default")
    parser.add_argument(
        "--limit", type=float, default=3600, help="seconds, after which all are stopped"
    )
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
        for line in run(asked.students, Path(folder), asked.steps, asked.limit):
            print(line, flush=True)


if __name__ == "__main__":
    main()
