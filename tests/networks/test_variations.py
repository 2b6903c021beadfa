"""Other normalisations and poolings of any network, against torch and against hand calculations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from src.errors import UserError
from src.networks.head import replace_head
from src.networks.trace import trace
from src.networks.variations import MiniBatchGroupNorm, normalization_of
from tests.networks.building import SMALL_FAMILIES, build, parameters

WINDOWS = [name for name in SMALL_FAMILIES if name not in ("lenet", "efficientnet", "mobilenet", "convnext", "timm")]
VARIED = [*WINDOWS, "lenet", "efficientnet", "mobilenet"]
LIGHT = [name for name in VARIED if name not in ("vgg19", "alexnet", "zfnet")]


def test_the_books_group_normalisation_by_hand() -> None:
    """Two groups of two channels over a batch of two: one mean and one deviation for each group."""
    layer = MiniBatchGroupNorm(2, 4)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([2.0, 1.0]))
        layer.bias.copy_(torch.tensor([0.0, 5.0]))
    images = torch.arange(16.0).reshape(2, 4, 1, 2)
    # group 0: 0..3 and 8..11, mean 5.5, variance (5.5^2 + 4.5^2 + 3.5^2 + 2.5^2) / 4 = 17.25; group 1: 4 higher
    found = layer(images)
    assert found[0, 0, 0, 0].item() == pytest.approx(2 * (0 - 5.5) / 17.25**0.5, rel=1e-5)
    assert found[1, 3, 0, 1].item() == pytest.approx((15 - 9.5) / 17.25**0.5 + 5, rel=1e-5)
    assert layer.running_mean.tolist() == pytest.approx([0.55, 0.95])


def test_with_a_group_for_each_channel_it_is_batch_normalisation() -> None:
    torch.manual_seed(0)
    ours, theirs, images = MiniBatchGroupNorm(6, 6), nn.BatchNorm2d(6), torch.randn(4, 6, 5, 5)
    torch.testing.assert_close(ours(images), theirs(images))
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_torchs_group_normalisation_is_another() -> None:
    """Per sample, with a gamma per channel: it does not see the rest of the batch."""
    torch.manual_seed(0)
    book, torchs, images = MiniBatchGroupNorm(2, 4), nn.GroupNorm(2, 4), torch.randn(3, 4, 5, 5)
    assert (book.weight.numel(), torchs.weight.numel()) == (2, 4)
    torch.testing.assert_close(torchs(images[:1]), torchs(images)[:1])
    assert not torch.allclose(book(images[:1]), book(images)[:1])


def test_the_books_batch_statistics_per_pixel_are_not_torchs_per_channel() -> None:
    """The chapter normalises each neuron by its own mean over the mini-batch; torch shares it over a channel's map."""
    images = torch.tensor([[[[0.0, 10.0]]], [[[2.0, 14.0]]]])  # two images of 1 x 2 pixels
    per_pixel = (images - images.mean(0)) / images.var(0, unbiased=False).sqrt()
    assert per_pixel.flatten().tolist() == [-1, -1, 1, 1]
    per_channel = nn.BatchNorm2d(1, eps=1e-12)(images)
    deviation = ((6.5**2 + 3.5**2 + 4.5**2 + 7.5**2) / 4) ** 0.5  # about the mean of all four, 6.5
    assert per_channel.flatten().tolist() == pytest.approx([x / deviation for x in (-6.5, 3.5, -4.5, 7.5)], rel=1e-5)


def test_no_group_is_a_single_channel() -> None:
    """LeNet has 6 and 16 channels: 3 and 8 groups of two. Prime numbers make one group, multiples of 32 make 32."""
    network = build("lenet", normalization="group", image_size=32)
    found = [(layer.num_channels, layer.num_groups) for layer in network.modules() if isinstance(layer, nn.GroupNorm)]
    assert found == [(6, 3), (16, 8)]
    expected = {1: 1, 2: 1, 7: 1, 24: 12, 32: 16, 40: 20, 64: 32, 96: 32}
    assert {channels: normalization_of("group", channels).num_groups for channels in expected} == expected
    assert {channels: normalization_of("group_chapter", channels).groups for channels in expected} == expected


@pytest.mark.parametrize("kind", ["none", "batch", "group", "group_chapter"])
@pytest.mark.parametrize("family", LIGHT)
def test_every_family_learns_with_every_normalisation(family: str, kind: str) -> None:
    torch.manual_seed(0)
    network = build(family, num_classes=4, normalization=kind, **SMALL_FAMILIES[family])
    kinds = {"batch": nn.BatchNorm2d, "group": nn.GroupNorm, "group_chapter": MiniBatchGroupNorm}
    found = {name for name, type_ in kinds.items() if any(isinstance(layer, type_) for layer in network.modules())}
    assert found == ({kind} if kind != "none" else set())
    output = network(torch.rand(2, 3, 64, 64))
    logits = output if isinstance(output, torch.Tensor) else output[0]
    logits.square().sum().backward()
    assert all(layer.bias is not None for layer in network.modules() if isinstance(layer, nn.Conv2d)) or kind != "none"


@pytest.mark.parametrize("family", WINDOWS)
def test_another_pooling_leaves_sizes_and_weights_as_they_are(family: str) -> None:
    with torch.device("meta"):
        published = build(family, image_size=96, **SMALL_FAMILIES[family])
        averages = build(family, image_size=96, pooling="average", **SMALL_FAMILIES[family])
    assert not any(isinstance(layer, nn.MaxPool2d) for layer in averages.modules())
    assert parameters(averages) == parameters(published)
    sizes = [[layer.output for layer in trace(network, 3, 96, 96).layers] for network in (published, averages)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(("family", "depth"), [("resnet", 512), ("vgg19", 512), ("alexnet", 256), ("squeezenet", 512)])
def test_one_by_one_filters_reduce_the_depth_before_the_head(family: str, depth: int) -> None:
    network = build(family, reduction=8, num_classes=4, **SMALL_FAMILIES[family]).eval()
    found = [layer for layer in trace(network, 3, 64, 64).layers if layer.output[0] == 8]
    assert found[0].parameters == (depth + 1) * 8  # 4,104 for 512, where the chapter's text says 4,112
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 4)


@pytest.mark.parametrize("family", VARIED)
def test_the_depth_is_reduced_before_the_head_of_every_family(family: str) -> None:
    """What only training runs, as the intermediate classifiers of GoogLeNet, is not the next layer."""
    with torch.device("meta"):
        network = build(family, reduction=7, num_classes=4, **SMALL_FAMILIES[family])
        output = network(torch.empty(2, 3, 64, 64))
    logits = output if isinstance(output, torch.Tensor) else output[0]
    found = trace(network, 3, 64, 64).layers
    assert logits.shape == (2, 4)
    assert sum(layer.output[0] == 7 and layer.kind == "convolution" for layer in found) == 1


@pytest.mark.parametrize(("family", "layers"), [("resnet", 1), ("lenet", 3), ("mobilenet", 1), ("convnext", 1)])
def test_dense_layers_drop_their_inputs_while_training_alone(family: str, layers: int) -> None:
    """With nearly everything dropped nothing but the biases is left; evaluation, names and weights are as before."""
    torch.manual_seed(0)
    published = build(family, num_classes=4, image_size=32, **SMALL_FAMILIES[family]).eval()
    network = build(family, num_classes=4, image_size=32, dropout=0.9, **SMALL_FAMILIES[family]).eval()
    network.load_state_dict(published.state_dict())
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network(images), published(images))
    found = [m for m in network.modules() if (getattr(m, "dropout", None) or getattr(m, "p", None)) == 0.9]
    assert len(found) == layers
    for layer in found:
        layer.train()
    assert not torch.equal(network(images), published(images))


def test_a_new_head_drops_as_the_one_before() -> None:
    network = build("resnet", dropout=0.3, image_size=32)
    replace_head(network, 7)
    assert (network.fc.out_features, network.fc.dropout) == (7, 0.3)


@pytest.mark.parametrize("family", ["efficientnet", "resnet"])
def test_a_network_without_windows_has_no_other_pooling(family: str) -> None:
    with torch.device("meta"), pytest.raises(UserError, match="has no pooling with a window"):
        build(family, image_size=32, pooling="average", **({"stem": "small"} if family == "resnet" else {}))


def test_published_weights_belong_to_published_layers() -> None:
    with pytest.raises(UserError, match=r"leave away network\.normalization=group"):
        build("resnet", weights="IMAGENET1K_V1", normalization="group", image_size=224)


def test_batch_normalisation_and_none_contradict_each_other() -> None:
    with torch.device("meta"), pytest.raises(UserError, match=r"network\.normalization=none contradict"):
        build("vgg19", depth=11, batch_norm=True, normalization="none")
    with torch.device("meta"):
        network = build("vgg19", depth=11, batch_norm=True, normalization="batch")
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()) == 8  # one behind each convolution


def test_a_varied_network_is_followed_to_its_end() -> None:
    network = build("resnet", normalization="group_chapter", image_size=64, stem="imagenet")
    plain = build("resnet", image_size=64, stem="imagenet")
    fields = [trace(one, 3, 64, 64).fields["layer4"].rows for one in (network, plain)]
    assert [field.size for field in fields] == [435, 435]
