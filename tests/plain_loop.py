"""What a beginner writes: the same network and images, Adam at 1e-3, no augmentation, no schedule."""

from __future__ import annotations

import torch

from src.config import saved
from src.config.command import compose
from src.runs.training import build_model, open_data


def plain_accuracy(*overrides: str) -> float:
    """Return the accuracy on test after `trainer.max_epochs` of the overrides, with their batch size and seed."""
    kept = [override for override in overrides if not override.startswith("augment=")]
    config = saved.plain(compose("train", [*kept, "augment=none"]).config)
    data = open_data(config)
    model = build_model(config, data.open())
    data.wanted_targets = model.requires
    images, labels = whole(data, "train")
    optimizer = torch.optim.Adam(model.network.parameters(), lr=1e-3)
    random = torch.Generator().manual_seed(config["seed"])
    torch.manual_seed(config["seed"])
    model.train()
    for _ in range(config["trainer"]["max_epochs"]):
        for batch in torch.randperm(len(labels), generator=random).split(config["data"]["batch_size"]):
            loss, _ = model.compute_loss({"image": images[batch], "label": labels[batch]})
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.eval()
    images, labels = whole(data, "test")
    with torch.inference_mode():
        answers = torch.cat([model.predicted(part)["probabilities"].argmax(1) for part in images.split(64)])
    return float((answers == labels).float().mean())


def whole(data, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all normalised images and labels of a split, as evaluation sees them."""
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.in_order(split)]
    return torch.cat([batch["image"] for batch in batches]), torch.cat([batch["label"] for batch in batches])
