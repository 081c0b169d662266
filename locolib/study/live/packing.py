"""Weights in few bytes: 8 bits with a scale for each block of numbers, 16 bits where there are few.

A file of weights is a concatenation of tensors in the graph's order.  `kinds` of the manifest says how each is
stored; the page's `weights.js` reads the same format.  Files travel as gzip (`zipped`), which `files.js` unpacks.
"""

import gzip
from collections.abc import Iterable, Sequence

import numpy as np

BLOCK = 64  # numbers that share a scale
FEW = 2048  # tensors below this size, biases and norms mostly, keep 16 bits
HALF, BYTE = 0, 1  # kinds
LARGEST = 65504.0  # of float16


def kind_of(array: np.ndarray, bits: int) -> int:
    """How a tensor is stored: `BYTE` only where that is asked for and it is large."""
    return BYTE if bits == 8 and array.size >= FEW else HALF


def packed(array: np.ndarray, kind: int) -> bytes:
    """A float32 tensor as bytes, of even length.

    What is beyond float16, such as a mask's minus infinity, becomes its largest number.
    `HALF` is float16.  `BYTE` is a float16 scale for each `BLOCK` numbers, then the numbers as int8.
    """
    flat = np.ascontiguousarray(array, dtype="<f4").ravel().clip(-LARGEST, LARGEST)
    if kind == HALF:
        return flat.astype("<f2").tobytes()
    blocks = np.pad(flat, (0, -len(flat) % BLOCK)).reshape(-1, BLOCK)
    scales = (np.abs(blocks).max(1) / 127).astype("<f2")
    # a scale that float16 rounds to 0 stores zeros
    divisor = np.where(scales > 0, scales.astype("<f4"), np.inf)[:, None]
    levels = np.clip(np.rint(blocks / divisor), -127, 127).astype("i1").ravel()[: len(flat)]
    return scales.tobytes() + levels.tobytes() + b"\0" * (len(flat) % 2)


def unpacked(data: bytes, count: int, kind: int) -> np.ndarray:
    """The float32 numbers [count] of `packed`; what follows them in `data` is not read."""
    if kind == HALF:
        return np.frombuffer(data, "<f2", count).astype("<f4")
    blocks = -(-count // BLOCK)
    scales = np.frombuffer(data, "<f2", blocks).astype("<f4")
    levels = np.frombuffer(data, "i1", count, 2 * blocks).astype("<f4")
    return levels * np.repeat(scales, BLOCK)[:count]


def length(count: int, kind: int) -> int:
    """Bytes of a packed tensor of so many numbers."""
    return 2 * count if kind == HALF else 2 * -(-count // BLOCK) + count + count % 2


def file(arrays: Sequence[np.ndarray], bits: int) -> tuple[bytes, list[tuple[int, int]]]:
    """A file of weights, and (numbers, kind) of each tensor in it."""
    kinds = [(array.size, kind_of(array, bits)) for array in arrays]
    return b"".join(packed(array, kind) for array, (_, kind) in zip(arrays, kinds)), kinds


def zipped(data: bytes) -> bytes:
    """A file as the site holds it, under its name and ".gz": equal ones become equal bytes."""
    return gzip.compress(data, 9, mtime=0)


def read(data: bytes, kinds: Iterable[tuple[int, int]]) -> list[np.ndarray]:
    """The numbers of each tensor of a file."""
    found, at = [], 0
    for count, kind in kinds:
        found.append(unpacked(data[at:], count, kind))
        at += length(count, kind)
    return found
