"""Which image file is which frame of a sequence folder, whatever the number of digits in its names."""

from pathlib import Path

from smiletrack.data.mot import SequenceInfo
from smiletrack.errors import InputError


def frame_images(info: SequenceInfo) -> dict[int, Path]:
    """Return the image of each frame that is there, in frame order: {1: .../000001.jpg, ...}.

    MOTChallenge writes six digits, DanceTrack eight: the number counts, not its form. A folder of another file type
    than `imExt` says is an InputError; a folder that is absent or empty gives an empty dict.
    """
    folder = info.image_folder
    if not folder.is_dir():
        return {}
    numbered = [path for path in folder.iterdir() if path.stem.isdecimal()]
    images = {int(path.stem): path for path in numbered if path.suffix.lower() == info.image_extension.lower()}
    if numbered and not images:
        raise InputError(
            f"{folder}: no {info.image_extension} files as imExt in {info.folder}/seqinfo.ini says, "
            f"but {numbered[0].suffix} files; correct imExt"
        )
    return dict(sorted(images.items()))
