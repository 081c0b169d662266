"""An archive of results as it must be: a zip of data alone, every file of a known kind and as its list says."""

import hashlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from .. import UserError
from ..claims import OUTCOMES
from ..models import MODELS
from ..store import ENDING, ending, unsealed
from .pages import PAGES

FORMAT = 1
LIST = "archive.json"
FILES = ("table.parquet", "images.txt", "run.json")
PLACES = re.compile(
    r"runs/\w[\w.-]*/(table\.parquet|images\.txt|run\.json)|images/[0-9a-z]{1,64}\.png|claims/\w[\w.-]*\.json"
)
LARGEST = 20 * 2**30  # bytes of an archive's content: a zip may claim to hold more than any disk


def hashed(data: bytes) -> str:
    """What an archive's list says of a file."""
    return hashlib.sha256(data).hexdigest()


def _unpacked(path: Path) -> dict[str, bytes]:
    """The bytes of an archive's files by their places, none of which leads out of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            return {member.filename: archive.read(member) for member in members}
    except UserError:
        raise
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
    except (
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,
        NotImplementedError,
        EOFError,
        ValueError,
    ):
        reason = "it is damaged, or no zip file"
    raise UserError(f"{path} cannot be read ({reason}); get it again. Nothing was imported.")


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse names that no archive of ours has, and sizes that no disk has, before anything is unpacked."""
    places = [member.filename for member in members]
    wrong = [place for place in places if place != LIST and not PLACES.fullmatch(place)]
    if wrong or len(set(places)) < len(places) or LIST not in places:
        odd = f"it holds {wrong[0]!r}" if wrong else "its list of files is missing or doubled"
        raise UserError(f"{path} is no archive of `locolib export`: {odd}; nothing was imported.")
    if sum(member.file_size for member in members) > LARGEST:
        raise UserError(
            f"{path} says that it holds more than {LARGEST / 2**30:.0f} GiB; nothing was imported."
        )


def checked(path: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of an archive, each as it was written, and what its list says of them.

    Raises:
        UserError: it is no archive, damaged, of another version, or holds what no archive of ours does.
    """
    files = _unpacked(path)
    facts = unsealed(files.pop(LIST), "archive", LIST.encode())
    if facts is None:
        raise UserError(
            f"{path} is damaged: its list of files is not as it was written. Nothing was imported."
        )
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise UserError(
            f"{path} was written by another version of locolib; import it with that version."
        )
    if {place: hashed(data) for place, data in files.items()} != facts.get("files"):
        raise UserError(
            f"{path} is damaged: its files are not those that its list names. Nothing was imported."
        )
    if bad := next((place for place, data in files.items() if not _sound(place, data, files)), ""):
        raise UserError(f"{path}: {bad} is not what `locolib export` writes. Nothing was imported.")
    if not all(isinstance(facts.get(name), str) for name in ("by", "device", "date")):
        raise UserError(f"{path} does not say where it comes from. Nothing was imported.")
    return files, facts


def _sound(place: str, data: bytes, files: Mapping[str, bytes]) -> bool:
    """Whether a file of an archive is what its name says."""
    kind, _, rest = place.partition("/")
    if kind == "images":
        at = max(0, len(data) - ENDING)
        return data[:8] == b"\x89PNG\r\n\x1a\n" and data[at:] == ending(Path(rest).stem, data[:at])
    if kind == "claims":
        return claims_in(rest, data) is not None
    name = rest.split("/")[0]
    parts = [files.get(f"runs/{name}/{file}", b"") for file in FILES]
    facts = unsealed(parts[2], "provenance", os.fsencode(name), parts[0], parts[1])
    if not isinstance(facts, dict) or facts.get("model") not in MODELS:
        return False
    try:
        pd.read_parquet(io.BytesIO(parts[0]))
        return not place.endswith("images.txt") or all(map(str.isalnum, data.decode().split()))
    except Exception:  # every reader of tables has its own errors
        return False


def claims_in(name: str, data: bytes) -> dict[str, Any] | None:
    """The claims in a kept file, if all of it can be shown: of a known page and model, with known outcomes."""
    kept = unsealed(data, "kept", name.encode())
    try:
        known = kept["page"] in PAGES and kept["model"] in MODELS
        words = ("text", "section", "number", "control", "outcome")
        plain = all(isinstance(claim[word], str) for claim in kept["claims"] for word in words)
        outcomes = all(claim["outcome"] in OUTCOMES for claim in kept["claims"])
        whole = isinstance(kept["weights"], str) and isinstance(kept["commit"], str)
        return kept if known and plain and outcomes and whole else None
    except (TypeError, KeyError):
        return None
