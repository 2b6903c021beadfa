"""AlexNet's response normalisation with the paper's own numbers, within each of the streams.

Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural networks, NeurIPS 2012 (section
3.3): b = a / (k + alpha * sum a^2)^beta over n neighbouring maps, with k=2, n=5, alpha=1e-4 and beta=0.75.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NEIGHBOURS, ALPHA, BETA, K = 5, 1e-4, 0.75, 2.0


class ResponseNormalization(nn.LocalResponseNorm):
    """Maps (B, C, H, W) to the same shape; no map has neighbours in another of the `streams`.

    Torch takes the mean of the squares where the paper takes their sum: its alpha is five times the paper's.
    """

    def __init__(self, streams: int = 1) -> None:
        super().__init__(NEIGHBOURS, alpha=NEIGHBOURS * ALPHA, beta=BETA, k=K)
        self.streams = streams

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return each response divided by a power of its neighbours' squares."""
        parts = x_BCHW.chunk(self.streams, dim=1)
        return torch.cat([F.local_response_norm(part, self.size, self.alpha, self.beta, self.k) for part in parts], 1)
