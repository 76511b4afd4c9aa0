"""Import a data set as it was downloaded, or mix imported ones: COCO JSON, identity tables, and counts to trust."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import MinLen

from smiletrack.config import nearest
from smiletrack.console import notify, print_table, say
from smiletrack.data.importers.annotations import BAD_BOX, KINDS, AnnotatedImage, Counts, Problems, count
from smiletrack.data.importers.caltech import read_caltech
from smiletrack.data.importers.checking import FilterConfig, checked
from smiletrack.data.importers.crowdhuman import read_crowdhuman
from smiletrack.data.importers.cuhk_sysu import read_cuhk_sysu
from smiletrack.data.importers.labels_with_ids import read_labels_with_ids
from smiletrack.data.importers.motchallenge import read_motchallenge
from smiletrack.data.importers.outputs import identity_table, merge_coco, write_coco
from smiletrack.data.importers.person_crops import read_person_crops
from smiletrack.data.importers.probe import probe_images
from smiletrack.data.importers.prw import read_prw
from smiletrack.data.importers.track_files import read_coco_set, read_tracked_set
from smiletrack.data.importers.yolo import read_yolo
from smiletrack.data.reid.identities import merge_identities, read_identities, write_identities
from smiletrack.engine.run_folders.shards import ShardConfig, SharedJob, this_shard
from smiletrack.errors import InputError, shown
from smiletrack.files import atomic_write, is_plain_name
from smiletrack.ranges import Checked, Count

Format = Literal[
    "motchallenge", "crowdhuman", "labels_with_ids", "caltech", "cuhk_sysu", "prw", "person_crops", "yolo", "coco",
    "cvat", "kitti", "visdrone", "mix",
]  # fmt: skip
_COUNTED = ("images", "identities", "boxes")
_SHOWN_PROBLEMS = 5
_SPLITS = {
    "crowdhuman": ("train", "val"),
    "caltech": ("train", "test"),
    "cuhk_sysu": ("train", "test"),
    "prw": ("train", "test"),
    "person_crops": ("train", "test", "query"),
}
"""Format -> the splits that its archives have."""
_PARTS = 4
"""Parts of a split's images for each process that shares it: who is ready early helps with what is left."""


@dataclass(frozen=True)
class DataConfig(Checked):
    """A data set: its format, what to take from it, and what is known about it. The presets are in configs/data."""

    format: Format = "motchallenge"
    """Format of the data set; mix joins data sets that are already imported."""
    splits: Annotated[tuple[str, ...], MinLen(1)] = ("train",)
    """Splits to import; each becomes a pair of files."""
    sequences_like: str = "*"
    """Pattern of the sequences' names (motchallenge), which tells when another data set's archive is given."""
    all_detectors: bool = False
    """Import all three copies of each MOT17 sequence, one for each public detector, instead of the first."""
    ignored_classes: tuple[Count, ...] = ()
    """MOTChallenge classes that are neither right nor wrong: person on vehicle 2, static person 7, distractor 8,
    reflection 12."""
    targets: Annotated[tuple[str, ...], MinLen(1)] = ("person",)
    """Names of the classes that are targets (yolo, coco, cvat, kitti, visdrone); the only class of a set always is."""
    ignored_names: tuple[str, ...] = ()
    """Names of the classes that are neither right nor wrong, in the same formats."""
    image_list: str = ""
    """File that lists the images (labels_with_ids), with `{split}` for the split; empty = all images below `images`."""
    videos: bool = False
    """Images of labels_with_ids are frames of videos, numbered by their names."""
    skip_bad_boxes: bool = False
    """Leave out and count boxes without area inside their image, for data sets that are known to have some."""
    filters: FilterConfig = field(default_factory=FilterConfig)
    """Which boxes are targets."""
    parts: tuple[str, ...] = ()
    """Members of a mix, as NAME/SPLIT below the source folder."""
    published: dict[str, dict[str, Count]] = field(default_factory=dict)
    """Published totals of each split, before filters: images, identities, boxes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for split in self.splits:
            if not is_plain_name(split):
                raise ValueError(f"splits: {shown(split)} is not the name of a file")
        if self.format == "mix" and not self.parts:
            raise ValueError("parts must name what the mix is made of, e.g. mot17/train_half")
        for split, known in self.published.items():
            for name in known:
                if name not in _COUNTED:
                    raise ValueError(f"published.{split}.{name} is not known; there are {', '.join(_COUNTED)}")


@dataclass(frozen=True)
class PrepareDataConfig(ShardConfig):
    """Import a public data set as it was downloaded, or mix imported ones.

    Reads the unpacked archive. Writes OUTPUT/annotations/SPLIT.json (COCO, for detectors) and
    OUTPUT/identities/SPLIT.csv (who is in which box, for similarity networks); images stay where they are. Prints its
    totals beside the published ones.

      smiletrack prepare-data mot17 --source datasets/MOT17 --output datasets/imported/mot17
      smiletrack prepare-data crowdhuman --source datasets/CrowdHuman --output datasets/imported/crowdhuman
      smiletrack prepare-data yolo --source datasets/street --output datasets/imported/street data.targets=[person]
      smiletrack prepare-data mix-ablation --output datasets/imported/mix-ablation

    Data sets: mot15 mot16 mot17 mot20 dancetrack crowdhuman citypersons ethz caltech caltech-jde cuhk-sysu
    cuhk-sysu-jde prw prw-jde market1501 kitti visdrone. Of your own: yolo coco cvat. Mixes: mix-ablation
    mix-mot17-test mix-mot20-test. Each is a file in configs/data.
    """

    data: DataConfig | None = None
    """Name of a data set or mix in configs/data (mot17, crowdhuman, mix-ablation ...), or a YAML file of your own."""
    source: str = ""
    """Folder of the unpacked archive; for a mix, the folder of imported data sets (empty = datasets/imported)."""
    output: str = ""
    """Folder for annotations/SPLIT.json and identities/SPLIT.csv."""
    skip_bad: bool = False
    """Leave out and count faulty entries (missing or broken images, bad boxes, duplicates) instead of stopping."""


@dataclass(frozen=True)
class SplitReport:
    """What became of a split: its totals as annotated and as written, and what was left out, by kind of fault."""

    split: str
    annotated: Counts
    written: Counts
    published: dict[str, int]
    problems: dict[str, int]

    @property
    def differs(self) -> list[str]:
        """Return what is not as published."""
        return [name for name, value in self.published.items() if getattr(self.annotated, name) != value]


def prepare_data(config: PrepareDataConfig) -> list[SplitReport]:
    """Import all splits, print the counts beside the published ones, and return them.

    Running it again continues: images that were looked at are not opened twice, and what is written is replaced whole.
    Several shards share the look at the images; one of them writes a split, and only that one returns its report.
    InputError for faults that no flag allows.
    """
    if config.data is None:
        raise InputError("name what to import: mot17, crowdhuman, ... (--help tells all)")
    if not config.output:
        raise InputError("output: name the folder to write into, e.g. --output datasets/imported/mot17")
    data, output = config.data, Path(config.output)
    source = Path(config.source or ("datasets/imported" if data.format == "mix" else ""))
    if not (config.source or data.format == "mix"):
        raise InputError(
            "source: name the folder of the unpacked archive; datasets/README.md tells where it comes from"
        )
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; datasets/README.md tells where each archive comes from")
    job = SharedJob(output, "prepare-data", this_shard(config.shard))
    with job.running(config, lambda: None):
        if data.format == "mix":
            reports = [_mix(data, source, output) for _ in _unwritten(job, data.splits[0])]
        else:
            splits = (_import_split(data, split, source, config, job) for split in data.splits)
            reports = [report for report in splits if report is not None]
    _print_reports(output, reports)
    return reports


def _unwritten(job: SharedJob, split: str) -> Iterator[str]:
    """Yield the split where it is this process that writes it, and mark it when that went well."""
    for part in job.claimed([split], job.is_marked):
        yield part
        job.mark(part)


def _read(data: DataConfig, source: Path, split: str) -> list[AnnotatedImage]:
    """Return what the set says about a split."""
    if data.format == "motchallenge":
        return read_motchallenge(source, split, data.sequences_like, data.ignored_classes, data.all_detectors)
    if data.format == "labels_with_ids":
        return read_labels_with_ids(source, data.image_list.replace("{split}", split), data.videos)
    if data.format in ("kitti", "visdrone", "cvat"):
        return read_tracked_set(source, split, data.format, data.targets, data.ignored_names)
    if data.format in ("yolo", "coco"):
        reader = read_yolo if data.format == "yolo" else read_coco_set
        return reader(source, split, data.targets, data.ignored_names)
    known = _SPLITS.get(data.format, (split,))
    if split not in known:
        raise InputError(f"splits: {data.format} has {', '.join(known)}, no {split!r}{nearest(split, known)}")
    readers: dict[str, Callable[[Path, str], list[AnnotatedImage]]] = {
        "crowdhuman": read_crowdhuman,
        "caltech": read_caltech,
        "cuhk_sysu": read_cuhk_sysu,
        "prw": read_prw,
        "person_crops": read_person_crops,
    }
    return readers[data.format](source, split)


def _import_split(
    data: DataConfig, split: str, source: Path, config: PrepareDataConfig, job: SharedJob
) -> SplitReport | None:
    """Look at the images of a split with the other processes; write it and return its report if that is left to do."""
    if job.shard is not None and job.is_marked(split):
        notify(f"{split}: is written already")
        return None
    notify(f"{split}: reading {source}")
    annotated = _read(data, source, split)
    notify(
        *(f"{split}: truth: {dialect}" for dialect in dict.fromkeys(image.dialect for image in annotated) if dialect)
    )
    if not _look_at(split, [image.path for image in annotated], job):
        notify(f"{split}: other processes are still looking at its images; the last one writes it")
        return None
    reports = [_write_split(data, split, source, config, annotated, job) for _ in _unwritten(job, split)]
    return reports[0] if reports else None


def _look_at(split: str, images: list[Path], job: SharedJob) -> bool:
    """Look at the images that no other process has looked at or is at; tell whether all have been looked at then."""
    if job.shard is None:
        return True  # which they are when they are written
    number = _PARTS * job.shard.count
    parts = {
        f"{split}.{i + 1}-of-{number}": images[i * len(images) // number : (i + 1) * len(images) // number]
        for i in range(number)
    }
    for part in job.claimed(list(parts), job.is_marked):
        probe_images(parts[part], job.place / f"looked_at.{job.shard.index}.tsv", _looks(job))
        job.mark(part)
    return all(job.is_marked(part) for part in parts)


def _looks(job: SharedJob) -> list[Path]:
    return sorted(job.place.glob("looked_at.*.tsv"))


def _write_split(
    data: DataConfig,
    split: str,
    source: Path,
    config: PrepareDataConfig,
    annotated: list[AnnotatedImage],
    job: SharedJob,
) -> SplitReport:
    """Check what was read and write it."""
    output = Path(config.output)
    states = probe_images((image.path for image in annotated), output / "looked_at.tsv", _looks(job))
    allowed = KINDS if config.skip_bad else (BAD_BOX,) if data.skip_bad_boxes else ()
    problems = Problems(frozenset(allowed))
    written = checked(annotated, states, data.filters, problems)
    if not written:
        raise InputError(f"{source}: nothing of {split} can be used: {_listed(dict(problems.counts))}")
    _tell(problems, output / f"problems_{split}.txt")
    if data.format != "person_crops":
        write_coco(output / "annotations" / f"{split}.json", written)
    table = identity_table(written)
    if len(table):
        write_identities(output / "identities" / f"{split}.csv", table)
    return SplitReport(split, count(annotated), count(written), data.published.get(split, {}), dict(problems.counts))


def _mix(data: DataConfig, source: Path, output: Path) -> SplitReport:
    """Join imported sets; a set without named people adds none to the identity table."""
    names = [part.rpartition("/") for part in data.parts]
    files = [source / name / "annotations" / f"{split}.json" for name, _, split in names]
    for file, part in zip(files, data.parts, strict=True):
        if not file.is_file():
            raise InputError(
                f"{file}: no such file; import {part} first, or name the folder of imported sets: --source"
            )
    split = data.splits[0]
    counts = merge_coco(files, output / "annotations" / f"{split}.json")
    tables = [source / name / "identities" / f"{part}.csv" for name, _, part in names]
    if found := [table for table in tables if table.is_file()]:
        merged = merge_identities([read_identities(table) for table in found], [table.parent for table in found])
        write_identities(output / "identities" / f"{split}.csv", merged)
    return SplitReport(split, counts, counts, data.published.get(split, {}), {})


def _tell(problems: Problems, file: Path) -> None:
    """Write all faults that were left out to a file and show the first ones; remove the file of an earlier run."""
    file.unlink(missing_ok=True)
    if not problems.lines:
        return
    with atomic_write(file) as stream:
        stream.writelines(f"{line}\n" for line in problems.lines)
    notify(*(f"left out: {line}" for line in problems.lines[:_SHOWN_PROBLEMS]))
    if len(problems.lines) > _SHOWN_PROBLEMS:
        rest = len(problems.lines) - _SHOWN_PROBLEMS
        notify(f"left out: {rest} more, see {file}")


def _print_reports(output: Path, reports: list[SplitReport]) -> None:
    """Print what was published, annotated and written of each split, and where these differ."""
    rows = []
    for report in reports:
        for name in _COUNTED:
            published = report.published.get(name)
            mark = "" if published is None else f"{published:,}"
            annotated, written = getattr(report.annotated, name), getattr(report.written, name)
            rows.append([report.split if name == "images" else "", name, mark, f"{annotated:,}", f"{written:,}"])
    say(str(output))
    print_table(("split", "", "published", "annotated", "written"), rows, names=2)
    for report in reports:
        if report.problems:
            notify(f"{report.split}: left out {_listed(report.problems)}")
        if not report.written.boxes:
            notify(f"warning: {report.split} has no box to learn from; what the targets are is in data.targets")
        for name in report.differs:
            notify(
                f"warning: {report.split} has {getattr(report.annotated, name):,} {name}, "
                f"but {report.published[name]:,} are published; is the archive whole?"
            )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} x {kind}" for kind, number in counts.items())
