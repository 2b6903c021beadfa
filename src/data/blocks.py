"""Memory for whole batches: in a loader process it is shared memory, so that a batch crosses without a copy.

A tensor that is not in shared memory is copied into it when a worker hands it over, and every tensor costs a file
descriptor and a handshake of its own. Hence images are written where they will be read, and everything else that a
batch has lies in one block.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import get_worker_info

_ALIGNED = 64  # bytes: a cache line, and enough for every type


def empty(*shape: int) -> Tensor:
    """Return uint8 memory of a shape, shared where this is a loader process."""
    size = int(np.prod(shape))
    if get_worker_info() is None or not size:
        return torch.empty(shape, dtype=torch.uint8)
    storage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=torch.uint8).set_(storage).view(shape)  # type: ignore[call-overload, no-any-return]


def together(arrays: Sequence[NDArray[np.generic]]) -> list[Tensor]:
    """Return tensors with the values of arrays, all in one block of memory."""
    if get_worker_info() is None:
        return [torch.tensor(array) for array in arrays]
    starts = np.cumsum([0, *(-(-array.nbytes // _ALIGNED) * _ALIGNED for array in arrays)]).tolist()
    block = empty(max(_ALIGNED, starts[-1]))
    tensors = []
    for start, array in zip(starts, arrays, strict=False):
        kind = torch.from_numpy(np.empty(0, array.dtype)).dtype
        tensor = block[start : start + array.nbytes].view(kind).view(array.shape)
        tensor.numpy()[...] = array
        tensors.append(tensor)
    return tensors
