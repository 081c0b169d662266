"""How far a page's findings reach: what it says of the model that it is about, a miniature or a published one."""

from ..models import Spec

# What "Could not be tested here" says: of miniatures, and of published models.
BEYOND = {
    "01_causal_tracing": (
        "the bundled models are miniatures, whose text encoders have 6 or 7 layers and another world. Where one disagrees with "
        "the paper, that says nothing against the paper.",
        "the pictures of the paper, whose prompts and seeds are not all printed.",
    ),
    "02_locogen": (
        "the bundled models are miniatures. Where one disagrees with the paper, that says nothing against the paper: it shows "
        "that the same architecture, trained on another world, may keep what it knows in other layers. Where Stable Diffusion keeps "
        'its knowledge is asked by running this page with `model = "sd-v1-5"` on a GPU ({doc}`../rerun`).',
        "the paper's own prompts beyond those that it prints, and its seeds.",
    ),
    "03_locoedit": (
        "the paper's own CLIP-Scores (its Figs. 8 and 57 print no values), and published checkpoints, for which this page runs "
        'with `model = "sd-v1-5"` on a GPU ({doc}`../rerun`).',
        "the paper's own CLIP-Scores (its Figs. 8 and 57 print no values).",
    ),
    "04_neuron_editing": (
        "Stable Diffusion's layers have 1280 outputs in each of these matrices; in {title} there are fewer. What a few neurons "
        "of a wide layer hold, a narrow one may spread over all of its own; a miniature that disagrees says nothing against the "
        "paper. On a GPU this page asks the paper's question with the paper's prompts: `model = \"sd-v1-5\"` ({doc}`../rerun`).",
        "other artists than those of App. K.1.",
    ),
    "05_deepfloyd_limits": (
        "DeepFloyd itself, whose T5 has 4.6 billion parameters and has read the internet; the miniature's T5 has read captions.",
        "DeepFloyd's later stages, which enlarge what the first one draws.",
    ),
    "06_human_study": (
        "whether people see it, until some have rated; and the paper's own pairs, whose images were not released. In the "
        'miniatures\' world people are told apart by a drawn face, so "other person is there" asks less of a rater than a photograph would.',
        "whether people see it, until some have rated; and the paper's own pairs, whose images were not released.",
    ),
}


def beyond(page: str, spec: Spec) -> str:
    """What a page about a model could not test, in Markdown."""
    small, whole = BEYOND[page]
    return (small if spec.bundled else whole).replace("{title}", spec.title)


def about(spec: Spec) -> str:
    """What kind of model a page is about, as half a sentence."""
    if spec.planted:
        return "a miniature in which we decided where knowledge lies (its captions never had the paper's phrase)"
    return (
        "a natural miniature: trained like any model, by us"
        if spec.bundled
        else "a published model"
    )


def words_of(spec: Spec) -> str:
    """Which generic prompts a model is asked, as half a sentence."""
    if spec.bundled:
        return 'in words of the miniatures\' world ("a cat in a beach")'
    return "of MS-COCO's kind"
