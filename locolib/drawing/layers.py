"""Cross-attention sites of a UNet in execution order: index, path, block, resolution, K and V (App. D of the paper).

One index is one K/V pair, counted from 0 along the way an image takes: down, mid, up.  (`named_modules()` visits the
middle block last, and App. D counts matrices: its 32 are these 16.)  A published "layer 8" means nothing without this.
"""

from dataclasses import dataclass

from torch import nn

from ..models.attention import is_cross_attention, projections


@dataclass(frozen=True, kw_only=True)
class Site:
    """One place where text enters the UNet.

    Attributes:
        index: position in execution order, from 0.
        path: dotted path of the attention module.
        key, value: dotted paths of the matrices W_K and W_V.
        block: the block's path, such as ``up_blocks.1``.
        scale: side of the feature maps here as a fraction of the UNet's input: 1 / `scale`.
        shape: (out features, text width) of W_K; W_V has the same.
    """

    index: int
    path: str
    key: str
    value: str
    block: str
    scale: int
    shape: tuple[int, int]


def _blocks(unet: nn.Module) -> list[tuple[str, int]]:
    """(path, scale) of the UNet's blocks in execution order; a down block's attention runs before it halves the map."""
    depth = len(unet.down_blocks)
    down = [(f"down_blocks.{i}", 2**i) for i in range(depth)]
    up = [(f"up_blocks.{i}", 2 ** (depth - 1 - i)) for i in range(len(unet.up_blocks))]
    return [*down, ("mid_block", 2 ** (depth - 1)), *up]


def sites(unet: nn.Module) -> tuple[Site, ...]:
    """All cross-attention sites of a UNet, in execution order (App. D, Figs. 41 to 45)."""
    found: list[Site] = []
    for block, scale in _blocks(unet):
        for name, module in unet.get_submodule(block).named_modules():
            path = f"{block}.{name}"
            if is_cross_attention(path, module):
                key, value = projections(path, module)
                found.append(
                    Site(
                        index=len(found),
                        path=path,
                        key=key,
                        value=value,
                        block=block,
                        scale=scale,
                        shape=tuple(unet.get_parameter(f"{key}.weight").shape),
                    )
                )
    return tuple(found)
