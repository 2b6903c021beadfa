"""A folder per identity, as face collections come, with or without a file of pairs or of curated triplets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Len

from src.data.listing import Listing
from src.data.sources.base import Indices, Pairs
from src.data.sources.folder import Folder, check_classes, class_remarks, images_by_class
from src.data.sources.folder_layout import find_layout
from src.data.sources.identity_lists import People, found_list, read_pairs, read_triplets


class IdentityFolder(Folder):
    """Images in a folder named after whom they show: `root/s1/1.pgm`, `root/Ann_Lee/Ann_Lee_0001.jpg`.

    Identities and their images are in natural order (s2 before s10). Where there are folders train, val and test above
    them, their identities may differ, and should. `pairs` is a file in the format of Labeled Faces in the Wild,
    `triplets` a csv of anchor, positive, negative; both are looked for in the folder with the people, in `root`, in the
    folder above the people and in the current one.
    """

    def __init__(
        self,
        root: str,
        folder: str | None,
        channels: Annotated[int, Ge(1)],
        pairs: str | None,
        triplets: str | None,
        splits: Literal["auto", "none"] | dict[str, str],
        range: Literal["auto", "full"] | Annotated[list[float], Len(2, 2)],
    ) -> None:
        super().__init__(root, None, channels, splits, range)
        given = self.root
        if folder is not None and (self.root / folder).is_dir():
            self.root = self.root / folder
        self._places = (self.root, given, self.root.parent, Path.cwd())
        self.pairs_file, self.triplets_file = pairs, triplets
        self._pairs: Pairs | None = None
        self._triplets: Indices | None = None

    def _find(self) -> None:
        """List the files, and read the lists. Raises UserError with everything that is wrong with one of them."""
        layout, listing = find_layout(self.root, self.told_splits), Listing()
        found: dict[str, dict[str, list[str]]] = {}
        for split, folder in layout.splits.items():
            people = images_by_class(folder, listing)
            check_classes(self.root, folder, people)
            found[split] = {name: sorted(people[name], key=natural) for name in sorted(people, key=natural)}
        names = {name for people in found.values() for name in people}
        self._list(tuple(sorted(names, key=natural)), found)
        self.remarks = (*layout.remarks, *class_remarks(self.root, {name: [] for name in names}, listing))
        known = People(self.classes, self._labels, self.root, self._files)
        if self.pairs_file is not None:
            self._pairs = read_pairs(found_list(self.pairs_file, self._places, "data.source.pairs"), known)
        if self.triplets_file is not None:
            self._triplets = read_triplets(found_list(self.triplets_file, self._places, "data.source.triplets"), known)

    def pairs(self) -> Pairs | None:
        """Return the pairs of the file, where one is named."""
        return self._pairs

    def triplets(self) -> Indices | None:
        """Return the triplets (T, 3) of the file, where one is named."""
        return self._triplets

    def annotation(self, index: int) -> bytes:
        """Return the pairs and triplets that begin with an image, for the digest of the data."""
        said = b""
        if self._pairs is not None:
            mine = self._pairs.first == index
            said += b"".join(part[mine].tobytes() for part in (self._pairs.second, self._pairs.fold))
        if self._triplets is not None:
            said += self._triplets[self._triplets[:, 0] == index].tobytes()
        return said


def natural(name: str) -> tuple[list[str | int], str]:
    """Return a key that sorts numbers within names by their value."""
    parts = re.split(r"(\d+)", name)  # text and numbers in turn, text first
    return [int(part) if number % 2 else part.lower() for number, part in enumerate(parts)], name
