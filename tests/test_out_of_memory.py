"""Memory: predicted as it was measured, and when it runs out no row is lost, the pictures are the same, and all are stored.

A UNet or decoder that raises torch's error above some number of rows stands for a small card.
"""

import resource
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from rounding import assert_same, assert_same_picture, close

from locolib import Notice, UserError
from locolib.drawing import batches, compiling
from locolib.drawing.memory import Altered, Row, TextMemory
from locolib.drawing.sampling import Settings, denoise, generate, image_key
from locolib.drawing.text import Corrupted
from locolib.experiments import attribution, locogen
from locolib.experiments.locogen.backward import walking
from locolib.experiments.tracing.states import unet_states
from locolib.models import memory
from locolib.models.architecture import architecture
from locolib.prompts import choose, read
from locolib.store import Store

pytestmark = pytest.mark.computing

SETTINGS = Settings(steps=2, guidance=2.0, batch=8)
A, B = "a house in the style of van gogh", "a painting of a house"
CUDA = "CUDA out of memory. Tried to allocate 32.00 GiB."
OUT = torch.OutOfMemoryError(CUDA)


@contextmanager
def small(module, method, most, error=OUT):
    """As long as it lasts a module's method takes `most` rows at most; gives the counts of rows that it was called with."""
    own, seen = getattr(module, method), []

    def limited(x, *args, **kwargs):
        seen.append(len(x))
        if len(x) > most:
            raise error
        return own(x, *args, **kwargs)

    setattr(module, method, limited)
    try:
        yield seen
    finally:
        delattr(module, method)


def rows(model, count=8):
    last = model.spec.layers - 1
    return [
        Row(prompt=A, seed=i, changes=(Altered(layers=(i % 3, last), prompt=B),) if i % 2 else ())
        for i in range(count)
    ]


# --- it runs out


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError(CUDA),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:75] . DefaultCPUAllocator: can't allocate memory"
        ),
        MemoryError(),
    ],
    ids=["cuda", "mps", "cpu", "python"],
)
def test_a_batch_is_halved_until_it_fits_and_no_row_is_lost(model, store, error):
    asked = rows(model)
    whole = generate(model, asked, SETTINGS)
    with small(model.unet, "forward", 6, error) as seen, pytest.warns(Notice, match="4 are tried"):
        made = generate(model, asked, SETTINGS, store=store)
    assert seen[:2] == [16, 8] and set(seen[2:]) == {4}, "8 rows in both branches, 4, then 2"
    assert len(made) == len(asked)
    for i, row in enumerate(asked):
        assert_same_picture(made[i], whole[i])
        assert np.array_equal(store.image(image_key(model, row, SETTINGS)), made[i])


def test_every_family_survives(any_model, store):
    asked = rows(any_model, 4)
    whole = generate(any_model, asked, SETTINGS)
    with small(any_model.unet, "forward", 2), pytest.warns(Notice):
        made = generate(any_model, asked, SETTINGS, store=store)
    for one, other in zip(made, whole, strict=True):
        assert_same_picture(one, other)


def test_restored_rows_keep_their_clean_row_beside_them(model):
    path = unet_states(model.unet)[3].path
    noisy = [Corrupted(prompt=A, subject="van gogh", size=3.0, seed=i) for i in range(4)]
    asked = [Row(prompt=told, seed=i, restored=path) for i, told in enumerate(noisy)]
    whole = generate(model, asked, SETTINGS)
    with small(model.unet, "forward", 4) as seen, pytest.warns(Notice):
        made = generate(model, asked, SETTINGS)
    assert seen[-1] == 4, "one row and its clean one, in both branches"
    for one, other in zip(made, whole, strict=True):
        assert_same_picture(one, other)


def test_what_is_finished_is_kept_when_not_even_one_row_fits(model, store):
    asked = rows(model)
    generate(model, asked[:2], SETTINGS, store=store)
    with (
        small(model.unet, "forward", 1),
        pytest.warns(Notice),
        pytest.raises(UserError, match="too little memory for one image, in float32; .*--dtype"),
    ):
        generate(model, asked, Settings(steps=2, guidance=2.0, batch=2), store=store)
    assert sum(store.image(image_key(model, row, SETTINGS)) is not None for row in asked) == 2


def test_another_error_is_not_taken_for_it(model):
    with (
        small(model.unet, "forward", 0, RuntimeError("mat1 and mat2 must have the same dtype")),
        pytest.raises(RuntimeError, match="same dtype"),
    ):
        generate(model, rows(model), SETTINGS)


def test_a_decoder_that_runs_out_decodes_fewer_at_once(model):
    asked = rows(model)
    whole = generate(model, asked, SETTINGS)
    with small(model.pipeline.vae, "decode", 2) as seen:
        made = generate(model, asked, SETTINGS)
    assert seen == [8, 4, 2, 2, 4, 2, 2]
    for one, other in zip(made, whole, strict=True):
        assert_same_picture(one, other)


def test_a_picture_that_does_not_fit_is_decoded_in_tiles(model, monkeypatch):
    latents = denoise(model, rows(model, 1), SETTINGS, TextMemory(model))
    vae = model.pipeline.vae
    whole, own = model.decode(latents), vae.decode

    def decode(x):
        if not vae.use_tiling:
            raise torch.OutOfMemoryError(CUDA)
        return own(x)

    monkeypatch.setattr(vae, "decode", decode)
    with pytest.warns(Notice, match="in tiles"):
        made = model.decode(latents)
    assert made.shape == whole.shape and not vae.use_tiling
    assert np.abs(made.astype(int) - whole).mean() < 16


def test_slices_do_not_depend_on_what_is_free(model, monkeypatch):
    before = memory.slices(model, 8)
    monkeypatch.setattr(memory, "free", lambda device: 1e6)
    assert memory.slices(model, 8) == before == 8
    monkeypatch.setattr(memory, "SLICE", 2 * memory.of_model(model).decoding)
    latents = denoise(model, rows(model, 5), SETTINGS, TextMemory(model))
    with small(model.pipeline.vae, "decode", 2) as seen:
        model.decode(latents)
    assert seen == [2, 2, 1]


# --- it is looked after


def test_a_batch_is_cut_to_what_is_free(model, monkeypatch):
    need = memory.of_model(model)
    room = 3.5 * (need.row + 2 * need.text) + memory.OVERHEAD
    monkeypatch.setattr(memory, "free", lambda device: room / memory.SPARE)
    assert memory.fitting(model, 8) == 3
    with small(model.unet, "forward", 6) as seen:
        generate(model, rows(model), SETTINGS)
    assert set(seen) <= {4, 6} and sum(seen) == 2 * 8 * SETTINGS.steps, "in equal parts"
    monkeypatch.setattr(memory, "free", lambda device: 0.0)
    assert memory.fitting(model, 8) == 1, "one is always tried"


@pytest.mark.parametrize(
    "name, batch, dtype, measured",
    [
        ("sd-v1-5", 4, torch.float16, 2.7),
        ("sd-v1-5", 16, torch.float16, 4.3),
        ("sd-v1-5", 64, torch.float16, 10.8),
        ("sd-v1-5", 1, torch.float32, 5.3),
        ("sdxl", 1, torch.float32, 17.9),
    ],
)
def test_memory_is_predicted_as_it_was_measured(name, batch, dtype, measured):
    found = memory.predict(architecture(name), batch, dtype=dtype) / memory.GIB
    assert found == pytest.approx(measured, rel=0.05)


def test_sdxl_is_predicted_with_its_decoder_in_full():
    """It was measured with the decoder in float16, which overflows: where the UNet makes the peak that hardly counts."""
    config = architecture("sdxl")
    half = memory.predict(config, 16, dtype=torch.float16) / memory.GIB
    assert half == pytest.approx(13.1, rel=0.08)
    assert memory.predict(config, 8, encoders=False) < 10 * memory.GIB, "a card of 12 GB"
    assert memory.predict(architecture("sd-v1-5"), 16) < 4.5 * memory.GIB, "a card of 6 GB"
    assert memory.predict(architecture("deepfloyd-if"), 8) < 24e9 * memory.SPARE, "of 24 GB"


class Part(torch.nn.Module):
    """A module as far as moving goes: `size` bytes, somewhere."""

    def __init__(self, size, where="cuda"):
        super().__init__()
        self.size, self.where = size, where

    def parameters(self):
        yield type(
            "P",
            (),
            {
                "device": torch.device(self.where),
                "numel": lambda _: self.size,
                "element_size": lambda _: 1,
            },
        )()

    def to(self, where):
        self.where = torch.device(where).type


class Card:
    """A model on a card of `total` bytes."""

    def __init__(self, total, **parts):
        self.device, self.parts = torch.device("cuda"), tuple(parts)
        self.pipeline, self.total = type("Pipeline", (), parts)(), total

    def where(self):
        return {name: getattr(self.pipeline, name).where for name in self.parts}

    def free(self, device):
        held = (getattr(self.pipeline, name) for name in self.parts)
        return float(self.total - sum(part.size for part in held if part.where == "cuda"))


@pytest.fixture
def card(monkeypatch):
    def make(total, **parts):
        made = Card(total, **parts)
        monkeypatch.setattr(memory, "free", made.free)
        monkeypatch.setattr(memory, "release", lambda device: None)
        return made

    return make


def test_text_encoders_leave_when_the_unet_needs_the_room(card):
    model = card(200, unet=Part(50), text_encoder=Part(60), vae=Part(2))
    memory.bring(model, "unet", room=20)
    assert set(model.where().values()) == {"cuda"}, "there is room: nothing moves"
    memory.bring(model, "unet", room=100)
    assert model.where() == {"unet": "cuda", "text_encoder": "cpu", "vae": "cuda"}
    memory.bring(model, "text_encoder")
    assert model.where()["text_encoder"] == "cuda"


def test_parts_come_by_turns_where_they_do_not_fit_together(card):
    model = card(100, unet=Part(70, "cpu"), text_encoder=Part(80, "cpu"), vae=Part(2, "cpu"))
    memory.bring(model, "text_encoder")
    assert model.where() == {"unet": "cpu", "text_encoder": "cuda", "vae": "cpu"}
    memory.bring(model, "unet", room=10)
    assert model.where() == {"unet": "cuda", "text_encoder": "cpu", "vae": "cpu"}
    memory.bring(model, "vae", room=60)
    assert model.where() == {"unet": "cpu", "text_encoder": "cpu", "vae": "cuda"}


# --- texts, threads


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc is Linux's")
def test_a_feature_map_takes_the_memory_of_the_last_one():
    """Where a model computes on the CPU, memory that is freed stays with the process: no page is asked for twice."""
    memory.hold()

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(3 * 2**20)  # 12 MiB, 3072 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    assert faults() >= 0 and sum(faults() for _ in range(5)) < 300


def test_text_encoders_are_asked_once_for_each_prompt_of_a_plan(model, monkeypatch):
    monkeypatch.setattr(memory, "KEPT", 0)
    monkeypatch.setattr("locolib.drawing.memory.KEPT", 0)  # keys and values are forgotten each time
    own, told = model.pipeline.text_encoder.forward, []

    def forward(ids, *args, **kwargs):
        told.extend(ids.tolist())
        return own(ids, *args, **kwargs)

    asked, settings = rows(model), Settings(steps=2, guidance=2.0, batch=2)
    plain = generate(model, asked, SETTINGS)
    monkeypatch.setattr(model.pipeline.text_encoder, "forward", forward)
    made = generate(model, asked, settings)
    assert len(told) == 3, "A, B and the empty prompt"
    for one, other in zip(made, plain, strict=True):
        assert_same_picture(one, other)


def test_images_are_stored_on_other_threads_and_all_are_there(model, store, monkeypatch):
    own, threads = Store.put_image, set()

    def put(self, name, image):
        threads.add(threading.current_thread())
        own(self, name, image)

    monkeypatch.setattr(Store, "put_image", put)
    asked = rows(model)
    made = generate(model, asked, Settings(steps=2, guidance=2.0, batch=3), store=store)
    assert threading.main_thread() not in threads
    for row, image in zip(asked, made, strict=True):
        assert np.array_equal(store.image(image_key(model, row, SETTINGS)), image)


def test_a_store_that_cannot_be_written_is_one_sentence_and_the_rest_is_kept(
    model, store, monkeypatch
):
    own, asked = Store.put_image, rows(model)
    bad = image_key(model, asked[1], SETTINGS)

    def put(self, name, image):
        if name == bad:
            raise UserError("the disk is full")
        own(self, name, image)

    monkeypatch.setattr(Store, "put_image", put)
    with pytest.raises(UserError, match="the disk is full"):
        generate(model, asked, SETTINGS, store=store)
    kept = [store.image(image_key(model, row, SETTINGS)) is not None for row in asked]
    assert kept == [i != 1 for i in range(8)], "all that was computed but that one"
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(UserError, match="the disk is full"), batches.Keeper(store) as keeper:
        keeper.put(bad, image)


def test_what_waits_is_written_when_the_work_fails(store):
    with pytest.raises(KeyboardInterrupt), batches.Keeper(store) as keeper:
        for i in range(20):
            keeper.put(f"aa{i}", np.zeros((4, 4, 3), np.uint8))
        raise KeyboardInterrupt
    assert all(image is not None for image in store.images([f"aa{i}" for i in range(20)]))


def test_the_step_at_which_numbers_stopped_to_be_finite_is_named(model):
    calls = []

    def spoil(_module, _inputs, output):
        calls.append(1)
        return (output[0] * (float("nan") if len(calls) == 3 else 1.0),)

    handle = model.unet.register_forward_hook(
        lambda m, i, o: type(o)(sample=spoil(m, i, (o.sample,))[0])
    )
    try:
        with pytest.raises(UserError, match="step 3 of 5: the latents are no finite numbers"):
            denoise(model, rows(model, 1), Settings(steps=5, guidance=2.0), TextMemory(model))
    finally:
        handle.remove()


# --- compiling


@pytest.mark.slow
def test_a_compiled_unet_is_compiled_once_and_agrees(organisms, random_organisms, monkeypatch):
    """By a backend that only counts: what is compiled is one graph for all batches of one shape, with text that changes."""
    from locolib import models

    name, count = "planted-sd-v1-5", []

    def counting(graph, inputs):
        count.append(len(inputs))
        return graph.forward

    monkeypatch.setattr(compiling, "BACKEND", counting)
    monkeypatch.setenv(compiling.COMPILE, "on")
    model = models.load(name, source=random_organisms / name)
    asked, settings = rows(model, 7), Settings(steps=2, guidance=2.0, batch=2)
    made = generate(model, asked, settings)
    graphs = len(count)
    assert graphs >= 1
    again = denoise(model, asked[:2], settings, TextMemory(model), compiled=True)
    assert len(count) == graphs, "other batches, other text: the same graphs"
    plain = denoise(model, asked[:2], settings, TextMemory(model))
    assert_same(again, plain, compiling.TOLERANCE)
    monkeypatch.setenv(compiling.COMPILE, "off")
    for one, other in zip(made, generate(model, asked, settings), strict=True):
        assert_same_picture(one, other)


def test_a_unet_with_hooks_is_not_compiled(model, monkeypatch):
    assert compiling.is_plain(model.unet)
    monkeypatch.setattr(compiling, "compiled", lambda model: pytest.fail("compiled"))
    told = Corrupted(prompt=A, subject="van gogh", size=3.0, seed=1)
    row = Row(prompt=told, seed=1, restored=unet_states(model.unet)[3].path)
    made = denoise(model, [row], SETTINGS, TextMemory(model), compiled=True)
    assert_same(made, denoise(model, [row], SETTINGS, TextMemory(model)))


def test_compiling_is_for_plans_that_pay_for_it_and_said_beforehand(model, monkeypatch, capsys):
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    enough = 1.1 * compiling.SECONDS / compiling.GAIN
    assert compiling.pays(enough, cuda) and not compiling.pays(enough, cpu)
    assert not compiling.pays(0.5 * enough, cuda)
    monkeypatch.setattr(compiling, "pays", lambda seconds, device: True)
    plan = compiling.Plan(model, 9)
    plan.finished()
    assert not plan.on
    plan.finished()
    assert plan.on and "is compiled once" in capsys.readouterr().err
    monkeypatch.setenv(compiling.COMPILE, "perhaps")
    with pytest.raises(UserError, match="'perhaps' .LOCOLIB_COMPILE.; choose one of auto, on, off"):
        compiling.Plan(model, 9)


def asked_of(prompts):
    return locogen.Request(
        prompts=choose(read("style"), prompts), seeds=locogen.seeds(1), settings=SETTINGS
    )


def test_backward_passes_that_do_not_fit_are_made_in_parts(model, monkeypatch):
    """Feature maps are made again first, then fewer points go together: the shares are the same."""
    whole = attribution.attribute(model, asked_of(3))
    blocks = walking.checkpointing(model.unet)
    plain, seen = model.unet.forward, []

    def forward(noisy, *args, **kwargs):
        if torch.is_grad_enabled():
            kept = not all(block.gradient_checkpointing for block in blocks)
            seen.append((len(noisy), kept))
            if kept or len(noisy) > 4:
                raise OUT
        return plain(noisy, *args, **kwargs)

    monkeypatch.setattr(model.unet, "forward", forward)
    cut = attribution.attribute(model, asked_of(3))
    assert seen[:3] == [(9, True), (9, False), (4, False)]
    assert all(rows <= 4 and not kept for rows, kept in seen[2:])
    close(torch.tensor(cut.layers), torch.tensor(whole.layers))
    assert not any(block.gradient_checkpointing for block in blocks), "as it was"


def test_a_backward_pass_too_large_for_one_point_says_what_to_do(model, monkeypatch):
    def forward(*args, **kwargs):
        raise OUT

    with (
        pytest.raises(UserError, match="one backward pass"),
        walking.walking(model, asked_of(1)) as walk,
    ):
        monkeypatch.setattr(model.unet, "forward", forward)
        walk.values(walk.latents, walk.times[0], walk.latents, [(0, 0.5)], True)


def kept_for_backward(name, *, again):
    """Bytes that a published UNet of full width keeps of one row to go backward, and those of its weights, in float16.

    On torch's meta device, which knows shapes and computes nothing.
    """
    with torch.device("meta"):
        config = architecture(name)["unet"]
        unet = UNet2DConditionModel.from_config(config, torch_dtype=torch.float16).half()
        unet.requires_grad_(False)
        if again:
            unet.enable_gradient_checkpointing()
        size = unet.config.sample_size
        noisy = torch.zeros(1, unet.config.in_channels, size, size, dtype=torch.float16)
        text = torch.zeros(1, 77, unet.config.cross_attention_dim, dtype=torch.float16)
        pooled = {"text_embeds": torch.zeros(1, 1280).half(), "time_ids": torch.zeros(1, 6).half()}
        kept = {}

        def pack(tensor):
            storage = tensor.untyped_storage()
            kept[storage._cdata] = tensor, storage.nbytes()  # held, so that no other gets its place
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            unet(noisy, torch.tensor(1), text.requires_grad_(), added_cond_kwargs=pooled)
    weights = {part.untyped_storage()._cdata: part.nbytes for part in unet.parameters()}
    maps = sum(size for place, (_, size) in kept.items() if place not in weights)
    return maps / memory.GIB, sum(weights.values()) / memory.GIB


@pytest.mark.parametrize(
    "name, again, card", [("sd-v1-5", False, 12), ("sdxl", False, 24), ("sdxl", True, 12)]
)
def test_a_backward_pass_of_full_width_fits_a_card(name, again, card):
    """Stable Diffusion v1.5 on a card of 12 GB, SDXL on one of 24 (its feature maps made again: of 12), with 1 GB to spare."""
    maps, weights = kept_for_backward(name, again=again)
    print(f"{name}: {maps:.1f} GiB of feature maps, {weights:.1f} GiB of weights")
    assert (maps + weights + 1) * memory.GIB <= card * 1e9
