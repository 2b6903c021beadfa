from __future__ import annotations

import torch
from safetensors.torch import save_file
from torchvision.models import GoogLeNet
from torchvision.models.googlenet import GoogLeNetOutputs

from src.networks.preprocessing import preprocessing
from tests.networks.building import build, section


def test_auxiliary_logits_come_while_training_only():
    network = build("googlenet_bn", num_classes=4)
    images = torch.rand(2, 3, 64, 64)
    output = network(images)
    assert isinstance(output, GoogLeNetOutputs)
    assert [logits.shape for logits in output] == [(2, 4)] * 3
    assert network.eval()(images).shape == (2, 4)


def test_without_auxiliary_classifiers_there_are_logits_alone():
    network = build("googlenet_bn", num_classes=4, auxiliary=False)
    assert network(torch.rand(2, 3, 64, 64)).shape == (2, 4)
    assert not any(key.startswith("aux") for key in network.state_dict())


def test_weights_with_auxiliary_classifiers_fit_a_network_without(tmp_path):
    full = build("googlenet_bn")
    save_file(full.state_dict(), tmp_path / "full.safetensors")
    bare = build("googlenet_bn", auxiliary=False, weights=str(tmp_path / "full.safetensors"))
    assert all(torch.equal(value, full.state_dict()[key]) for key, value in bare.state_dict().items())


def test_published_weights_see_the_numbers_that_torchvision_gives_them():
    """torchvision converts ImageNet's normalisation inside the network; ours is normalised with 0.5 from the start."""
    torch.manual_seed(0)
    theirs = GoogLeNet(num_classes=4, transform_input=True, init_weights=True).eval()
    ours = build("googlenet_bn", num_classes=4).eval()
    ours.load_state_dict(theirs.state_dict())
    found = preprocessing(section("googlenet_bn", weights="IMAGENET1K_V1"))
    assert found is not None

    def normalized(images, mean, std):
        return (images - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)

    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs(normalized(images, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
        torch.testing.assert_close(ours(normalized(images, found.mean, found.std)), expected)
