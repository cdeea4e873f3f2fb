"""Exit code 4: a quality check refused the study."""

from __future__ import annotations

from pathlib import Path

from latup_cli.errors.base import LatupError


class QualityError(LatupError):
    """A quality check refused the study."""

    exit_code = 4


class SkullPresentError(QualityError):
    """An image shows a whole head, where only the brain may be left."""

    hint = (
        "Leave out --skull-strip none, give the brain with --brain-mask, or remove the skull from "
        "all four modalities, registered to one grid, with every voxel outside the brain 0."
    )

    def __init__(self, path: Path, finding: str) -> None:
        super().__init__(path, finding)

    def __str__(self) -> str:
        path, finding = self.args
        return f"{path} is not skull-stripped: {finding}."


class MixedSkullError(QualityError):
    """Some images are skull-stripped and others are not, and they do not lie on one grid."""

    hint = (
        "A stripped image is never registered to a whole head, for the result cannot be trusted: "
        "give all four with their skulls, or all four without."
    )

    def __init__(self, heads: tuple[Path, ...], stripped: tuple[Path, ...]) -> None:
        super().__init__(heads, stripped)

    def __str__(self) -> str:
        heads, stripped = (", ".join(map(str, paths)) for paths in self.args)
        return f"Skull-stripped ({stripped}) and whole heads ({heads}) cannot be registered."


class CheckRefusedError(QualityError):
    """Numbers that were measured on the prepared study are far beyond their limits."""

    def __init__(self, problems: tuple[str, ...], hints: tuple[str, ...] = ()) -> None:
        super().__init__(problems, hints)
        self.hint = " ".join((*dict.fromkeys(hints), "To go on in spite of it: --force."))

    def __str__(self) -> str:
        return f"Refused by {len(self.args[0])} quality check(s): {' '.join(self.args[0])}"


class NoBrainFoundError(QualityError):
    """The networks that remove the skull saw no brain in any image."""

    hint = (
        "Look at the images: is it a head, upright in the scanner? Otherwise give the brain with "
        "--brain-mask FILE, or try --skull-strip hd-bet."
    )

    def __init__(self, modalities: tuple[str, ...]) -> None:
        super().__init__(modalities)

    def __str__(self) -> str:
        return f"No brain was found in {', '.join(self.args[0])}."


class ImagesApartError(QualityError, ValueError):
    """Skull-stripped images, brought to one grid, show no place in common."""

    hint = (
        "Look at them side by side in a viewer: their headers put them in different places. "
        "Leave out --no-register, or give the brain with --brain-mask FILE."
    )

    def __str__(self) -> str:
        return "The images show no place in common."


class RegistrationFailedError(QualityError):
    """An image could not be laid over the reference at all."""

    hint = "Look at the image: does it show the same head, and most of it?"

    def __init__(self, modality: str, reason: str) -> None:
        super().__init__(modality, reason)

    def __str__(self) -> str:
        modality, reason = self.args
        return f"{modality} cannot be registered: {reason}."
