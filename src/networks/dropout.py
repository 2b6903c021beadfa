"""A dense layer with dropout, under the names that a dense layer's weights have."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class DroppingLinear(nn.Linear):
    """A dense layer that drops a share `dropout` of its inputs while it trains; its weights have a dense layer's names.

    Hinton et al.: Improving neural networks by preventing co-adaptation of feature detectors, 2012.
    """

    dropout: float = 0.0

    @classmethod
    def like(cls, dense: nn.Linear, dropout: float) -> DroppingLinear:
        """Return a layer with the parameters of `dense`, not copies."""
        new = cls(1, 1, bias=False, device="meta")
        new.in_features, new.out_features, new.dropout = dense.in_features, dense.out_features, dropout
        new.weight, new.bias = dense.weight, dense.bias
        return new

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        return super().forward(F.dropout(inputs, self.dropout, self.training))

    def extra_repr(self) -> str:
        """Name the share beside what a dense layer says of itself."""
        return f"{super().extra_repr()}, dropout={self.dropout}"
