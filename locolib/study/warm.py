"""What a page imports, imported once: pages are forked from the process that has done it (see `execute`)."""

import os

# Read when numpy's and matplotlib's libraries are loaded; a kernel has its own of both (`execute`).
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "agg")

import diffusers  # noqa: E402
import ipykernel.kernelapp  # noqa: E402, F401
import ipykernel.zmqshell  # noqa: E402, F401
import jupyter_client.provisioning.local_provisioner  # noqa: E402, F401
import myst_nb  # noqa: E402, F401
import papermill  # noqa: E402, F401
import seaborn  # noqa: E402, F401
import transformers  # noqa: E402

from ..experiments import attribution, deepfloyd, editing, locogen, neurons, tracing  # noqa: E402, F401
from . import pages, switchboard  # noqa: E402, F401

# What these two import only when it is asked for.
for library, names in (
    (diffusers, ("StableDiffusionPipeline", "StableDiffusionXLPipeline", "IFPipeline")),
    (
        transformers,
        (
            "CLIPTextModel",
            "CLIPTextModelWithProjection",
            "CLIPTokenizer",
            "T5EncoderModel",
            "T5Tokenizer",
        ),
    ),
):
    for name in names:
        getattr(library, name)
