"""The families beside Stable Diffusion: what SDXL and DeepFloyd IF do with text, guidance and pictures."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from .shapes import Images, Latents
from .wrapper import Encoded, Model, to_images


@dataclass(frozen=True, kw_only=True)
class StableDiffusionXL(Model):
    """Two text encoders side by side, penultimate layer of each; the second one's pooled text bypasses the layers."""

    parts: ClassVar[tuple[str, ...]] = ("unet", "text_encoder", "text_encoder_2", "vae")
    upcast: ClassVar[bool] = True

    def _encode(self, prompts: list[str]) -> Encoded:
        """Both encoders' states, concatenated; all zeros for the empty prompt where the model was trained so."""
        pipeline, states = self.pipeline, []
        for tokenizer, encoder in (
            (pipeline.tokenizer, pipeline.text_encoder),
            (pipeline.tokenizer_2, pipeline.text_encoder_2),
        ):
            out = encoder(self.tokenized(tokenizer, prompts).input_ids, output_hidden_states=True)
            states.append(out.hidden_states[-2])
        told = torch.tensor(
            [float(bool(p) or not pipeline.config.force_zeros_for_empty_prompt) for p in prompts],
            device=self.device,
            dtype=self.dtype,
        )
        return Encoded(
            states=torch.cat(states, dim=-1).to(told) * told[:, None, None],
            pooled=out.text_embeds.to(told) * told[:, None],
        )

    def conditions(self, pooled: Tensor | None) -> dict[str, Any]:
        """Pooled text [rows, width], and the sizes that SDXL is told: uncropped, of its own size."""
        assert pooled is not None  # its encoders always pool
        sizes = torch.tensor(
            [[self.side, self.side, 0, 0, self.side, self.side]],
            dtype=pooled.dtype,
            device=pooled.device,
        )
        return {
            "encoder_hidden_states": None,
            "added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes.expand(len(pooled), -1)},
        }


@dataclass(frozen=True, kw_only=True)
class DeepFloyd(Model):
    """T5 (bidirectional), pixels instead of latents, a learned variance, DDPM with dynamic thresholding.

    Its layers read states behind `encoder_hid_proj`; what T5 itself gives is pooled by the UNet (`addition_embed`).
    """

    sampler: ClassVar[str] = (
        "ddpm"  # its scheduler takes the learned variance; noise of each step is the row's own
    )
    parts: ClassVar[tuple[str, ...]] = ("unet", "text_encoder")

    @property
    def tokens(self) -> int:
        return 77  # T5's tokenizer names no length that IF was trained with; its pipeline fixes this one as well

    def spelt(self, text: str, tokenizer: Any = None) -> str:
        return (
            text.lower().strip()
        )  # without `clean_caption`, whose regular expressions delete words such as "r2d2"

    def _encode(self, prompts: list[str]) -> Encoded:
        ids = self.tokenized(self.tokenizer, prompts)
        states = self.pipeline.text_encoder(ids.input_ids, attention_mask=ids.attention_mask)[0]
        states = states.to(self.dtype)
        # where T5 makes the UNet wait on the CPU, this small part of it comes alone
        return Encoded(states=self.unet.encoder_hid_proj.to(self.device)(states), pooled=states)

    def conditions(self, pooled: Tensor | None) -> dict[str, Any]:
        return {"encoder_hidden_states": pooled}

    def noise_of(self, predicted: Tensor) -> Tensor:
        """The noise, without the variance behind it."""
        return predicted.chunk(2, dim=1)[0]

    def guide(self, predicted: Tensor, guidance: float) -> Tensor:
        """Guides the noise; the variance is the conditional branch's."""
        noise, variance = predicted.chunk(2, dim=1)
        kept = [super().guide(noise, guidance)]
        if self.pipeline.scheduler.config.variance_type in ("learned", "learned_range"):
            kept.append(variance[-len(kept[0]) :])
        return torch.cat(kept, dim=1)

    def decode(self, latents: Latents) -> Images:
        """Its latents are the pixels."""
        return to_images(latents, self.name)


FAMILIES: dict[str, type[Model]] = {
    "StableDiffusionPipeline": Model,
    "StableDiffusionXLPipeline": StableDiffusionXL,
    "IFPipeline": DeepFloyd,
}
