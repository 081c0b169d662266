"""What the pages on editing claim: each a statement that can be false, judged by a rule of `report_rules` whose errors `rates` measures.

The paper's claims are judged by the paper's edit (its token, its wording) alone; those of edits with our choices are ours.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...claims import OPEN, Claim, above, settled
from ...scores import interval, mean
from . import report_rules
from .informing import Informed, Lead
from .judging import GONE, KEPT, MOVED
from .locoedit import LAMBDA, SPARES
from .report import percent, points, told
from .specificity import APART, DIFFQUICKFIX, EVERY, OURS, PAPER
from .trials import ALL_ALTERED, ALTERED

OF_THE_PAPER = (DIFFQUICKFIX, "Concept Ablation", "ESD-x")  # App. I's other methods
# Table 1 of the paper, of another scorer: CLIP-Score of 320 generic prompts; App. L does not name the model.
TABLE_1 = {
    "no edit": {"style": 30.04, "object": 30.04},
    DIFFQUICKFIX: {"style": 29.61, "object": 29.32},
    PAPER: {"style": 29.99, "object": 29.40},
}


def removes(who: str, at: pd.DataFrame, name: str, what: str, section: str) -> Claim:
    """Fig. 8's claim of one edit (a row of `trials.Trial.tried`, by name): against the clean model, and the target is seen."""
    edited, altered = at.loc[name], at.loc[ALTERED]
    return Claim(
        text=f"{who}: {what} moves the score as it should, by what matters, and the target is seen",
        section=section,
        number=f"{interval(edited, 'points')} points ({points(edited.matters)} matter)",
        control=f"target seen in {interval(edited, 'target')} of the images, {interval(altered, 'target')} after altering the same layers",
        outcome=report_rules.works(edited, altered),
    )


def of_edits(who: str, table: pd.DataFrame) -> list[Claim]:
    """Fig. 8 of the paper's edit and of ours, and whether the place mattered (a table of `comparisons.controls` or `tried`)."""
    at = table.set_index("name")
    paper, apart = at.loc[PAPER], at.loc[APART]
    edits = (
        (PAPER, "the paper's edit of the located layers", "6.2, Fig. 8"),
        (OURS, "the edit with our tokens and wording", "ours"),
        (SPARES, "the edit that spares", "ours"),
    )
    found = [removes(who, at, *edit) for edit in edits if edit[0] in at.index]
    found += [
        Claim(
            text=f"{who}: the paper's edit does more at the located layers than at random windows",
            section="6.2 (the control is ours)",
            number=f"{report_rules.more_share(paper, apart, at.loc[ALL_ALTERED])} of altering all layers",
            control=f"located {interval(paper, 'of all')}, random {interval(apart, 'of all')}",
            outcome=above(report_rules.more_share(paper, apart, at.loc[ALL_ALTERED])),
        ),
        Claim(
            text=f"{who}: the subject's last token is the one to edit, and does what altering the layers does",
            section="6.1",
            number=f"share {interval(paper)}",
            control=f"our tokens {interval(at.loc[OURS])}" if OURS in at.index else "",
            outcome=report_rules.enough(paper),
        ),
    ]
    return found + ([_local(who, paper, at.loc[EVERY])] if EVERY in at.index else [])


def _local(who: str, located: pd.Series, everywhere: pd.Series) -> Claim:
    """App. F, unit by unit: where both always show the target nothing can be said."""
    gained = report_rules.difference(located, everywhere, "hits")
    return Claim(
        text=f"{who}: editing the located layers shows the target more often than editing all layers",
        section="6.2, App. F",
        number=f"{gained} of the images",
        control=f"located {interval(located, 'target')}, all layers {interval(everywhere, 'target')}",
        outcome=above(gained),
    )


def of_windows(
    whos: Mapping[str, str], leads: Mapping[str, Lead], together: Informed | None
) -> list[Claim]:
    """Whether localisation informs editing, window by window and as a whole."""
    section = "ours (asked as Hase et al. did)"
    found = [
        Claim(
            text=f"{whos[attribute]}: no window elsewhere is better to edit than the one where LocoGen localises",
            section=section,
            number=f"lead {lead.lead} over {lead.rival}",
            control=f"best of all windows: {lead.best}, located: {lead.located}",
            outcome=report_rules.leads(lead.each, lead.corrected),
        )
        for attribute, lead in leads.items()
    ]
    if together:
        found.append(
            Claim(
                text="editing works where LocoGen localises: its effect of a window explains most of the edit's",
                section=section,
                number=f"R2 {together.explained}",
                control=f"as high when turned round: p = {together.p:.3f}",
                outcome=report_rules.informs(together),
            )
        )
    return found


def of_lambda(who: str, table: pd.DataFrame, tried: pd.DataFrame) -> Claim:
    """App. H of the paper's edit (a table of `comparisons.by_lambda`)."""
    altered = tried.set_index("name").loc[ALTERED]
    losses = report_rules.losses_of(table, altered, LAMBDA)
    worst = min(losses, key=lambda value: losses[value].value)
    return Claim(
        text=f"{who}: no other lambda comes nearer to altering the layers than {LAMBDA:g}",
        section="App. H",
        number=f"nearer by {losses[worst]} points than lambda {worst:g}",
        control=f"{points(table.matters.iloc[0])} points matter",
        outcome=report_rules.best_of(table, altered, LAMBDA),
    )


def of_methods(attribute: str, who: str, table: pd.DataFrame) -> Claim:
    """App. I, Fig. 57a: as much as the others for styles, less for objects, more for facts, by paired differences."""
    at = table.set_index("name")
    others = [name for name in OF_THE_PAPER if name in at.index]
    found = {name: report_rules.difference(at.loc[PAPER], at.loc[name]) for name in others}
    matters = float(at.loc[PAPER].matters)
    says, outcomes = {
        "style": ("as much as", [report_rules.comparable(one, matters) for one in found.values()]),
        "object": ("less than", [settled(one.high < 0, one.low > 0) for one in found.values()]),
        "fact": ("more than", [above(one) for one in found.values()]),
    }[attribute]
    return Claim(
        text=f"{who}: LocoEdit moves the score {says} {', '.join(others)}",
        section="App. I, Fig. 57a",
        number=f"{found[others[0]]} points more than {others[0]}",
        control="; ".join(f"{name} {found[name]}" for name in others[1:])
        or f"{points(matters)} points matter",
        outcome=report_rules.all_of(outcomes),
    )


def of_generic(attribute: str, who: str, generic: pd.DataFrame) -> list[Claim]:
    """App. L's claims of the paper's edit: it does no harm, and less than DiffQuickFix (of a table of `unrelated.generic`)."""
    at = generic.set_index("name")
    row, other = at.loc[PAPER], at.loc[DIFFQUICKFIX]
    less = mean(np.subtract(row.scores, other.scores))

    def theirs(name: str) -> str:
        if attribute not in TABLE_1[name]:
            return ""
        clean = TABLE_1["no edit"][attribute]
        return f"; the paper's {100 * (TABLE_1[name][attribute] - clean) / clean:.2f}% of its own clean score, another scorer's"

    found = [
        Claim(
            text=f"{who}: LocoEdit does not harm generic prompts",
            section="App. L, Table 1",
            number=f"{percent(interval(row, 'relative'))} percent of the clean score",
            control=f"{interval(row, 'difference')} points, of which {points(row.matters)} matter; {row['of whole']:.2f} of what altering all layers "
            f"does to the edited value{theirs(PAPER)}",
            outcome=report_rules.not_less(interval(row, "difference"), row.matters),
        ),
        Claim(
            text=f"{who}: LocoEdit harms generic prompts less than DiffQuickFix",
            section="App. L, Table 1",
            number=f"{less} points less",
            control=f"DiffQuickFix {percent(interval(other, 'relative'))} percent of the clean score{theirs(DIFFQUICKFIX)}",
            outcome=above(less),
        ),
    ]
    return found if attribute in TABLE_1[PAPER] else found[:1]


def of_specificity(who: str, summed: pd.DataFrame) -> list[Claim]:
    """Whether LocoEdit, as the paper has it and sparing, removes what it should and leaves the rest alone: bars of `judging`."""
    at = summed.set_index("name")
    bars = (
        ("gone", f"removes the edited value (from at least {GONE} of the pictures)", GONE, 1),
        ("kept", f"keeps the other values (in at least {KEPT} of the pictures)", KEPT, 1),
        (
            "moved",
            f"leaves generic pictures alone (moved by at most {MOVED:g} of 255 levels)",
            MOVED,
            -1,
        ),
    )
    found = []
    for name, section, control in (
        (PAPER, "6.2; asked of other values by us", OURS),
        (SPARES, "ours", PAPER),
    ):
        for column, what, bar, sign in bars if "moved" in summed else bars[:2]:
            row, other = at.loc[name], at.loc[control]
            ends = sorted(sign * row[f"{column}_{end}"] for end in ("low", "high"))
            found.append(
                Claim(
                    text=f"{who}: {name} {what}",
                    section=section,
                    number=told(row, column, ".2f"),
                    control=f"{control} {told(other, column, '.2f')}",
                    outcome=settled(ends[0] >= sign * bar, ends[1] < sign * bar)
                    if np.isfinite(ends).all()
                    else OPEN,
                )
            )
    return found
