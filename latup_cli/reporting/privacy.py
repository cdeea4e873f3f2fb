"""Keep folders, machines and people out of what a report says."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from latup_cli.domain.privacy import discreet, discreet_file, private_words, renamed

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
        private: Words of DICOM tags that tell who the patient is, in lower case.
    """

    folder: Path
    study: str
    private: frozenset[str] = field(default=frozenset(), repr=False)

    def path(self, path: Path) -> str:
        """A path relative to the study's folder, or the bare file name for one from elsewhere.

        Names on it that tell who the patient is become hashes.
        """
        absolute = Path(os.path.abspath(path))  # noqa: PTH100  (resolve() would follow links)
        try:
            inside = absolute.relative_to(self._absolute_folder)
        except ValueError:
            inside = Path(absolute.name)
        *folders, name = self._renamed(inside.as_posix()).split("/")
        private = private_words(absolute.parent) | self.private
        hidden = [discreet(folder, self.private) for folder in folders]
        return "/".join([*hidden, discreet_file(name, private)])

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
        return renamed(text, self._absolute_folder.name, self.study)
