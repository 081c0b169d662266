"""The repository's own promises: pins agree, imports run downward, and nothing is kept in it that should not be."""

import ast
import json
import re
import subprocess
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path
from sys import stdlib_module_names

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "locolib"
PIN = re.compile(r'([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)( ; [a-z_]+ [=!]= "[A-Za-z0-9]+")?')

# The rooms from the ground up: a room imports from lower floors only.  Rooms of one floor do not know each other.
FLOORS = (
    ("prompts", "scores", "store"),
    ("models",),
    ("drawing",),
    ("claims", "figures", "organisms"),
    ("experiments.profiles",),
    ("experiments.page",),
    ("experiments.locogen",),
    (
        "experiments.attribution",
        "experiments.tracing",
        "experiments.editing",
        "experiments.neurons",
        "experiments.human",
    ),
    ("experiments.deepfloyd",),
    ("study",),
    ("__main__",),
)
DOORS = (
    "page",
    "report",
    "figures",
)  # of an experiment's room, beside its method; a longer name ends or begins with one


def normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    matches = [PIN.fullmatch(line) for line in lines if line and not line.startswith("#")]
    return {normal(match[1]): match[2] for match in matches if match}


def direct(*, extras: bool = True) -> set[str]:
    """Names of the packages that pyproject.toml asks for, with those of its extras or without."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    more = project["optional-dependencies"].values() if extras else ()
    wanted = [*project["dependencies"], *(line for lines in more for line in lines)]
    return {normal(re.match(r"[A-Za-z0-9._-]+", line)[0]) for line in wanted}


def tracked() -> list[Path]:
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


# --- pins


def test_lock_holds_only_pins():
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line]
    assert lines[0].startswith("#")
    assert [line for line in lines if not line.startswith("#") and not PIN.fullmatch(line)] == []
    assert [
        line for line in lines if "://" in line or " @ " in line or re.search(r"(^|\s)/", line)
    ] == []


def test_lock_pins_each_package_once_and_all_direct_ones():
    names = [
        normal(line.split("==")[0])
        for line in (ROOT / "requirements.lock").read_text().splitlines()
        if "==" in line
    ]
    assert len(names) == len(set(names))
    assert direct() - set(names) == set()


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    pins = {
        normal(name): version
        for name, version in (line.split("==") for line in pip if line != "-e .")
    }
    assert direct() == set(pins)
    assert {name: locked().get(name) for name in pins} == pins


def test_every_import_of_the_library_is_a_dependency():
    owners, declared = (
        packages_distributions(),
        direct(extras=False),
    )  # extras are for tests and development
    used = (
        {name for path in PACKAGE.rglob("*.py") for name in outside(path)}
        - set(stdlib_module_names)
        - {"locolib"}
    )
    unknown = {
        name for name in used if not {normal(owner) for owner in owners.get(name, [])} & declared
    }
    assert unknown == set()


# --- imports


def outside(path: Path) -> set[str]:
    """Top-level names of the absolute imports in a file, deferred ones too."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in plain | named}


def room_of(module: str) -> str:
    """The room of a module below locolib: its first name, of an experiment the first two."""
    return ".".join(module.split(".")[: 2 if module.startswith("experiments.") else 1])


def inside(path: Path, package: Path = PACKAGE) -> set[str]:
    """The modules of locolib that a file imports, wherever the import stands: in a function it counts as well."""
    found: set[str] = set()
    here = (package.name, *path.relative_to(package).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = [*here[: len(here) - node.level + 1]] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.removeprefix("locolib.") for name in names if name.startswith("locolib.")}
    return found


def module_of(path: Path, package: Path = PACKAGE) -> str:
    return ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")


def graph() -> dict[str, set[str]]:
    """Room -> the rooms that it imports."""
    rooms = {room for floor in FLOORS for room in floor}
    edges: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        room = room_of(module_of(path))
        edges.setdefault(room, set()).update(
            {other for name in inside(path) if (other := room_of(name)) in rooms} - {room}
        )
    return edges


def test_reading_of_imports(tmp_path):
    """The check itself sees every way to write an import."""
    package = tmp_path / "locolib"
    (package / "experiments" / "editing").mkdir(parents=True)
    deep, flat = package / "experiments" / "editing" / "a.py", package / "b.py"
    deep.write_text(
        "from ...drawing.layers import a\nfrom ... import study, UserError\nfrom ..locogen import b\nimport locolib.store"
    )
    flat.write_text(
        "def f():\n    from . import prompts\n    from locolib import scores\n    from locolib.drawing.text import x\n"
    )
    assert inside(deep, package) == {
        "drawing.layers.a",
        "study",
        "UserError",
        "experiments.locogen.b",
        "store",
    }
    assert inside(flat, package) == {"prompts", "scores", "drawing.text.x"}
    assert (
        room_of(module_of(deep, package)) == "experiments.editing"
        and room_of("drawing.layers.a") == "drawing"
    )


def test_the_top_of_the_library_is_seen_at_one_look():
    top = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(top) <= 12, sorted(top)


def test_every_room_has_a_floor():
    assert set(graph()) - {room for floor in FLOORS for room in floor} == {
        "__init__",
        "experiments.__init__",
    } & set(graph()) | {"experiments"} & set(graph())
    assert graph().get("__init__", set()) == set(), (
        "locolib/__init__.py is imported by all, so it imports none"
    )


def test_imports_run_downward():
    floor = {room: i for i, rooms in enumerate(FLOORS) for room in rooms}
    wrong = [
        f"{user} imports {used}"
        for user, all_used in graph().items()
        if user in floor
        for used in all_used
        if floor[used] >= floor[user]
    ]
    assert sorted(wrong) == []


@pytest.mark.parametrize("room", ["locogen", "tracing", "editing", "neurons", "deepfloyd", "human"])
def test_every_experiment_has_the_same_three_doors(room):
    """The method is there without its telling: it imports no report, no figures, no claims."""
    folder = PACKAGE / "experiments" / room
    names = {path.stem for path in folder.glob("*.py")}
    assert set(DOORS) <= names
    told = {name for name in names if any(door in name.split("_") for door in DOORS)} | (
        {"paper", "rates", "strips"} & names
    )
    for path in folder.glob("*.py"):
        if path.stem not in {*told, "__init__"}:
            used = inside(path)
            assert not [
                name
                for name in used
                if name.split(".")[0] in ("claims", "figures")
                or name.startswith(f"experiments.{room}.")
                and name.split(".")[2] in told
            ], path.name


def test_only_the_command_line_knows_the_organisms():
    assert {user for user, used in graph().items() if "organisms" in used} - {"__main__"} == set()


def test_imports_have_no_cycle():
    """Nor between modules: a newcomer can read them from the bottom up."""
    modules = {module_of(path): path for path in PACKAGE.rglob("*.py")}

    def module(name: str) -> str:
        return name if name in modules else name.rpartition(".")[0]

    edges = {
        one: {module(name) for name in inside(path)} & set(modules) - {one}
        for one, path in modules.items()
    }
    list(TopologicalSorter(edges).static_order())  # raises CycleError, which names the modules


def test_no_function_is_longer_than_sixty_lines():
    """The trainings are left as they were when the bundled models were made."""
    paths = [path for path in PACKAGE.rglob("*.py") if "organisms" not in path.parts]
    nodes = ((path.name, node) for path in paths for node in ast.walk(ast.parse(path.read_text())))
    functions = [(name, node) for name, node in nodes if isinstance(node, ast.FunctionDef)]
    assert [
        f"{name}: {node.name}" for name, node in functions if node.end_lineno - node.lineno >= 60
    ] == []


# --- what is kept in git


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.name
)
def test_notebooks_hold_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    assert [
        i for i, cell in enumerate(cells) if cell.get("outputs") or cell.get("execution_count")
    ] == []


def test_nothing_tracked_is_a_pickle():
    """Loading must not run code: neither plain pickles, nor PyTorch's archives, nor object arrays."""

    def suspicious(path: Path) -> bool:
        data = path.read_bytes()
        return (
            path.suffix in {".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib"}
            or bool(re.match(rb"\x80[\x02-\x05]", data) and data.endswith(b"."))
            or (data.startswith(b"PK") and b"data.pkl" in data)
            or (data.startswith(b"\x93NUMPY") and b"'|O'" in data[:200])
        )

    assert [str(path.relative_to(ROOT)) for path in tracked() if suspicious(path)] == []


def test_sprites_and_configurations_are_packaged():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]["locolib.organisms"]
    folder = PACKAGE / "organisms"
    packaged = {path for pattern in data for path in folder.glob(pattern)}
    assert packaged == {
        path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}
    }


# --- Makefile


def test_every_target_has_a_help_text():
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z][a-z-]*):(?!=)(.*)$", text, flags=re.M)
    assert {"env", "study", "test", "book", "serve", "lab", "clean", "train"} <= {
        name for name, _ in targets
    }
    assert [name for name, rest in targets if not re.search(r"## \S", rest)] == []
    phony = set(re.search(r"^\.PHONY: (.*)$", text, flags=re.M)[1].split())
    assert phony == {name for name, _ in targets}


def test_the_container_and_binder_run_what_there_is():
    """Their steps, which other machines run: targets of the Makefile, files of the repository, commands that are installed."""
    docker = (ROOT / "Dockerfile").read_text()
    targets = re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), flags=re.M)
    assert set(re.findall(r"^RUN make (\S+)", docker, flags=re.M)) <= set(targets)
    assert re.findall(r"CMD \[\"\.venv/bin/(\w+)", docker) == ["jupyter"]
    assert "jupyterlab" in locked()
    steps = (ROOT / ".binder" / "postBuild").read_text()
    assert all((ROOT / name).exists() for name in re.findall(r"-r (\S+)", steps))
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert not {path.relative_to(ROOT).parts[0] for path in tracked()} & set(ignored)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    runs = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert {line.split()[1] for line in runs} <= set(targets)
