"""First-order LocoGen: relations of its shares, its integrals, its proposals and what confirms them."""

import numpy as np
import pytest
import torch
from rounding import close

from locolib import UserError
from locolib.drawing.layers import sites
from locolib.drawing.sampling import Settings
from locolib.experiments import locogen
from locolib.experiments.attribution import (
    Attribution,
    attribute,
    best_set,
    best_window,
    confirming,
    localise,
    localisers,
    propose,
    report,
)
from locolib.experiments.locogen.backward import paths, proposing
from locolib.experiments.locogen.backward.quadrature import integrate
from locolib.experiments.locogen.backward.walking import walking
from locolib.models.attention import contributions
from locolib.prompts import choose, read


def request(attribute="style", prompts=2, steps=3):
    settings = Settings(steps=steps, guidance=3.0)
    chosen = choose(read(attribute), prompts)
    return locogen.Request(prompts=chosen, seeds=locogen.seeds(1), settings=settings)


def found(layers):
    """An attribution with these shares of layers, [prompts, layers]."""
    layers = np.atleast_2d(np.asarray(layers, float))
    return Attribution(
        model="m", attribute="style", layers=layers, heads=(), tokens=np.zeros(()),
        gap=layers.sum(1) - 1, points=1.0, rows=0, seconds=0.0,
    )  # fmt: skip


# ---- shares ----


def test_shares_add_up_to_the_whole_change_in_every_family(any_model):
    """Completeness: the shares of all layers are all that altering them does."""
    got = attribute(any_model, request())
    assert got.layers.shape == (2, any_model.spec.layers)
    assert np.abs(got.gap).max() <= paths.GAP and np.allclose(got.layers.sum(1) - 1, got.gap)


def test_heads_and_tokens_add_up_to_their_layer(any_model):
    got = attribute(any_model, request(prompts=1))
    for layer, heads in enumerate(got.heads):
        assert (
            heads.shape[1] == any_model.unet.get_submodule(sites(any_model.unet)[layer].path).heads
        )
        assert np.allclose(heads.sum(1), got.layers[:, layer])
    assert got.tokens.shape == (1, any_model.spec.layers, any_model.tokens)
    assert np.allclose(got.tokens.sum(2), got.layers)


def test_a_layer_whose_text_does_not_change_has_no_share(model):
    """The altered text reaches layer 3 alone: all of the change is there."""
    with walking(model, request(prompts=1)) as walk:
        for half in (0, 1):
            for layer, clean in enumerate(walk.clean[half]):
                if layer != 3:
                    walk.altered[half][layer] = clean
        one = paths._Found(walk, lambda evaluate, n: integrate(evaluate, n, 0.01))
        for _, t, noisy, clean in walk.steps():
            one.look(noisy, t, clean)
        got = one.answer(0.0)
    assert np.abs(np.delete(got.layers, 3, axis=1)).max() == 0
    assert got.layers[0, 3] == pytest.approx(1, abs=0.02)


def test_near_the_clean_end_the_slope_is_the_integral(model):
    """A target that hardly differs: the path is short and nearly straight, so one gradient says the same as all of them."""
    with walking(model, request(prompts=1)) as walk:
        for half in (0, 1):
            for layer, clean in enumerate(walk.clean[half]):
                walk.altered[half][layer] = clean + 1e-2 * (walk.altered[half][layer] - clean)
        _, t, noisy, clean = next(walk.steps())
        both = []
        for rule in (
            lambda evaluate, n: integrate(evaluate, n, 0.001),
            lambda evaluate, n: (evaluate([(0, 0.0)], True)[1], 1),
        ):
            one = paths._Found(walk, rule)
            one.look(noisy, t, clean)
            both.append(one.answer(0.0).layers)
    assert np.allclose(*both, atol=0.02)


def test_prompts_do_not_see_each_other(model):
    two, alone = request(prompts=2), request(prompts=1)
    assert np.allclose(
        attribute(model, two).layers[0], attribute(model, alone).layers[0], atol=1e-3
    )


def test_the_trajectory_is_the_clean_pictures_own(any_model):
    """What the walk ends in is what `denoise` draws."""
    from locolib.drawing.memory import TextMemory
    from locolib.drawing.sampling import denoise

    asked = request()
    with walking(any_model, asked) as walk:
        for _ in walk.steps():
            pass
        ended = walk.latents
    plain = denoise(any_model, locogen.rows(asked, ()), asked.settings, TextMemory(any_model))
    close(ended, plain)


def test_nothing_is_left_behind(model):
    """Weights ask for gradients as before, and layers read their own text again."""
    before = [w.requires_grad for w in model.unet.parameters()]
    readers = [model.unet.get_submodule(site.path).processor for site in sites(model.unet)]
    attribute(model, request(prompts=1, steps=1))
    assert [w.requires_grad for w in model.unet.parameters()] == before
    assert [model.unet.get_submodule(s.path).processor for s in sites(model.unet)] == readers
    assert all(w.grad is None for w in model.unet.parameters())


def test_every_must_be_a_number_of_steps(model):
    with pytest.raises(UserError, match="every must be at least 1, not 0"):
        attribute(model, request(), every=0)


# ---- integrals ----


def path(functions):
    """`evaluate` of functions on [0, 1] with their slopes as the only part."""

    def evaluate(points, backward):
        values = torch.tensor([functions[i](a) for i, a in points], dtype=torch.float64)
        step = 1e-5
        slopes = [(functions[i](a + step) - functions[i](a - step)) / 2 / step for i, a in points]
        return values, torch.tensor(slopes, dtype=torch.float64)[:, None] if backward else None

    return evaluate


def leap(at, width):
    """0, then within `width` of `at` 1."""
    low, high = (1 / (1 + np.exp(-(end - at) / width)) for end in (0, 1))
    return lambda a: (1 / (1 + np.exp(-(a - at) / width)) - low) / (high - low)


@pytest.mark.parametrize(
    "function",
    [lambda a: a, lambda a: a**5, leap(0.5, 0.1), leap(0.31, 0.004), leap(0.97, 0.004), leap(0.02, 0.002)],
    ids=["straight", "late", "soft", "leap", "leap at the end", "leap at the start"],
)  # fmt: skip
def test_integrals_are_complete_however_steep(function):
    parts, points = integrate(path([function]), 1, 0.05)
    assert float(parts.sum()) == pytest.approx(1, abs=0.05)
    assert points <= 120


def test_straight_paths_cost_three_points_and_others_pay_for_themselves():
    alone = integrate(path([lambda a: a]), 1, 0.05)[1]
    both = integrate(path([lambda a: a, leap(0.31, 0.004)]), 2, 0.05)
    assert alone == 3 and both[1] > 6
    assert np.allclose(both[0].sum(1), 1, atol=0.05)


# ---- proposals ----


def test_the_best_window_is_adjacent_and_the_best_set_is_not():
    got = found([0, 0.1, 0.5, 0.1, 0.3, 0, 0, 0])
    assert best_window(got, 1) == (2,) and best_window(got, 3) == (2, 3, 4)
    assert best_set(got, 2) == (2, 4) and best_set(got, 3) in ((1, 2, 4), (2, 3, 4))


def test_a_rival_has_no_layer_in_common():
    got = found([0.1, 0.2, 0.3, 0.4, 0, 0, 0.15, 0.16])
    for adjacent in (True, False):
        one = propose(got, 2, adjacent=adjacent)
        assert not set(one.rival) & set(one.layers) and not set(one.chance) & set(one.layers)
    assert propose(got, 2).layers == (2, 3) and propose(got, 2).rival == (6, 7)


def test_sizes_that_cannot_reach_are_not_tried():
    assert proposing.sizes(found([0.3, 0.3, 0.3, 0.1] + [0] * 12)) == [2, 3, 4]
    assert proposing.sizes(found(np.full(16, 1 / 16))) == []
    split = [0.5, 0, 0, 0, 0, 0, 0.5] + [0] * 9
    assert proposing.sizes(found(split), begin=0.9, adjacent=False) == [2, 3, 4]


# ---- confirmation ----


def test_looks_share_five_per_cent():
    assert pytest.approx(0.05) == confirming.ROUNDS * (1 - confirming.LEVEL)


def test_random_weights_localise_nothing(model, store):
    """A model that knows nothing: no window is confirmed."""
    got = localise(model, request(prompts=4, steps=2), store=store)
    assert got.verdict in ("no effect", "inconclusive", "not localised") and got.why
    assert got.rows > got.attribution.rows > 0


def test_confirming_prompts_propose_nothing(model, store):
    asked = request(prompts=8, steps=1)
    got = localise(model, asked, store=store)
    proposing, confirming_ = confirming.parted(asked.prompts, confirming.PROPOSE)
    assert set(got.table.prompt) <= {p.original for p in confirming_}
    assert len(got.attribution.layers) == len(proposing)


@pytest.mark.parametrize("attribute, prompts", [("style", 18), ("object", 18), ("fact", 9)])
def test_every_prompt_that_proposes_nothing_may_confirm(attribute, prompts):
    """Of style all 14 others; of objects, whose values are many, those about other objects; each once."""
    asked = choose(read(attribute), prompts)
    proposing, others = confirming.parted(asked, 4)
    assert len(proposing) == 4 and not set(proposing) & set(others)
    assert set(locogen.split(asked)[1]) <= set(others) and len(set(others)) == len(others)
    if attribute == "object":
        assert not {p.value for p in proposing} & {p.value for p in others}
    else:
        assert len(others) == prompts - 4


def test_a_single_prompt_proposes_and_confirms():
    one = choose(read("style"), 1)
    assert confirming.parted(one, 4) == (one, one)


# ---- other localisers ----


@pytest.mark.parametrize("name", [n for n in localisers.LOCALISERS if "altered" not in n])
def test_every_localiser_scores_every_layer(any_model, name):
    got = localisers.LOCALISERS[name](any_model, request(prompts=1, steps=2))
    assert got.layers.shape == (any_model.spec.layers,) and np.isfinite(got.layers).all()
    assert got.rows > 0


def test_what_tokens_write_adds_up_to_the_sites_output(model):
    """One token alone takes all the attention: its contribution is the norm of the whole output."""
    site = model.unet.get_submodule(sites(model.unet)[5].path)
    heads, inner = site.heads, site.to_q.out_features
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 9, site.to_q.in_features, generator=generator)
    key, value = torch.randn(2, 2, heads, 1, inner // heads, generator=generator)
    with torch.no_grad():
        out = (value.transpose(1, 2).flatten(2) @ site.to_out[0].weight.T)[:, 0]
        got = contributions(site, hidden, key, value)
    assert torch.allclose(got[:, 0], out.norm(dim=-1), rtol=1e-4)


def test_ablation_of_matrices_is_that_of_their_keys_and_values(model):
    """<W, dJ/dW> summed over W_K and W_V is <K, dJ/dK> + <V, dJ/dV>."""
    asked = request(prompts=1, steps=2)
    with walking(model, asked) as walk:
        _, t, noisy, _ = next(walk.steps())
        wanted = torch.zeros_like(noisy)
        by_memory = localisers._loss_slopes(walk, noisy, t, wanted)
    states = model.encode([asked.prompts[0].original]).states
    predicted = model.unet(noisy, t, encoder_hidden_states=states).sample
    loss = predicted.pow(2).flatten(1).mean(1).sum()
    site = sites(model.unet)[4]
    weights = [model.unet.get_parameter(f"{name}.weight") for name in (site.key, site.value)]
    slopes = torch.autograd.grad(loss, weights)
    direct = sum(float((w * s).sum()) for w, s in zip(weights, slopes))
    assert by_memory[4] == pytest.approx(direct, rel=1e-3, abs=1e-7)


# ---- what the page says ----


def tried(layers, share, low, high, lead=0.5):
    from locolib.scores import Interval

    proposal = proposing.Proposal(layers=layers, predicted=0.7, rival=(14, 15), chance=(0, 1))
    return confirming.Tried(
        proposal=proposal,
        share=Interval(value=share, low=low, high=high),
        lead=Interval(value=lead, low=lead - 0.1, high=lead + 0.1),
        picks=1.0,
        prompts=9,
    )


def answer(verdict, *some, why="because"):
    from locolib.scores import Interval

    return confirming.Fast(
        verdict=verdict, why=why, tried=tuple(some), attribution=found([0.5] * 2 + [0] * 14),
        full=Interval(value=9.0, low=8.0, high=10.0), table=None, rows=100, seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def swept(model, store):
    return locogen.locate(model, request(prompts=2, steps=1), None, store=store, sizes=[2])


def test_the_sweeps_rows_are_its_images_at_every_step_and_branch(swept):
    done = swept.done
    assert locogen.unet_rows(swept.sweeps) == len(done.table) * 1 * 2  # one step, guided
    table = report.by_window(found(np.full((2, 16), 1 / 16)), done)
    assert np.allclose(table.predicted, 2 / 16) and len(table) == 15


def test_fast_and_sweep_agree_where_both_are_settled(swept):
    own = swept.done.verdict.verdict
    said = report.same("style", answer("localised", tried((3, 4), 0.9, 0.7, 1.0)), swept)
    assert said.outcome == ("not settled" if own == "inconclusive" else "did not hold")
    same = report.same("style", answer(own, tried((3, 4), 0.9, 0.7, 1.0)), swept)
    assert same.outcome != "did not hold"


def test_adjacency_costs_nothing_where_the_window_is_as_small():
    window = answer("localised", tried((8, 9), 0.95, 0.8, 1.0))
    assert report.adjacency("style", window, window).outcome == "held"
    wide = answer("localised", tried((8, 9), 0.4, 0.2, 0.6), tried((8, 9, 10), 0.9, 0.7, 1.0))
    pair = answer("localised", tried((8, 10), 0.9, 0.7, 1.0))
    assert report.adjacency("style", wide, pair).outcome == "did not hold"
    skipped = answer("localised", tried((8, 9, 10), 0.9, 0.7, 1.0))
    assert report.adjacency("style", skipped, pair).outcome == "not settled"
    assert report.adjacency("style", wide, answer("inconclusive")).outcome == "not settled"


def test_a_proposal_is_confirmed_or_rejected_by_its_ends():
    assert tried((8, 9), 0.9, 0.6, 1.2).localised and not tried((8, 9), 0.9, 0.6, 1.2).rejected
    assert (
        not tried((8, 9), 0.9, 0.4, 1.4).localised and not tried((8, 9), 0.75, 0.6, 0.9).localised
    )
    assert not tried((8, 9), 0.9, 0.6, 1.2, lead=0.05).localised
    assert tried((8, 9), 0.2, 0.0, 0.5).rejected


def test_the_path_begins_at_nothing_and_ends_at_all(model):
    table = report.along(model, request(prompts=1), points=5)
    assert table.value.iloc[0] == pytest.approx(0, abs=1e-4)
    assert table.value.iloc[-1] == pytest.approx(1, abs=1e-3)


def test_what_is_held_against_an_answer_is_drawn_and_decides_nothing(store):
    """In a planted model all other layers do nothing, and neither do layers drawn at random."""
    from locolib.models import load

    planted = load("planted-sd-v1-5")
    asked = request(prompts=12, steps=6)
    told = localise(planted, asked, store=store)
    last = told.tried[-1]
    assert told.verdict == "localised" and told.found == (8, 9)
    assert abs(last.rest.value) < 0.1 and abs(last.chance.value) < 0.1
    bare = localise(
        planted, asked, store=store, beside=False, predict=lambda *_, **__: told.attribution
    )
    assert np.isnan(bare.tried[-1].rest.value) and bare.rows < told.rows
    assert (bare.verdict, bare.tried[-1].share) == (told.verdict, last.share)
