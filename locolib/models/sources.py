"""Where a checkpoint comes from: a diffusers folder, one file, or the hub at a revision; and whether it is what it was.

No hash is invented: the revision is the commit that the hub's cache holds, or a hash of the files.  It is learnt when a
source is loaded first, kept in ``sources.json`` of the store, and compared whenever the source is loaded again.
"""

import hashlib
import json
import os
import re
import socket
import urllib.request
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import diffusers
from huggingface_hub import HfApi, constants, hf_hub_download, snapshot_download

from .. import Notice, UserError, visible
from ..store import Store, read_bytes, write_atomic

_HUB = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_READ = (".safetensors", ".json", ".txt", ".model")  # what loading reads of a folder
DIGITS = 16  # of a hash of files


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place to load from.

    Attributes:
        kind: a diffusers folder, one safetensors file, or a repository of the hub.
        where: its path, or OWNER/NAME.
        revision: of the hub, as asked for: a branch, a tag or a commit; "" is the newest.
    """

    kind: Literal["folder", "file", "hub"]
    where: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.where}@{self.revision}" if self.revision else self.where


def place(source: str | Path) -> Place:
    """The place that a source names.

    Raises:
        UserError: it is none, or a file whose weights are a pickle.
    """
    path = Path(source).expanduser()
    if path.is_dir() or (path / "model_index.json").exists():
        if not (path / "model_index.json").exists():
            raise UserError(f"{source} is not a diffusers folder: it has no model_index.json.")
        return Place(kind="folder", where=str(path))
    if path.is_file():
        if path.suffix.lower() != ".safetensors":
            raise UserError(
                f"{source} is no safetensors file, and other files can run any program when they are read; "
                "convert it to safetensors, or name another."
            )
        return Place(kind="file", where=str(path))
    if not (named := _HUB.fullmatch(str(source))) or path.is_absolute():
        raise UserError(
            f"{source} is not a diffusers folder (it has no model_index.json), no .safetensors file, and no OWNER/NAME or OWNER/NAME@REVISION of the hub."
        )
    return Place(kind="hub", where=named["id"], revision=named["revision"] or "")


def offline() -> bool:
    """Whether the hub must do without the network: because it was told so, or because nothing answers there."""
    return os.environ.get("HF_HUB_OFFLINE") == "1" or not _answers()


@lru_cache(maxsize=1)
def _answers() -> bool:
    """Whether the hub can be reached: asked once, and for seconds, where its own client would try for half a minute."""
    if urllib.request.getproxies():  # only the client knows its way through a proxy
        return True
    address = urlsplit(constants.ENDPOINT)
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


def configuration(at: Place, part: str, name: str) -> dict[str, Any]:
    """A JSON file of a folder, or of a repository: small, and read before any weights are."""
    if at.kind == "folder":
        return json.loads(Path(at.where, part, name).read_text(encoding="utf-8"))
    found = hf_hub_download(
        at.where,
        f"{part}/{name}" if part else name,
        revision=at.revision or None,
        local_files_only=offline(),
    )
    return json.loads(Path(found).read_text(encoding="utf-8"))


def fetched(at: Place, pipeline: str, without: dict[str, Any]) -> Path:
    """The folder that holds a place's files, downloaded where it must be: the half-precision ones if it has them; no pickle.

    Args:
        pipeline: its class, which alone knows that an image encoder is optional.
        without: what the pipeline is told to do without, and is not downloaded.
    """
    if at.kind == "folder":
        return Path(at.where)
    revision = at.revision or None
    if offline():
        return Path(snapshot_download(at.where, revision=revision, local_files_only=True))
    half = any(
        re.fullmatch(r"unet/.*\bfp16\b.*\.safetensors", file)
        for file in HfApi().list_repo_files(at.where, revision=revision)
    )
    return Path(
        getattr(diffusers, pipeline).download(
            at.where,
            revision=revision,
            use_safetensors=True,
            **({"variant": "fp16"} if half else {}),
            **without,
        )
    )


def revision(at: Place, folder: Path) -> str:
    """What was loaded: the commit of the hub's cache, or a hash of the files, `DIGITS` of it."""
    if at.kind == "hub":
        return folder.resolve().name
    whole = hashlib.sha256()
    for file in [Path(at.where)] if at.kind == "file" else _files(folder):
        with open(file, "rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        name = "" if at.kind == "file" else file.relative_to(folder).as_posix()
        whole.update(f"{name}:{content}\n".encode())
    return whole.hexdigest()[:DIGITS]


def _files(folder: Path) -> list[Path]:
    every = visible(folder.rglob("*"), folder)
    return [path for path in every if path.suffix in _READ and path.is_file()]


def _lasting(at: Place) -> Place:
    """The place by a name that is the same from every working directory."""
    return at if at.kind == "hub" else Place(kind=at.kind, where=str(Path(at.where).resolve()))


def memory() -> Path:
    """The file of the revisions that were learnt."""
    return Store().root / "sources.json"


def _learnt() -> dict[str, dict[str, Any]]:
    try:
        read = json.loads(read_bytes(memory()) or b"{}")
    except ValueError:  # damaged: learnt again
        return {}
    return read if isinstance(read, dict) else {}


def learn(at: Place, found: str) -> None:
    """Keep a source's revision, with a `Notice` where it is not the one of the last time."""
    known, name = _learnt(), str(_lasting(at))
    before = known.get(name, {}).get("revision")
    if before == found:
        return
    if before:
        warnings.warn(
            f"{at} has changed since it was loaded before (it was {before}, it is {found} now): what was computed then is not "
            "taken for it.",
            Notice,
            stacklevel=3,
        )
    with suppress(
        UserError
    ):  # a store that must not be written is said where results are to be kept
        write_atomic(memory(), json.dumps(known | {name: {"revision": found}}, indent=1).encode())
