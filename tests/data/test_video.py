"""Frames come in order, whole and once; what is broken is named."""

import threading
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from smiletrack.data import video
from smiletrack.data.image_files import read_image
from smiletrack.data.mot import DetectionTable
from smiletrack.data.sources import open_source
from smiletrack.data.video import FrameSource, VideoWriter
from smiletrack.engine.inputs.detection_cache import detect_sequence
from smiletrack.errors import InputError


def numbered(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Flat frames whose grey level tells their index."""
    return [np.full((height, width, 3), 10 * i + 5, np.uint8) for i in range(count)]


def indices(source: FrameSource) -> list[int]:
    return [int(frame.mean()) // 10 for frame in source]


def write_images(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in zip(names, numbered(len(names)), strict=True):
        cv2.imencode(Path(name).suffix, frame)[1].tofile(folder / name)
    return folder


def test_image_folder_in_natural_order_with_a_strange_name(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "été 日本", ["f1.png", "f2.png", "f10.png"])
    (folder / "notes.txt").write_text("not an image")
    source = open_source(folder)
    assert (source.name, source.num_frames) == ("été 日本", 3)
    assert indices(source) == [0, 1, 2]
    assert indices(source) == [0, 1, 2], "a second pass reads the same"


def test_sequence_keeps_frame_numbers_over_a_corrupt_and_a_missing_image(tmp_path: Path) -> None:
    write_images(tmp_path / "seq" / "pictures", [f"{n:06d}.jpg" for n in (1, 2, 3, 4, 6)])
    (tmp_path / "seq" / "seqinfo.ini").write_text(
        "[Sequence]\nname=A-1\nimDir=pictures\nframeRate=14\nseqLength=6\nimWidth=64\nimHeight=48\nimExt=.jpg\n"
    )
    third = tmp_path / "seq" / "pictures" / "000003.jpg"
    third.write_bytes(third.read_bytes()[:-30])
    source = open_source(tmp_path / "seq")
    assert (source.name, source.frame_rate, source.num_frames) == ("seq", 14, 6), "a sequence is called like its folder"
    assert indices(source) == [0, 1, 1, 3, 3, 4]
    assert "000003.jpg" in source.problems[0] and "no image for frame 5;" in source.problems[1]
    assert len(source.problems) == 2


def test_first_image_corrupt_is_an_error(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "a", ["1.png", "2.png"])
    (folder / "1.png").write_bytes(b"no image at all")
    with pytest.raises(InputError, match=r"1\.png: the image is corrupt"):
        list(open_source(folder))


@pytest.mark.parametrize(
    ("image", "suffix", "expected"),
    [
        (np.full((4, 6), 77, np.uint8), ".png", 77),
        (np.full((4, 6), 77 * 256 + 13, np.uint16), ".png", 77),
        (np.full((4, 6, 3), 77 * 256, np.uint16), ".tiff", 77),
        (np.full((4, 6, 4), 77, np.uint8), ".png", 77),
    ],
)
def test_grey_deep_and_transparent_images_become_bgr(
    tmp_path: Path, image: np.ndarray, suffix: str, expected: int
) -> None:
    path = tmp_path / f"x{suffix}"
    cv2.imwrite(str(path), image)
    frame = read_image(path)
    assert frame.dtype == np.uint8 and frame.shape == (4, 6, 3)
    assert np.abs(frame.astype(int) - expected).max() <= 1


def test_video_round_trip_with_odd_size_and_a_strange_name(tmp_path: Path) -> None:
    path = tmp_path / "mein Vidéo.mp4"
    with VideoWriter(path, 29.97) as writer:
        for frame in numbered(12, 49, 65):
            writer.write(frame)
    source = open_source(path)
    assert (source.name, source.num_frames) == ("mein Vidéo", 12)
    assert source.frame_rate == pytest.approx(29.97, abs=0.01)
    assert indices(source) == list(range(12))
    assert next(iter(source)).shape == (48, 64, 3)
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name in ("h264", "mpeg4")


def test_a_video_that_ends_in_mid_frame_keeps_what_was_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (30, 96, 128, 3), np.uint8)
    cut = tmp_path / "cut.avi"
    # AVI keeps its index behind the frames but the count in front: cut, it still opens
    with av.open(str(cut), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for frame in noise:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    source = open_source(cut)
    frames = list(source)
    assert 5 <= len(frames) <= 25
    assert len(source.problems) == 1 and "of 30 frames" in source.problems[0]


def test_picked_frames_come_with_their_numbers(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "a", [f"{i}.png" for i in range(1, 13)])
    (folder / "5.png").write_bytes(b"broken, but never read")
    with VideoWriter(tmp_path / "a.mp4", 25) as writer:
        for frame in numbered(12):
            writer.write(frame)
    for spec in (folder, tmp_path / "a.mp4"):
        picked = [(number, int(frame.mean()) // 10) for number, frame in open_source(spec).pick([12, 3, 3, 40])]
        assert picked == [(3, 2), (12, 11)]
        assert list(open_source(spec).pick([])) == []


def test_nothing_appears_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "out.mp4", 25) as writer:
        writer.write(numbered(1)[0])
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p / "absent.mp4", "no such video, folder or camera"),
        (lambda p: p, "neither images nor a MOT sequence"),
        (lambda p: (p / "img1").mkdir() or p, "img1: no images in this folder"),
        (lambda p: (p / "a.mp4").write_bytes(b"junk" * 100) and p / "a.mp4", "not a video"),
        (lambda p: 97, "camera 97"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        open_source(make(tmp_path))


def test_leaving_early_stops_the_decoding_thread(tmp_path: Path) -> None:
    frames = iter(open_source(write_images(tmp_path / "a", [f"{i}.png" for i in range(20)])))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name == "decode"]


def test_decoding_runs_ahead_of_a_slow_reader(tmp_path: Path) -> None:
    reads = []

    def read(source: FrameSource, wanted: object):  # type: ignore[no-untyped-def]
        for numbered_frame in enumerate(numbered(6), 1):
            reads.append(1)
            yield numbered_frame

    frames = iter(FrameSource("x", 1, 6, read))
    next(frames)
    deadline = time.monotonic() + 5
    while len(reads) < 6 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(reads) == 6


def test_the_containers_count_is_for_the_progress_bar_only(tmp_path: Path) -> None:
    """An AVI whose header says 5 of its 12 frames."""
    path = tmp_path / "wrong.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in numbered(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"avih", 24), (b"strh", 40)):  # dwTotalFrames and dwLength
        place = content.index(mark) + offset
        assert content[place : place + 4] == (12).to_bytes(4, "little")
        content[place : place + 4] = (5).to_bytes(4, "little")
    path.write_bytes(content)
    source = open_source(path)
    assert source.num_frames == 5
    assert len(list(source)) == 12 and not source.problems
    seen = detect_sequence(
        source,
        DetectionTable(np.array([9]), np.array([[1.0, 2, 3, 4]]), np.ones(1), np.ones(1, int)),
        None,
        "s",
        5,
        quiet=True,
    )
    assert seen.num_frames == 12 and len(seen.table) == 1


def test_a_recording_of_a_browser_is_read_whole_at_its_own_rate(shared: Path) -> None:
    source = open_source(shared / "cases" / "09-video-files" / "browser.webm")
    assert 28 < source.frame_rate < 31 and "says 1000 frames a second" in source.notes[0]
    assert open_source(shared / "cases" / "09-video-files" / "browser.webm", 25.0).frame_rate == 25
    fragments = open_source(shared / "cases" / "19-fragmented-video" / "frag.mp4")
    assert fragments.num_frames is None or fragments.num_frames < 60
    assert len(list(fragments)) == 60


@pytest.mark.parametrize(("said", "taken"), [(1000.0, 30.0), (0.0, 30.0), (-1.0, 30.0), (15.0, 15.0)])
def test_what_cameras_say_of_themselves(monkeypatch: pytest.MonkeyPatch, said: float, taken: float) -> None:
    class Camera:
        def isOpened(self) -> bool:
            return True

        def get(self, _: int) -> float:
            return said

        def read(self) -> tuple[bool, None]:
            return False, None

    monkeypatch.setattr(cv2, "VideoCapture", lambda _: Camera())
    monkeypatch.setattr(video.cv2, "VideoCapture", lambda _: Camera())
    source = open_source("0")
    assert (source.frame_rate, source.live, source.num_frames) == (taken, True, None)


def test_a_video_of_an_unknown_codec_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, 25) as writer:
        for frame in numbered(3):
            writer.write(frame)
    whole = path.read_bytes()
    code = next(code for code in (b"avc1", b"mp4v") if code in whole.partition(b"stsd")[2])
    head, mark, rest = whole.partition(b"stsd")
    path.write_bytes(head + mark + rest.replace(code, b"zzzz", 1))
    with pytest.raises(InputError, match="ffmpeg does not know how this video is coded"):
        open_source(path)
