"""What a page's numbers were computed with: its foot."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pandas as pd

from ..claims import commit
from ..drawing.provenance import device, processor, versions
from ..experiments import locogen
from ..models import Model, load_scorer
from ..models.chosen import said_of
from ..store import Store

DIGITS = 10  # of a hash: with more of them the table of five models would be wider than its page


def provenance(model: Model, asked: Any, store: Store, *, seeds: Sequence[int] = ()) -> pd.Series:
    """What a page was computed with: its foot.  `seeds` are those of the images where the page does not sweep."""
    if seeds:
        used = f"{seeds[0]} to {seeds[-1]}, one for each image"
    else:
        used = f"{asked.seeds} of each prompt, from {locogen.SEED} on; each further prompt begins {locogen.SEED} higher"
    digits, _, changed = commit().partition("+")
    plus = f"+{changed}" if changed else ""
    facts = {
        "model": model.spec.title,
        "source": model.source,
        "weights": model.fingerprint[:DIGITS],
        **({"source": said_of(model.name)} if said_of(model.name) else {}),
        "scorer": load_scorer(model.spec.scorer).name,
        "seeds": used,
        "sampler": model.sampler.upper(),
        "steps": asked.settings.steps,
        "guidance": asked.settings.guidance,
        "prompts": getattr(asked, "prompts", 0) or "all",
        "device": device(model),
        "precision": model.precision,
        "processor": processor(),
        "date": date.today().isoformat(),
        "commit": f"{digits[:DIGITS]}{plus}",
    }
    if store.used:
        facts["minutes of generating and scoring, when it was done"] = round(
            sum(run["minutes"] for run in store.used.values()), 1
        )
    if origins := {str(run["origin"]) for run in store.used.values() if run.get("origin")}:
        facts["results that were"] = "; ".join(sorted(origins))
    return pd.Series(facts | versions(), name="value")
