"""A mistake found in a loader process reads like one found here."""

import pytest
from torch.utils.data import DataLoader

from src.errors import UserError


class Broken:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        raise UserError("photo.jpg is empty:\nremove it")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_message_from_a_loader_process_has_no_traceback(workers):
    with pytest.raises(UserError) as error:
        next(iter(DataLoader(Broken(), num_workers=workers)))
    assert str(error.value) == "photo.jpg is empty:\nremove it"
