"""A run over the images of its sequences: identities and trails, or with truth every mistake marked."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smiletrack.config import nearest
from smiletrack.console import progress, say
from smiletrack.data.image_files import write_image
from smiletrack.data.video import VideoWriter
from smiletrack.engine.run_folders.folder import latest_run
from smiletrack.engine.run_folders.results import SequenceRun, benchmark_of, read_run, read_sequence_run
from smiletrack.errors import InputError
from smiletrack.images import Frame
from smiletrack.lazy import LazyModule
from smiletrack.ranges import Checked
from smiletrack.types import Floats, Ints, TrackTable
from smiletrack.view.drawing import TrackPainter, class_words, draw_lines
from smiletrack.view.error_analysis import find_switches
from smiletrack.view.mistake_painter import MistakePainter
from smiletrack.view.rerun_recording import RerunRecording

cv2 = LazyModule("cv2")


@dataclass(frozen=True)
class ShowConfig(Checked):
    """Draw the tracks of a run on the images of its sequences; with ground truth, mark every mistake.

    Reads a run folder (or result files) and the sequences it was made from. Writes one H.264 video a sequence, or JPEG
    images. Thin boxes are matches in the colour of their identity, dashed red boxes misses, orange boxes false
    positives, thick magenta boxes identity switches (before > after). Without ground truth, identities and trails are
    shown.

      smiletrack show-tracks runs/track                                  # RUN/show/<sequence>.mp4
      smiletrack show-tracks runs/mine --gt datasets/MOT17/train --sequences MOT17-09-FRCNN
      smiletrack show-tracks runs/mine --marks tracks --format images --output pictures
      smiletrack show-tracks runs/mine --format rerun                    # then: rerun runs/mine/show/*.rrd
    """

    run: str = ""
    """Run folder, or a folder of result files; empty = the last run below runs/."""

    gt: str = ""
    """Folder of the sequences with images and, if there is any, ground truth; empty = the data of the run."""

    sequences: tuple[str, ...] = ()
    """Names of the sequences to draw; empty = all of the run."""

    split: Literal["auto", "all", "train", "val", "test", "train_half", "val_half"] = "auto"
    """Part of each sequence that was tracked; auto = as in the run's configuration."""

    marks: Literal["auto", "mistakes", "tracks"] = "auto"
    """mistakes: matches, misses, false positives and identity switches. tracks: identities and trails. auto: mistakes
    if there is ground truth."""

    format: Literal["video", "images", "rerun"] = "video"
    """video: one <sequence>.mp4. images: a folder <sequence>/ of JPEG files. rerun: <sequence>.rrd, a recording for the
    Rerun viewer with frames, tracks and trails on a timeline (pip install 'smiletrack[rerun]')."""

    benchmark: Literal["auto", "MOT15", "MOT16", "MOT17", "MOT20", "DanceTrack"] = "auto"
    """Benchmark whose preprocessing rules apply; auto = the one named in the path of the ground truth, else MOT17."""

    output: str = ""
    """Folder for the pictures; empty = RUN/show."""


def show_tracks(config: ShowConfig) -> list[Path]:
    """Paint every sequence asked for; return the files or folders made."""
    run = read_run(config.run or latest_run())
    for name in config.sequences:
        if name not in run.results:
            raise InputError(f"sequences: no {name!r} in {run.folder}{nearest(name, list(run.results))}")
    folder = Path(config.output) if config.output else run.folder / "show"
    benchmark = benchmark_of(run.data_root(config.gt)) if config.benchmark == "auto" else config.benchmark
    made = []
    for name in config.sequences or run.results:
        sequence = read_sequence_run(run, name, config.gt, config.split, benchmark)
        if sequence.matching is None and config.marks == "mistakes":
            raise InputError(f"{name}: {'; '.join(sequence.notes)}; --marks tracks shows what the tracker found")
        made.append(_show(sequence, folder, config, run.class_names))
    return made


def _show(sequence: SequenceRun, folder: Path, config: ShowConfig, class_names: tuple[str, ...]) -> Path:
    """Show the frames of a sequence that are there; InputError where none is."""
    source = sequence.images()
    numbers = range(1, sequence.num_frames + 1)
    path = folder / (sequence.name + {"video": ".mp4", "images": "", "rerun": ".rrd"}[config.format])
    shown = 0
    with (
        _recorded(sequence, class_names, path, source.frame_rate)
        if config.format == "rerun"
        else _painted(sequence, class_names, path, source.frame_rate, config)
    ) as show:
        for number, frame in progress(source.pick(numbers), sequence.name, len(numbers)):
            show(number, frame)
            shown += 1
        if not shown:
            raise InputError(f"{sequence.name}: none of the frames 1 .. {len(numbers)} of this run has an image")
    missing = f"; {len(numbers) - shown} of {len(numbers)} frames have no image" if shown < len(numbers) else ""
    say(f"{path}: {shown} frames{missing}", *(f"  {problem}" for problem in source.problems))
    return path


@contextmanager
def _painted(
    sequence: SequenceRun, class_names: tuple[str, ...], path: Path, frame_rate: float, config: ShowConfig
) -> Iterator[Callable[[int, Frame], None]]:
    paint = _painter(sequence, config.marks, class_names)
    with _video(path, frame_rate) if config.format == "video" else _images(path) as write:
        yield lambda number, frame: write(paint(frame, number))


@contextmanager
def _recorded(
    sequence: SequenceRun, class_names: tuple[str, ...], path: Path, frame_rate: float
) -> Iterator[Callable[[int, Frame], None]]:
    with RerunRecording(path, sequence.name, frame_rate) as recording:
        yield lambda number, frame: recording.log(number, frame, *_tracks_at(sequence.results, number, class_names))


def _tracks_at(results: TrackTable, number: int, class_names: tuple[str, ...]) -> tuple[Ints, Floats, Sequence[str]]:
    """Return identities and boxes of a frame, and what their classes are called where there are several."""
    rows = (results.frames == number).nonzero()[0]
    several = bool((results.classes > 1).any())
    kinds = class_words(results.classes[rows], class_names) if several else ()
    return results.ids[rows], results.boxes[rows], kinds


def _painter(sequence: SequenceRun, marks: str, class_names: tuple[str, ...]) -> Callable[[Frame, int], Frame]:
    """Return a function: frame and its number in the run -> painted copy, with classes where there are several."""
    if sequence.matching is not None and marks != "tracks":
        return MistakePainter(sequence.matching, find_switches(sequence.matching, max_costed=0)).paint
    painter = TrackPainter()

    def paint(frame: Frame, number: int) -> Frame:
        ids, boxes, kinds = _tracks_at(sequence.results, number, class_names)
        image = painter.paint(frame, ids, boxes, kinds=kinds)
        draw_lines(image, [f"frame {number}", f"{len(ids)} tracks"])
        return image

    return paint


@contextmanager
def _video(path: Path, frame_rate: float) -> Iterator[Callable[[Frame], None]]:
    with VideoWriter(path, frame_rate) as writer:
        yield writer.write


@contextmanager
def _images(folder: Path) -> Iterator[Callable[[Frame], None]]:
    folder.mkdir(parents=True, exist_ok=True)
    written = 0

    def write(image: Frame) -> None:
        nonlocal written
        written += 1
        write_image(folder / f"{written:06d}.jpg", image)

    yield write
    for file in folder.glob("[0-9]*.jpg"):  # of a longer run that was shown here before
        if file.stem.isdecimal() and int(file.stem) > written:
            file.unlink()
