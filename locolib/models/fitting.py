"""What a checkpoint asks of its pipeline beyond our own loop: taken over, or refused in words.

Steps of diffusers' pipelines (0.42) for these models that `drawing.sampling.denoise` and `Model` do not have:

* what a call may ask for and no checkpoint does: guidance_rescale, clip_skip, eta, denoising_end, custom time steps or sigmas,
  IP-adapter pictures, other sizes and crops.  They stay at the pipelines' defaults.
* safety checkers, watermarks and DeepFloyd's `clean_caption`, left out on purpose.
* normalised latents of a VAE (SDXL's pipeline), `use_attention_mask` of a text encoder: taken over (`Model.decode`, `encode`).
* SDXL's empty prompt is no text (zeros) wherever it stands, as it was trained; its pipeline encodes it where it is asked for, and
  has zeros only for a negative prompt that is not given.
* a side of 64 for a UNet that was saved before diffusers 0.9 with a smaller one: the pipeline's constructor does it, as ever.
* what this module refuses: a decoder that draws noise of its own, guidance as an input (LCM), pictures as an input, class labels, an aesthetics score (refiners), latents
  that are shifted or that the family's pipeline does not scale back, maps that are no square, a variance that is not learned.
"""

from collections.abc import Callable
from typing import Any

_ADDED = {"StableDiffusionXLPipeline": "text_time", "IFPipeline": "text"}
_DECODERS = ("AutoencoderKL", "AutoencoderTiny")  # which draw no noise of their own
_SIZES = 6  # that SDXL's base is told: of the original, of the crop, of the target


def unfit(pipeline: str, read: Callable[[str, str], dict[str, Any]]) -> str:
    """What a checkpoint of the class `pipeline` asks for that our loop does not do, in words; "" where it asks for nothing.

    Args:
        read: gives the JSON file `name` of the folder's `part`.
    """
    unet = read("unet", "config.json")
    if unet.get("time_cond_proj_dim") is not None:
        return "its UNet takes the guidance as an input (time_cond_proj_dim), as models distilled to few steps do"
    if unet.get("class_embed_type") or unet.get("num_class_embeds"):
        return "its UNet takes class labels"
    if not isinstance(unet.get("sample_size"), int):
        return (
            f"its pictures are no squares of a known size (sample_size {unet.get('sample_size')})"
        )
    if (added := unet.get("addition_embed_type")) != (needs := _ADDED.get(pipeline)):
        return (
            f"its UNet takes {added or 'nothing'} beside the text instead of {needs or 'nothing'}"
        )
    if (unet.get("encoder_hid_dim_type") or "text_proj") != "text_proj":
        return f"its layers read {unet['encoder_hid_dim_type']} and not text alone"
    if pipeline == "IFPipeline":
        learned = unet["out_channels"] == 2 * unet["in_channels"]
        return "" if learned else "its UNet predicts no variance beside the noise"
    return _of_sizes(unet, read) or _of_vae(pipeline, unet, read("vae", "config.json"))


def _of_sizes(unet: dict[str, Any], read: Callable[[str, str], dict[str, Any]]) -> str:
    if unet.get("addition_embed_type") != "text_time":
        return ""
    pooled = read("text_encoder_2", "config.json")["projection_dim"]
    rest = unet["projection_class_embeddings_input_dim"] - pooled
    told = rest / unet["addition_time_embed_dim"]
    return (
        ""
        if told == _SIZES
        else f"it is told {told:g} numbers of a picture instead of {_SIZES}, as a refiner is"
    )


def _of_vae(pipeline: str, unet: dict[str, Any], vae: dict[str, Any]) -> str:
    if (kind := vae.get("_class_name", _DECODERS[0])) not in _DECODERS:
        return f"its decoder is a {kind} and none of {', '.join(_DECODERS)}"
    takes, latents = unet.get("in_channels", 4), vae.get("latent_channels", 4)
    if takes != latents:
        return f"its UNet takes {takes} channels and not its VAE's {latents}, so pictures or masks beside noise"
    if vae.get("shift_factor"):
        return "its VAE's latents are shifted (shift_factor), which its pipeline does not undo"
    normalised = vae.get("latents_mean") is not None or vae.get("latents_std") is not None
    if normalised and pipeline != "StableDiffusionXLPipeline":
        return "its VAE's latents are normalised (latents_mean), which its pipeline does not undo"
    return ""
