#!/usr/bin/env bash
# pytorch-lightning 2.6.6 with torch 2.15.0: a training with max_steps, continued from a checkpoint that on_train_epoch_end wrote.
# Expected: it begins with the next epoch, as the same training without max_steps does.
# Seen: with max_steps it goes back into the finished epoch, trains one batch more of it and ends it a second time.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 pytorch-lightning==2.6.6 2>/dev/null
cd "$folder" && "$folder/venv/bin/python" - 2>/dev/null <<'PY'
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

class Model(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.batches, self.epochs = 0, []

    def training_step(self, batch, _):
        self.batches += 1
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_train_epoch_end(self):
        self.epochs.append(self.batches)
        self.batches = 0

class Keep(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        trainer.save_checkpoint("last.ckpt")

def batches_of_epochs(checkpoint, **limits):
    model = Model()
    options = dict(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    trainer = pl.Trainer(callbacks=[Keep()], **options, **limits)
    trainer.fit(model, DataLoader(torch.zeros(3, 2)), ckpt_path=checkpoint)
    return model.epochs

batches_of_epochs(None, max_epochs=1)
by_epochs = batches_of_epochs("last.ckpt", max_epochs=3)
batches_of_epochs(None, max_epochs=1)
by_steps = batches_of_epochs("last.ckpt", max_epochs=3, max_steps=9)
print("batches in each epoch after the first: by epochs", by_epochs, "with max_steps too", by_steps)
assert by_epochs == [3, 3] and by_steps == [1, 3]
PY
