"""Keep folders, machines and people out of what a report says."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

# An absolute path's folders: a drive, a share or a root, then names up to the last separator.
# A web address is none: its slashes follow a colon or a word.
_FOLDERS = re.compile(
    r"(?<![\w./\\])(?<!:(?=//))(?:[A-Za-z]:[\\/]+|\\\\|/)(?=[^\s/\\])"
    r"(?:[^\s'\"<>|:;,()\[\]\\/]+[\\/]+)*"
)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What a report may say about places.

    Attributes:
        folder: The study's folder. Its own name is often the patient's.
        study: The name that stands for the study in outputs.
    """

    folder: Path
    study: str

    def path(self, path: Path) -> str:
        """A path relative to the study's folder, or the bare file name for one from elsewhere."""
        absolute = Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)
        try:
            inside = absolute.relative_to(self._absolute_folder)
        except ValueError:
            inside = Path(absolute.name)
        return self._renamed(inside.as_posix())

    def text(self, text: str) -> str:
        """A sentence in which every absolute path has lost its folders."""
        for place in (self._absolute_folder, self.folder.resolve(), Path("~").expanduser()):
            # Exactly these may hold spaces, which no pattern could tell from the sentence's own.
            if place.is_absolute() and place != Path(place.anchor):
                text = re.sub(re.escape(str(place)) + r"[\\/]", "", text)
                text = re.sub(re.escape(str(place)) + r"(?!\w)", place.name, text)
        return self._renamed(_FOLDERS.sub("", text))

    @property
    def _absolute_folder(self) -> Path:
        return Path(os.path.abspath(self.folder))  # noqa: PTH100

    def _renamed(self, text: str) -> str:
        """The folder's own name gives way to the study's wherever it stands as a word."""
        name = self._absolute_folder.name
        if not name or name == self.study:
            return text
        pattern = rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
        return re.sub(pattern, lambda _: self.study, text)
