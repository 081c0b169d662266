"""The layer table against App. D of the paper (Figs. 42 to 44)."""

from locolib.drawing.layers import sites

# App. D, one line for each K/V pair. (The paper prints down_blocks.1.attentions.0 twice for SD-v1-5, a slip: index 3 is
# attentions.1, as its own lists for SD-v2-1 and OpenJourney say.)
APPENDIX_D = [
    f"{block}.attentions.{i}.transformer_blocks.0.attn2"
    for block, count in (
        ("down_blocks.0", 2),
        ("down_blocks.1", 2),
        ("down_blocks.2", 2),
        ("mid_block", 1),
        ("up_blocks.1", 3),
        ("up_blocks.2", 3),
        ("up_blocks.3", 3),
    )
    for i in range(count)
]


def test_sites_are_appendix_d(model):
    assert [site.path for site in sites(model.unet)] == APPENDIX_D
    assert [site.index for site in sites(model.unet)] == list(range(16))


def test_the_mid_block_is_layer_6_and_style_of_sd_v1_5_is_in_up_block_1(model):
    found = sites(model.unet)
    assert found[6].block == "mid_block"
    assert [found[i].path.removesuffix(".transformer_blocks.0.attn2") for i in (8, 9)] == [
        "up_blocks.1.attentions.1",
        "up_blocks.1.attentions.2",
    ]


def test_module_order_would_be_wrong(model):
    """`named_modules` visits the middle block last: the reason why `sites` exists."""
    visited = [name for name, module in model.unet.named_modules() if name.endswith("attn2")]
    assert visited != APPENDIX_D and sorted(visited) == sorted(APPENDIX_D)
    assert visited[-1].startswith("mid_block")


def test_shapes_and_scales(model):
    for site in sites(model.unet):
        weight = model.unet.get_submodule(site.key).weight
        assert (
            site.shape
            == tuple(weight.shape)
            == tuple(model.unet.get_submodule(site.value).weight.shape)
        )
    assert [site.scale for site in sites(model.unet)] == [
        1,
        1,
        2,
        2,
        4,
        4,
        8,
        4,
        4,
        4,
        2,
        2,
        2,
        1,
        1,
        1,
    ]
