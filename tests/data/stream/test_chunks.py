"""What an index may say of its chunks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from src.data.stream.chunks import Chunks
from src.errors import UserError


@pytest.mark.parametrize("name", ["../outside.bin", "/etc/passwd", "a/b.bin"])
def test_a_chunks_name_leads_nowhere_else(name: str) -> None:
    index: dict[str, Any] = {"chunks": [{"filename": name, "chunk_bytes": 8, "chunk_size": 1}], "config": {}}
    place: Any = SimpleNamespace(url="s3://bucket/x", local=None)
    with pytest.raises(UserError, match=r"names a chunk .* which is no file's name"):
        Chunks(place, index, np.zeros(1, np.uint32), cache=SimpleNamespace())  # type: ignore[arg-type]
