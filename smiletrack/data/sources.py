"""Frames to look at, wherever they are: a folder of images, a sequence, a video, a stream, a camera."""

from pathlib import Path

from smiletrack.data.image_files import IMAGE_SUFFIXES, pair_frames
from smiletrack.data.image_source import open_images
from smiletrack.data.mot import sequence_name
from smiletrack.data.sequence_folders import is_sequence
from smiletrack.data.sequences import open_folder
from smiletrack.data.video import FrameSource, open_camera, open_video
from smiletrack.errors import InputError
from smiletrack.files import is_plain_name


def open_source(spec: str | int | Path, frame_rate: float = 0.0) -> FrameSource:
    """Open a folder of images, a sequence folder, a video, a stream address (`rtsp://...`) or a camera's number.

    Images are paired with frames as `image_files.pair_frames` says. frame_rate: frames a second, whatever the source
    says; 0 = what it says. Raises InputError where there is nothing to read.
    """
    source = _open(str(spec))
    if frame_rate:
        source.frame_rate, source.rate_known, source.notes = frame_rate, True, ()
    return source


def _open(text: str) -> FrameSource:
    """Return a source by what its text is: the number of a camera, an address, a folder, an image or a video."""
    path = Path(text)
    if text.isdecimal() and not path.exists():
        return open_camera(int(text))
    if "://" in text:
        name = text.rsplit("/", 1)[-1]
        return open_video(text, name if is_plain_name(name) else "stream")
    if path.is_dir():
        return _open_images_below(path)
    if not path.exists():
        raise InputError(f"{path}: no such video, folder or camera")
    if path.suffix.lower() in IMAGE_SUFFIXES - {".gif"}:  # which may move
        return open_images(path.stem, 0.0, {1: path})
    return open_video(str(path), path.stem)


def _open_images_below(folder: Path) -> FrameSource:
    if is_sequence(folder):
        return open_folder(folder).images()
    images = pair_frames(folder).by_frame
    if not images:
        raise InputError(f"{folder}: neither images nor a MOT sequence (seqinfo.ini, img1/) in this folder")
    return open_images(sequence_name(folder), 0.0, images)
