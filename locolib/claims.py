"""Claims: what the paper says, what was measured of it, beside what control, and whether it held.

A page keeps its claims in the store when it is run; the ledger's page (`study.ledger`) reads what is kept, and types nothing.
"""

import os
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from huggingface_hub import try_to_load_from_cache

from . import Notice
from .models import MODELS, ORGANISMS, Model, Spec, find
from .models.chosen import said_of, source_of
from .scores import Interval
from .store import Store, digest, read_bytes, sealed, unsealed

HELD, FAILED, OPEN = OUTCOMES = ("held", "did not hold", "not settled")
IN_WORDS = {
    HELD: "The two agree.",
    FAILED: "**The two do not agree.**",
    OPEN: "**This does not settle it.**",
}  # the paper and what is found
COLUMNS = (
    "claim",
    "section",
    "model",
    "page",
    "number",
    "control",
    "outcome",
    "name",
    "weights",
    "commit",
    "origin",
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim and what was measured of it.

    Attributes:
        text: the claim, so that it can be false.
        section: where the paper makes it; "ours" where it is a control or a question of this study.
        number: what was measured, with its 95% interval.
        control: the same of a control: a random window, random neurons, what chance would do.
        outcome: one of OUTCOMES.
    """

    text: str
    section: str
    number: str
    control: str = ""
    outcome: str


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a rule that turns numbers into an outcome is wrong, measured on simulated tables of the size that pages use.

    Attributes:
        rule: its name; `says`: when it says that a claim held, in words.
        null: the world in which the claim is false, and `alternative`: one in which it is true, in words.
        n: units of a table.
        false_positive: how often it says "held" in the null.
        false_negative: how often it does not say "held" in the alternative ("not settled" among them).
        worlds: tables that were simulated of each.
    """

    rule: str
    says: str
    null: str
    alternative: str
    n: int
    false_positive: float
    false_negative: float
    worlds: int


def rate(
    rule: str,
    says: str,
    truths: Mapping[str, float],
    held: Callable[[np.random.Generator, float], bool],
    *,
    n: int,
    worlds: int,
) -> Rate:
    """A rule's error rates, by `worlds` tables of each of two worlds: the first of `truths` is the null, the second the alternative.

    Args:
        held: draws a table of a world with this truth, and asks the rule.
    """
    rng = np.random.default_rng(0)
    found = [float(np.mean([held(rng, true) for _ in range(worlds)])) for true in truths.values()]
    null, alternative = truths
    return Rate(
        rule=rule,
        says=says,
        null=null,
        alternative=alternative,
        n=n,
        false_positive=found[0],
        false_negative=1 - found[1],
        worlds=worlds,
    )


def settled(yes: bool, no: bool) -> str:
    """An outcome from two tests: that it held, and that it did not; where neither is sure it is not settled."""
    return HELD if yes else FAILED if no else OPEN


def above(found: Interval, limit: float = 0.0, *, little: float | None = None) -> str:
    """Whether a value lies above `limit`: its whole interval does, or does not.

    A value that is surely less than what counts as `little` does not, however surely it is above the limit.
    """
    no = found.high < (limit if little is None else max(limit, little))
    return settled(found.low > limit and not no, no)


def listing(claims: Sequence[Claim]) -> str:
    """What held, what did not, and what is open, as an HTML list."""
    items = []
    for outcome in OUTCOMES:
        said = [
            f"{c.text} ({c.number}{f'; {c.control}' if c.control else ''})"
            for c in claims
            if c.outcome == outcome
        ]
        if said or outcome != OPEN:
            items.append(
                f"<li><strong>{outcome.capitalize()}</strong>: {'; '.join(said) or 'nothing'}.</li>"
            )
    return f"<ul>{''.join(items)}</ul>"


def keep(store: Store, page: str, model: str | Model, claims: Sequence[Claim]) -> None:
    """Keep the claims of a page about a model, in the place of those that it kept before, with what they were measured on and by.

    Args:
        model: its name; or itself, as weights that were loaded from elsewhere than the registry says are named by their hash.
    """
    of = model if isinstance(model, str) else model.name
    chosen = "" if isinstance(model, str) or not source_of(of) else model.fingerprint
    content = {
        "page": page,
        "model": of,
        "weights": chosen or weights(find(of)),
        **({"source": said_of(of)} if chosen else {}),
        "commit": commit(),
        "claims": [asdict(claim) for claim in claims],
    }
    path = store.root / "claims" / f"{page}-{of}.json"
    store.write(path, sealed("kept", content, os.fsencode(path.name)))


def kept_in(path: Path) -> dict[str, Any] | None:
    """What `keep` kept in a file; None where it is missing, damaged, or another's: such a page is run again (see `study`)."""
    return unsealed(read_bytes(path), "kept", os.fsencode(path.name))


def weights(spec: Spec) -> str:
    """What names a model's weights: 16 digits of a hash of its bundled files, or the hub's revision; "unknown" where neither is here."""
    if spec.bundled:
        folder = ORGANISMS / spec.sources[0]
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and "training" not in path.relative_to(folder).parts
        )
        parts = [
            part
            for path in files
            for part in (path.relative_to(folder).as_posix(), path.read_bytes())
        ]
        return digest(*parts)[:16] if files else "unknown"
    places = (try_to_load_from_cache(source, "model_index.json") for source in spec.sources)
    return next((Path(place).parent.name for place in places if isinstance(place, str)), "unknown")


def commit() -> str:
    """The commit of this code; "+changes" where tracked files differ from it, "unknown" where the code is in no repository."""
    here = Path(__file__)

    def git(*words: str) -> str | None:
        done = subprocess.run(
            ["git", "--no-optional-locks", *words], cwd=here.parent, capture_output=True, text=True
        )
        return None if done.returncode else done.stdout.strip()

    try:
        if (
            git("ls-files", "--error-unmatch", here.name) is None
        ):  # the repository around an installed copy is another's
            return "unknown"
        return f"{git('rev-parse', 'HEAD') or 'unknown'}{'+changes' if git('status', '--porcelain', '--untracked-files=no') else ''}"
    except OSError:  # there is no git
        return "unknown"


def table(store: Store) -> pd.DataFrame:
    """All claims kept in a store, a row each (`COLUMNS`; the model's title and name), by page, then by model as the registry has them.

    Those that were imported stand beside those of this machine, with their origin.  A damaged file is left out, and a `Notice` says so.
    """
    found = []
    imported = sorted((store.root / "imported").glob("*/claims/*.json"))
    for path in [*sorted((store.root / "claims").glob("*.json")), *imported]:
        if (kept := kept_in(path)) is None:
            warnings.warn(
                f"{path} is damaged, or of an older version: its claims are left out until `make study` runs its page again.",
                Notice,
                stacklevel=2,
            )
            continue
        found.append(kept)
    found.sort(key=lambda kept: (kept["page"], list(MODELS).index(kept["model"])))
    rows = [
        {
            "claim": c["text"],
            "section": c["section"],
            "model": find(kept["model"]).title,
            "page": kept["page"],
            "number": c["number"],
            "control": c["control"],
            "outcome": c["outcome"],
            "name": kept["model"],
            "weights": kept["weights"],
            "commit": kept["commit"],
            "origin": kept.get("origin", ""),
        }
        for kept in found
        for c in kept["claims"]
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
