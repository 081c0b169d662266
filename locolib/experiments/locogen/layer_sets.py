"""Sets of layers: windows of adjacent ones (Algorithm 1), and how they are called."""

from collections.abc import Sequence

from ... import UserError

Window = tuple[int, ...]


def windows(layers: int, m: int, starts: Sequence[int] = ()) -> list[Window]:
    """All M - m + 1 windows of exactly m adjacent layers, or those that begin at `starts`."""
    if not 1 <= m <= layers:
        raise UserError(
            f"m must be from 1 to {layers}, the number of cross-attention layers of this model, not {m}."
        )
    return [tuple(range(start, start + m)) for start in starts or range(layers - m + 1)]


def label(altered: Window) -> str:
    """A layer set in words: "8-9", "3", "0,4-5", "" for none."""
    runs: list[list[int]] = []
    for layer in altered:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def labelled(text: str) -> Window:
    """The layers that a `label` names: (0, 4, 5) of "0,4-5".

    Raises:
        ValueError: it is none.
    """
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return tuple(layer for part in ends for layer in range(part[0], part[-1] + 1))


def window_label(start: int, m: int) -> str:
    """The `label` of the window of m layers from `start`."""
    return label(tuple(range(start, start + m)))
