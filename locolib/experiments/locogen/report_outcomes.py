"""When LocoGen's pages say that a claim held, did not hold, or is not settled; `rates` measures how often that is wrong."""

from ...claims import FAILED, HELD, OPEN, settled
from ...scores import CONTROLS, highest
from .comparing import Answer, Beside, controls, nested, share_elsewhere
from .dependence import Dependence
from .layer_sets import Window


def agreement(localised: bool, verdict: str, known: Beside) -> str:
    """Whether the paper's window agrees with the answer: held, did not hold, or not settled.

    Held: something is localised, and the paper's window holds it, lies in it, or controls as well.  Did not hold: the paper's
    window is shown not to control, and what is localised lies elsewhere (or nothing is, in windows of any size).
    """
    if localised and (known.nested or known.controls):
        return HELD
    if known.fails and (localised or verdict == "not localised"):
        return FAILED
    return OPEN


def exact(localised: bool, found: Window, verdict: str, known: Beside) -> str:
    """Whether a planted window was found: exactly, at the smallest m.  A tie of the same size is neither right nor wrong, and is said."""
    if localised and found == known.window:
        return HELD
    tie = len(found) == len(known.window) and known.controls
    return FAILED if verdict == "not localised" or (localised and not tie) else OPEN


def nowhere(verdict: str) -> str:
    """Whether LocoGen said so where no window has the attribute."""
    return {"not localised": HELD, "localised": FAILED}.get(verdict, OPEN)


def same_place(one: Answer, other: Answer) -> str:
    """Whether two models keep an attribute in the same place (OpenJourney's and SD-v1-5's do, Section 5.2).

    Held: both are localised, and the windows are nested, or each controls in the other model too.  Did not hold: both are
    localised, they are not nested, and each is shown not to control in the other model.
    """
    if not (one.done.localised and other.done.localised):
        return OPEN
    if nested(one.done.found, other.done.found):
        return HELD
    there, back = share_elsewhere(other.done, one), share_elsewhere(one.done, other)
    if all(part is not None and controls(part.value, part.low) for part in (there, back)):
        return HELD
    failed = all(part is not None and part.high < CONTROLS for part in (there, back))
    return FAILED if failed else OPEN


def smallest(answer: Answer, m: int) -> str:
    """Whether `m` is the fewest layers that control (App. G): held where the search stops there.

    Did not hold: it stops before, or later although all windows of m layers surely stay below CONTROLS.
    """
    done = answer.done
    if done.localised and done.m <= m:
        return HELD if done.m == m else FAILED
    of_size = [one for one in answer.sweeps if one.m == m]
    if of_size and of_size[0].proposed is None and highest([of_size[0].effects]) < CONTROLS:
        return FAILED
    return OPEN


def dependence(found: Dependence) -> str:
    """Whether the place depends on the value.

    Did not hold: for every value the window that the other values choose surely has more than half of the effect.  Held: some
    value has less there, values have windows of their own, and they differ more than the prompts of one value do.
    """
    return settled(found.apart and not found.same, found.same)
