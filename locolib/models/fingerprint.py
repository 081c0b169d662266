"""What determines a number: weights, as a short name that is true whenever it is asked for."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

SAMPLE = 16  # values of a tensor that are looked at each time

# What is known of each module's tensors: name -> (stamp, hash).
_KNOWN: WeakKeyDictionary[nn.Module, dict[str, tuple["_Stamp", bytes]]] = WeakKeyDictionary()
_Stamp = tuple[int, int, str, torch.dtype, tuple[int, ...], bytes]


def fingerprint(parts: Iterable[nn.Module], settings: str = "") -> str:
    """16 hex digits of the weights of `parts`, in order, of the adapters on them, and of what else counts.

    Only tensors that have changed since the last time are hashed again.  A change is seen by where a tensor lies, by its
    count of in-place writes, and by `SAMPLE` of its values, because a write through ``.data`` is not counted: one that
    misses all of these values is the only change that stays unseen.
    """
    digest = hashlib.sha256()
    for part in parts:
        known = _KNOWN.setdefault(part, {})
        weights = sorted(part.state_dict(keep_vars=True).items())
        for (name, weight), stamp in zip(weights, _stamps([weight for _, weight in weights])):
            if name not in known or not _same(known[name][0], stamp):
                known[name] = stamp, _hash(weight)
            else:
                known[name] = stamp, known[name][1]
            digest.update(name.encode() + str(tuple(weight.shape)).encode() + known[name][1])
        digest.update(repr(_adapters(part)).encode())
    digest.update(settings.encode())
    return digest.hexdigest()[:16]


def _hash(weight: Tensor) -> bytes:
    raw = weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return hashlib.sha256(raw.tobytes()).digest()


def _stamps(weights: Sequence[Tensor]) -> list[_Stamp]:
    """What is cheap to look at of each tensor; their values are fetched from a device in one go."""
    samples = [_sample(weight) for weight in weights]
    kinds: dict[tuple[torch.device, torch.dtype], list[int]] = {}
    for i, sample in enumerate(samples):
        kinds.setdefault((sample.device, sample.dtype), []).append(i)
    seen: dict[int, bytes] = {}
    for (_, kind), here in kinds.items():
        raw = torch.cat([samples[i] for i in here]).cpu().view(torch.uint8).numpy().tobytes()
        at = 0
        for i in here:
            size = len(samples[i]) * kind.itemsize
            seen[i] = raw[at : at + size]
            at += size
    return [
        (
            weight.data_ptr(),
            0 if weight.is_inference() else weight._version,
            str(weight.device),
            weight.dtype,
            tuple(weight.shape),
            seen[i],
        )
        for i, weight in enumerate(weights)
    ]


def _sample(weight: Tensor) -> Tensor:
    """Values of a tensor, spread over its memory; none of a tensor without memory."""
    weight = weight.detach()
    count = min(SAMPLE, weight.numel())
    if weight.is_meta or not count:
        return torch.zeros(0, dtype=torch.uint8)
    step = max(1, weight.numel() // count)
    if weight.is_contiguous() or (
        weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
    ):
        return weight.as_strided((count,), (step,))
    return weight.flatten()[::step][:count]


def _same(before: _Stamp, now: _Stamp) -> bool:
    """Whether a tensor is as it was; one that was moved to another device lies elsewhere and is."""
    return (
        before[1] == now[1]
        and before[3:] == now[3:]
        and (before[0] == now[0] or before[2] != now[2])
    )


def _adapters(part: nn.Module) -> list[Any]:
    """Which adapters act on a module and how much: no weight says it."""
    if not getattr(part, "peft_config", None):
        return []
    return [
        (
            name,
            *(getattr(module, what) for what in ("active_adapters", "scaling", "disable_adapters")),
        )
        for name, module in part.named_modules()
        if hasattr(module, "merged_adapters") and hasattr(module, "scaling")
    ]


def settings(pipeline: Any) -> str:
    """What determines a pipeline's images beside its weights: schedule, scale of the latents, tokens that were added."""
    scheduler, vae = pipeline.scheduler, getattr(pipeline, "vae", None)
    tokenizers = [getattr(pipeline, name, None) for name in ("tokenizer", "tokenizer_2")]
    return repr(
        (
            type(scheduler).__name__,
            sorted((k, str(v)) for k, v in scheduler.config.items() if not k.startswith("_")),
            [vae and vae.config.get(k) for k in ("scaling_factor", "latents_mean", "latents_std")],
            pipeline.config.get("force_zeros_for_empty_prompt"),
            [sorted(one.added_tokens_encoder.items()) for one in tokenizers if one is not None],
        )
    )
