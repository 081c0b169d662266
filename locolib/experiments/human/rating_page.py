"""The page on which people rate pairs of images (Section 5.2, App. J): one HTML file with everything in it."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from ...drawing.provenance import provenance
from ...drawing.sampling import Settings, generate, image_keys
from ...figures import data_uri
from ...models import Model, Spec
from ...store import Store, key, write_atomic
from .pairs import QUESTIONS, Pair, Sides, table

TEMPLATE = Path(__file__).with_name("rating.html")


STAND_INS = (
    "In the world of these small models snoopy is a poodle and nemo a striped fish; the british monarch is a queen, "
    "and the president of the united states a younger man. Compare the two images only with each other."
)


def note(specs: Sequence[Spec]) -> str:
    """What raters of pictures of these models should know: of miniatures, which things have stand-ins."""
    return STAND_INS if any(spec.bundled for spec in specs) else STAND_INS.split(". ")[-1]


def render(
    model: Model, pairs: Sequence[Pair], settings: Settings, *, store: Store
) -> dict[str, Sides]:
    """The images [h, w, 3] of one model's pairs, clean and altered, by the pairs' names; kept in the store as a run."""
    mine = [pair for pair in pairs if pair.model == model.name]
    rows = [
        row for side in zip(*(pair.rows() for pair in mine)) for row in side
    ]  # all clean ones first
    keys, started = image_keys(model, rows, settings), monotonic()
    name = f"{model.name}-human_study-{key({'images': keys})[:12]}"
    images = generate(model, rows, settings, store=store, label=f"{model.name} human study")
    if store.run(name) is None:
        facts = provenance(
            model,
            settings,
            prompts=len({pair.number for pair in mine}),
            seeds=sorted({pair.seed for pair in mine}),
            minutes=(monotonic() - started) / 60,
        )
        store.put_run(name, table(mine), facts, keys)
    return {pair.pair: (images[i], images[i + len(mine)]) for i, pair in enumerate(mine)}


def write_page(
    pairs: Sequence[Pair],
    images: Mapping[str, Sides],
    path: Path,
    *,
    known: Path | None = None,
    note: str = STAND_INS,
) -> Path:
    """One HTML file with everything in it (Fig. 58), and the plan of its pairs, which raters must not see.

    Args:
        images: clean and altered image [h, w, 3] of each pair, as `render` returns them.
        known: where the plan goes; default beside the page, as ``NAME.plan.csv``.
        note: what raters should know of the images.
    """
    shown = [
        dict(
            zip(
                ("id", "question", "low", "high", "left", "right"),
                (
                    pair.pair,
                    pair.question,
                    *QUESTIONS[pair.attribute][1:],
                    *map(data_uri, images[pair.pair]),
                ),
            )
        )
        for pair in sorted(pairs, key=lambda pair: pair.pair)
    ]
    name = key({"plan": [pair["id"] for pair in shown]})[
        :10
    ]  # a browser keeps progress under it: two plans do not mix
    study = json.dumps({"study": name, "note": note, "pairs": shown}).replace(
        "<", "\\u003c"
    )  # nothing ends the script element
    # The plan first: no page is sent on whose pairs nobody can tell apart.
    write_atomic(known or path.with_suffix(".plan.csv"), table(pairs).to_csv(index=False).encode())
    write_atomic(path, TEMPLATE.read_text(encoding="utf-8").replace("{{study}}", study).encode())
    return path


def site(store: Store, label: str = "") -> tuple[Path, Path]:
    """Where the page goes so that the book finds it, and its plan, which stays out of the book; `label` tells such pages apart."""
    name = f"rating-{label}" if label else "rating"
    book = Path(os.environ.get("LOCOLIB_BOOK", store.root.parent / "book"))
    return book / "_static" / f"{name}.html", book.parent / f"{name}.plan.csv"
