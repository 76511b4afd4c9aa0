"""Tracks from one format into another: results for CVAT to be corrected, corrections back as truth, tables, KITTI."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from smiletrack.console import say
from smiletrack.data.formats.coco_video import read_coco_video, write_coco_video
from smiletrack.data.formats.cvat import read_cvat, write_cvat
from smiletrack.data.formats.kitti import is_kitti, read_kitti, read_kitti_file, write_kitti
from smiletrack.data.formats.mot_folders import Placing, tracks_of_truth, write_mot_folders, write_mot_results
from smiletrack.data.formats.row_tables import read_row_table, write_row_table
from smiletrack.data.formats.sequence_tracks import SequenceTracks, by_name
from smiletrack.data.formats.visdrone import is_visdrone, read_visdrone
from smiletrack.data.mot import read_results
from smiletrack.data.sequence_folders import select_names
from smiletrack.data.sequences import Sequence, open_folders
from smiletrack.data.sources import open_source
from smiletrack.engine.run_folders.folder import latest_run
from smiletrack.engine.run_folders.results import Run, by_frame, read_run, result_files
from smiletrack.errors import InputError
from smiletrack.input_paths import InputPath
from smiletrack.ranges import Checked
from smiletrack.types import TrackTable

Form = Literal["cvat", "kitti", "coco", "csv", "parquet", "mot", "mot-folders"]
_ENDINGS = {"coco": "json", "csv": "csv", "parquet": "parquet"}


@dataclass(frozen=True)
class ConvertConfig(Checked):
    """Convert tracks between formats: results or annotations in, files for another program out.

    Reads a run folder or result files, MOTChallenge sequences with truth, KITTI's and VisDrone's folders, "CVAT for
    video" XML (a file, or a folder of them), video COCO (.json), and tables (.csv, .parquet); which one is told by the
    path. Writes SOURCE/export/FORMAT for a run, or --output. cvat: one XML a sequence for "Upload annotations".
    kitti, mot: one text file a sequence. coco, csv, parquet: one file. mot-folders: sequences with truth that every
    command reads, images linked.

      smiletrack convert runs/track --to cvat                            # correct the tracks by hand in CVAT
      smiletrack convert annotations.xml --to mot-folders --output datasets/street     # and use them as truth
      smiletrack convert datasets/VisDrone2019-MOT-val --to mot-folders --output datasets/visdrone-val
      smiletrack convert runs/track --to parquet --output tracks.parquet
    """

    source: InputPath = ""
    """What to read; empty = the last run below runs/."""

    to: Form = "cvat"
    """Format to write."""

    output: str = ""
    """Folder, or for coco, csv and parquet the file to write; empty = SOURCE/export/FORMAT of a run."""

    gt: str = ""
    """Folder of the sequences that a run tracked, for sizes, lengths and images; empty = the data of the run."""

    sequences: tuple[str, ...] = ()
    """Names of sequences or patterns, separated by commas; empty = all."""

    images: Placing = "link"
    """What becomes of images with mot-folders: links to them, copies, or none."""

    tolerance: Annotated[float, Ge(0), Le(100)] = 0.5
    """Pixels by which a box may differ from the line between two keyframes of CVAT; fewer keyframes are less work to
    correct. 0 = every box is a keyframe."""


def convert(config: ConvertConfig) -> list[Path]:
    """Read, write, and tell what was written; return the files or folders made."""
    source = Path(config.source) if config.source else latest_run()
    found = by_name(source, read_tracks(source, config.gt))
    tracks = [found[name] for name in select_names(list(found), config.sequences, str(source))]
    output = _output(config, source)
    boxes = sum(len(sequence.table) for sequence in tracks)
    made = _write(config, output, tracks)
    say(f"{output}: {len(tracks)} sequences, {boxes} boxes from {source}")
    return made


def read_tracks(source: Path, gt: str = "") -> list[SequenceTracks]:
    """Return the tracks that a path holds, whatever its format; see `ConvertConfig`.

    InputError where it is none that is known, or cannot be read.
    """
    readers: dict[str, Callable[[Path], list[SequenceTracks]]] = {
        ".xml": lambda file: [read_cvat(file)],
        ".json": read_coco_video,
        ".csv": read_row_table,
        ".parquet": read_row_table,
    }
    if source.is_file():
        if source.suffix.lower() not in readers:
            packed = "; unpack it first" if source.suffix.lower() == ".zip" else ""
            raise InputError(f"{source}: tracks are read from {', '.join(readers)} files and from folders{packed}")
        return readers[source.suffix.lower()](source)
    if not source.is_dir():
        raise InputError(f"{source}: no such file or folder")
    for fits, read in ((is_kitti, read_kitti), (is_visdrone, read_visdrone)):
        if fits(source):
            return read(source)
    if files := sorted((*source.glob("[!.]*.xml"), *source.glob("[!.]*/annotations.xml"))):
        return [_named(read_cvat(file), file) for file in files]
    try:
        return _results(source, gt)
    except InputError as error:
        try:
            return _truths(source)
        except InputError as other:
            raise InputError(f"{source}: no tracks of a known format in it ({error}; {other})") from None


def _named(sequence: SequenceTracks, file: Path) -> SequenceTracks:
    """Return the tracks with the folder's name where the file tells no name of its own."""
    return replace(sequence, name=file.resolve().parent.name) if sequence.name == "annotations" else sequence


def _results(source: Path, gt: str) -> list[SequenceTracks]:
    """Return the results of a run, with what its data tell of the frames; KITTI's result files too."""
    first = next(iter(result_files(source).values()))
    if any(word[:1].isalpha() for word in first.read_text(errors="replace").partition("\n")[0].split(" ")):
        return [read_kitti_file(file) for file in result_files(source).values()]
    run = read_run(source)
    return [_result(run, name, gt) for name in run.results]


def _result(run: Run, name: str, gt: str) -> SequenceTracks:
    """Return the tracks of one result file, with length, rate and images where its sequence can be opened."""
    table = by_frame(read_results(run.results[name]))
    tracks = SequenceTracks(name, *_with_names(run, name, table))
    try:
        sequence = run.sequence(name, gt)
    except InputError as error:
        say(f"{name}: the sequence cannot be opened ({error})")
        sequence = None
    if sequence is not None:
        return _with_frames(tracks, sequence)
    if run.source:
        source = open_source(run.source)
        return replace(tracks, num_frames=source.num_frames or 0, frame_rate=source.frame_rate)
    return tracks


def _with_names(run: Run, name: str, table: TrackTable) -> tuple[TrackTable, tuple[str, ...]]:
    """Return the rows with classes numbered from 1, and the names of those that are there."""
    classes, known = table.classes.clip(min=1), run.class_names
    if known and int(classes.max(initial=1)) > len(known):
        raise InputError(f"{run.results[name]}: class {classes.max()}, but {len(known)} are named in labels.txt")
    there, numbers = np.unique(classes, return_inverse=True)
    names = [known[c - 1] if known else "pedestrian" if c == 1 else f"class {c}" for c in there.tolist()]
    return replace(table, classes=numbers + 1), tuple(names) or ("pedestrian",)


def _with_frames(tracks: SequenceTracks, sequence: Sequence) -> SequenceTracks:
    return replace(
        tracks,
        num_frames=sequence.num_frames,
        width=sequence.width,
        height=sequence.height,
        frame_rate=sequence.frame_rate if sequence.rate_known else 0.0,
        images=sequence.image_files(),
    )


def _truths(source: Path) -> list[SequenceTracks]:
    """Return the annotations of MOTChallenge sequences."""
    found = []
    for sequence in open_folders(source):
        truth = sequence.truth()
        if truth is None:
            raise InputError(f"{sequence.folder}: no gt/gt.txt")
        found.append(_with_frames(tracks_of_truth(sequence.name, truth), sequence))
    return found


def _output(config: ConvertConfig, source: Path) -> Path:
    if config.output:
        output = Path(config.output)
        ending = _ENDINGS.get(config.to)
        if ending and output.suffix != f".{ending}":
            raise InputError(f"output: {output}: --to {config.to} writes one file, *.{ending}")
        return output
    if not source.is_dir() or not ((source / "tracks").is_dir() or any(source.glob("[!.]*.txt"))):
        raise InputError("output: name the folder or file to write into")
    name = config.to if config.to not in _ENDINGS else f"{config.to}/tracks.{_ENDINGS[config.to]}"
    return source / "export" / name


def _write(config: ConvertConfig, output: Path, tracks: list[SequenceTracks]) -> list[Path]:
    """Write all tracks in the format asked for; return the files."""
    match config.to:
        case "cvat":
            return [_write_cvat(output / f"{sequence.name}.xml", sequence, config.tolerance) for sequence in tracks]
        case "kitti":
            return write_kitti(output, tracks)
        case "coco":
            return [write_coco_video(output, tracks)]
        case "mot":
            return write_mot_results(output, tracks)
        case "mot-folders":
            return write_mot_folders(output, tracks, config.images)
        case "csv" | "parquet":
            return [write_row_table(output, tracks)]


def _write_cvat(path: Path, sequence: SequenceTracks, tolerance: float) -> Path:
    boxes, keyframes = write_cvat(path, sequence, tolerance)
    if keyframes < boxes:
        say(f"{path}: {keyframes} of {boxes} boxes are keyframes, the others within {tolerance:g} px of their line")
    return path
