"""The worked examples of CONTRIBUTING.md, run one after another as a reader would."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_worked_examples_run(tmp_path):
    blocks = re.findall(
        r"^```python\n(.*?)^```$",
        (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
        flags=re.M | re.S,
    )
    assert len(blocks) == 4
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LOCOLIB_STORE": str(tmp_path / "store")}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_map_names_what_there_is():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    named = {name.rstrip("/") for name in re.findall(r"^  (\w+(?:/|\.py))", text, flags=re.M)}
    there = {path.name for path in (ROOT / "locolib").iterdir()} - {
        "__init__.py",
        "__main__.py",
        "__pycache__",
    }
    assert named == there
