"""A loaded model: one face for every family, so that no code outside this package knows which kind it holds."""

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import DiffusionPipeline
from torch import Tensor, nn

from .. import Notice, UserError
from ..store import key
from . import memory
from .encoders import encoders
from .fingerprint import fingerprint, settings
from .precision import title
from .registry import Spec
from .shapes import Images, Latents, Noise, TextStates


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Text as a UNet receives it.

    Attributes:
        states: [prompts, tokens, width], what the cross-attention layers read.
        pooled: [prompts, ...] or None, text that bypasses the layers: SDXL's pooled embedding, and the states which
            DeepFloyd pools itself.
    """

    states: TextStates
    pooled: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """A pipeline with what this study needs of it; this class is Stable Diffusion, `families` holds the others.

    Attributes:
        spec: its entry in the registry.
        pipeline: the diffusers pipeline.
        source: what was loaded: NAME@REVISION, a commit of the hub or a hash of the files.
        marks: what else was done to it that its weights and its scheduler's configuration do not tell.
        place: where it computes; None: where its UNet is.  Parts that do not fit there wait on the CPU (`memory.bring`).
    """

    spec: Spec
    pipeline: DiffusionPipeline
    source: str = ""
    marks: tuple[str, ...] = ()
    place: torch.device | None = None
    sampler: ClassVar[str] = "ddim"  # the paper's; named in the key of every image
    parts: ClassVar[tuple[str, ...]] = (
        "unet",
        "text_encoder",
        "vae",
    )  # components whose weights determine an image
    upcast: ClassVar[bool] = False  # whether its decoder overflows in float16

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def fingerprint(self) -> str:
        """Hash of all that determines its images but the request: weights, adapters, schedule, tokens; as they are now."""
        parts = [getattr(self.pipeline, part) for part in self.parts]
        found = fingerprint(parts, settings(self.pipeline))
        return key({"model": found, "marks": self.marks}) if self.marks else found

    @property
    def unet(self) -> nn.Module:
        return self.pipeline.unet

    @property
    def tokenizer(self) -> Any:
        return self.pipeline.tokenizer

    @property
    def tokens(self) -> int:
        """Positions of a prompt that the UNet sees, padding included: a tokenizer may name no limit, its encoder has one."""
        config = self.pipeline.text_encoder.config
        return min(self.tokenizer.model_max_length, config.max_position_embeddings)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.place or self.unet.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of numbers of its UNet, and of keys, values and pooled text."""
        return next(self.unet.parameters()).dtype

    @property
    def precision(self) -> str:
        """Its types of numbers in words: the UNet's, and the decoder's where that is another one."""
        vae = getattr(self.pipeline, "vae", None)
        own = self.dtype if vae is None else vae.dtype
        return title(self.dtype) + ("" if own == self.dtype else f", decoder {title(own)}")

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height, width of what the UNet denoises."""
        config = self.unet.config
        return config.in_channels, config.sample_size, config.sample_size

    @property
    def side(self) -> int:
        """Height and width of its pictures, in pixels."""
        return self.unet.config.sample_size * getattr(self.pipeline, "vae_scale_factor", 1)

    def spelt(self, text: str, tokenizer: Any = None) -> str:
        """A text as a tokenizer (default: the first) is given it: a token of textual inversion with all its vectors; DeepFloyd's without capitals."""
        return self.pipeline.maybe_convert_prompt(text, tokenizer or self.tokenizer)

    def pieces(self, text: str) -> list[tuple[int, str, int]]:
        """(id, name, where it begins in `spelt`) of every token of a text, also of those that a prompt has no room for."""
        read = self.tokenizer(
            self.spelt(text),
            add_special_tokens=False,
            truncation=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        return [
            (number, name, start)
            for number, name, (start, _) in zip(
                read.input_ids,
                self.tokenizer.convert_ids_to_tokens(read.input_ids),
                read.offset_mapping,
            )
        ]

    @property
    def room(self) -> int:
        """Tokens of a prompt that are read, without those that mark its start and its end."""
        return self.tokens - self.tokenizer.num_special_tokens_to_add()

    def token_ids(self, prompts: list[str]) -> Tensor:
        """Ids [prompts, tokens] as the (first) text encoder receives them."""
        return self.tokenized(self.tokenizer, prompts).input_ids

    def tokenized(self, tokenizer: Any, prompts: list[str]) -> Any:
        """Ids and attention mask [prompts, tokens] by one of the pipeline's tokenizers, padded.

        Raises:
            UserError: a prompt has a token that the tokenizer's text encoder has no vector for.
        """
        read = tokenizer(
            [self.spelt(prompt, tokenizer) for prompt in prompts],
            padding="max_length",
            max_length=self.tokens,
            truncation=True,
            return_tensors="pt",
        ).to(self.device)
        second = tokenizer is getattr(self.pipeline, "tokenizer_2", None)
        encoder = self.pipeline.text_encoder_2 if second else self.pipeline.text_encoder
        if (highest := int(read.input_ids.max())) >= len(encoder.get_input_embeddings().weight):
            token = tokenizer.convert_ids_to_tokens(highest)
            raise UserError(
                f"{self.name} has no vector for the token {token!r}: load its textual inversion, or leave it out."
            )
        return read

    @torch.no_grad()
    def encode(self, prompts: list[str]) -> Encoded:
        """Text states of prompts, padded to `tokens`, in the UNet's type; the text encoders are brought to where it computes."""
        memory.bring(self, *encoders(self.pipeline))
        return self._encode(prompts)

    def _encode(self, prompts: list[str]) -> Encoded:
        read, encoder = self.tokenized(self.tokenizer, prompts), self.pipeline.text_encoder
        masked = getattr(encoder.config, "use_attention_mask", False)
        states = encoder(read.input_ids, attention_mask=read.attention_mask if masked else None)[0]
        return Encoded(states=states.to(self.dtype))

    def conditions(self, pooled: Tensor | None) -> dict[str, Any]:
        """What the UNet is called with beside the noisy rows and the time step; `pooled` is gathered from `Encoded`."""
        return {"encoder_hidden_states": None}

    def guide(self, predicted: Tensor, guidance: float) -> Tensor:
        """Classifier-free guidance (Eq. 1) of a prediction [rows, ...], or [2 * rows, ...] with unconditional rows first."""
        if guidance == 1:
            return predicted
        plain, told = predicted.chunk(2)
        return plain + guidance * (told - plain)

    def noise_of(self, predicted: Tensor) -> Tensor:
        """The part of a prediction [rows, ...] that says where the image goes: all of it, without a learned variance."""
        return predicted

    def generator(self, seed: int) -> torch.Generator:
        """The source of all randomness of one image: the same on every device and in every batch."""
        return torch.Generator().manual_seed(seed)

    def noise(self, generator: torch.Generator) -> Noise:
        """z_T of one image, the first that its generator gives."""
        return torch.randn(self.latent_shape, generator=generator)

    @torch.no_grad()
    def decode(self, latents: Latents) -> Images:
        """uint8 images [n, height, width, 3] of latents [n, c, h, w], some at a time so that memory holds them (`memory.slices`)."""
        vae = self.pipeline.vae
        size = memory.slices(self, len(latents))
        memory.bring(self, "vae", room=size * memory.of_model(self).decoding)
        parts = [self._decoded(vae, self.unscaled(part)) for part in latents.split(size)]
        return to_images(torch.cat(parts), self.name)

    def unscaled(self, latents: Latents) -> Latents:
        """Latents as the VAE reads them; SDXL's may be normalised by channel (`latents_mean`, `latents_std`)."""
        config = self.pipeline.vae.config
        latents = latents / config.scaling_factor
        mean, std = config.get("latents_mean"), config.get("latents_std")
        if mean is None or std is None:
            return latents
        mean, std = (torch.tensor(values).to(latents).view(1, -1, 1, 1) for values in (mean, std))
        return latents * std + mean

    def _decoded(self, vae: Any, latents: Latents) -> Tensor:
        """Pixels of latents; in halves where memory runs out, of a single one in tiles; in float32 what overflows in float16."""
        try:
            pixels = vae.decode(latents.to(vae.dtype)).sample
        except (RuntimeError, MemoryError) as error:
            if not memory.is_short(error):
                raise
            pixels = None
        if pixels is None:
            memory.release(self.device)
            if len(latents) > 1:
                return torch.cat([self._decoded(vae, part) for part in latents.chunk(2)])
            return _in_tiles(vae, latents)
        if vae.dtype == torch.float16 and not torch.isfinite(pixels).all():
            nn.Module.to(vae, torch.float32)
            try:
                pixels = vae.decode(latents).sample
            finally:
                nn.Module.to(vae, torch.float16)  # the same weights: they were float16
        return pixels.float()


def _in_tiles(vae: Any, latents: Latents) -> Tensor:
    """Pixels of one picture, decoded in tiles that overlap: its last resort, as their seams are blended."""
    warnings.warn(
        "There is too little memory to decode a picture whole: it is decoded in tiles, which changes it a little along their seams.",
        Notice,
        stacklevel=2,
    )
    vae.enable_tiling()
    try:
        return vae.decode(latents.to(vae.dtype)).sample.float()
    finally:
        vae.disable_tiling()


def to_images(pixels: Tensor, name: str) -> Images:
    """uint8 [n, height, width, 3] of pixels [n, 3, h, w] in [-1, 1].

    Raises:
        UserError: the decoder of the model `name` gave NaN or infinity, which would be black or white like any other pixel.
    """
    if not torch.isfinite(pixels).all():
        raise UserError(
            f"{name}, decoding after the last step: the pixels are no finite numbers; load the decoder (VAE) in full precision."
        )
    whole = ((pixels.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return whole.permute(0, 2, 3, 1).cpu().numpy()
