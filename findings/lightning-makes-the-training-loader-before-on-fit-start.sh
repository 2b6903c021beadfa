#!/usr/bin/env bash
# pytorch-lightning 2.6.6 with torch 2.15.0: a LightningModule whose schedule asks for trainer.estimated_stepping_batches.
# Expected: `on_fit_start`, "called at the very beginning of fit", comes before the training data are asked for, so that it can prepare
# what the loader gives.
# Seen: strategy.setup calls configure_optimizers, and so makes the training loader, before on_fit_start; validation's comes after.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 pytorch-lightning==2.6.6 2>/dev/null
"$folder/venv/bin/python" - 2>/dev/null <<'PY'
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

order = []

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, _):
        return self.layer(batch).mean()

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        steps = self.trainer.estimated_stepping_batches
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)]

    def on_fit_start(self):
        order.append("on_fit_start")

    def train_dataloader(self):
        order.append("train_dataloader")
        return DataLoader(torch.zeros(4, 2))

    def val_dataloader(self):
        order.append("val_dataloader")
        return DataLoader(torch.zeros(4, 2))

pl.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False).fit(Model())
print(*order, sep=", ")
assert order == ["train_dataloader", "on_fit_start", "val_dataloader"]
PY
