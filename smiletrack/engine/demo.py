"""Track what a video, a folder of images or a camera shows, and paint it: the whole pipeline, frame by frame."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le

from smiletrack.console import notify, progress, say
from smiletrack.data.mot import write_results
from smiletrack.data.sources import open_source
from smiletrack.data.strides import frames_of
from smiletrack.data.video import FrameSource, VideoWriter
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.inputs.detection_cache import EMBEDDED_ABOVE, DetectorLike, EmbedderLike, with_embeddings
from smiletrack.engine.inputs.frame_pipeline import StageTimes, see_frames
from smiletrack.engine.settings.computing import DeviceConfig
from smiletrack.engine.track import join_tracks
from smiletrack.errors import InputError
from smiletrack.images import Frame
from smiletrack.input_paths import InputPath
from smiletrack.lazy import LazyModule
from smiletrack.motion.camera_motion import CameraMotion, CameraMotionConfig
from smiletrack.ranges import Count, PositiveCount
from smiletrack.tracking.config import TrackerConfig
from smiletrack.tracking.tracker import Tracker, default_config
from smiletrack.types import Detections, Floats, Tracks
from smiletrack.view.drawing import TrackPainter, class_words, draw_lines, speed_lines
from smiletrack.view.rerun_recording import SPAWN, RerunRecording

cv2 = LazyModule("cv2")
networks = LazyModule("smiletrack.engine.inputs.networks")
runtime = LazyModule("smiletrack.training.runtime")

_SPEED_OVER = 30
"""Frames over which the speed in the picture is measured."""


@dataclass(frozen=True)
class DemoConfig(DeviceConfig):
    """Track people in a video, a folder of images or a camera, and watch: boxes, identities, trails, speed of each
    stage.

    Reads any video that ffmpeg reads. Writes an annotated video, and the tracks beside it as .txt in MOTChallenge
    format. Lost tracks stay dashed for a second. Ctrl-C ends early and keeps what was made.

      smiletrack demo street.mp4 --detector yolox_nano_416x416.onnx
      smiletrack demo street.mp4 --detector runs/detector/best.safetensors --slm runs/slm/model.safetensors
      smiletrack demo 0 --detector yolox_nano_416x416.onnx --show        # the first camera, in a window
      smiletrack demo street.mp4 --detector yolox_nano_416x416.onnx --rerun spawn
      smiletrack demo frames/ --detector FILE.onnx --tracker bytetrack --camera-motion flow --save out.mp4
    """

    source: str = ""
    """Video file, folder of images, MOT sequence, stream address or camera number."""

    detector: InputPath = ""
    """Detector: a checkpoint, the network file of another program (.onnx, or .xml of OpenVINO), or a class of your own
    (module:Class, docs/detectors.md)."""

    slm: InputPath = "none"
    """Similarity network: a checkpoint, the network file (.onnx, OpenVINO's .xml) of any re-identification network, or
    module:Class of your own, or none; FILE@bgr255 says what the file of another program is fed (docs/slm.md)."""

    tracker: TrackerConfig = field(default_factory=default_config)
    """Tracker: a preset of configs/tracker, a YAML file, or keys tracker.*=..."""

    camera_motion: Literal["none", "flow", "ecc", "orb"] = "none"
    """How the motion of the camera is estimated; none for a static camera."""

    predict: PredictConfig = field(default_factory=PredictConfig)
    """Classes, input size and thresholds of the detector."""

    save: str = ""
    """Video to write, with the tracks beside it as .txt in MOTChallenge format; empty = runs/demo/<source>.mp4, or none
    with --show."""

    show: bool = False
    """Show the frames in a window as they are tracked; q or Esc quits."""

    rerun: str = ""
    """Recording of frames, tracks and trails for the Rerun viewer (pip install 'smiletrack[rerun]'): a .rrd file to
    write, or spawn to open the viewer; empty = none."""

    frame_rate: Annotated[float, Ge(0), Le(1_000_000)] = 0.0
    """Frames per second, whatever the source says; 0 = what it says, or 30 where it says nothing."""

    stride: PositiveCount = 1
    """Look at every Nth frame only; the others are not read where their source allows it. Motion and the memory for
    lost tracks follow the time that goes by; the .txt carries the frames' own numbers."""

    max_frames: Count = 0
    """Stop after this many frames; 0 = at the end of the source."""

    trail: Annotated[int, Ge(0), Le(10_000)] = 30
    """Length of the trails in frames; 0 = none."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The parts that a frame goes through."""

    detector: DetectorLike
    embedder: EmbedderLike | None
    camera: CameraMotion | None
    tracker: Tracker
    stride: int = 1

    def track(self, frames: Iterable[Frame], seconds: dict[str, float]) -> Iterator[tuple[Frame, Tracks]]:
        """Yield every frame with its tracks; `seconds` tells what was waited for each stage.

        The networks are ahead of the tracker by a frame each (`see_frames`); the tracks are those of frame by frame.
        """
        times = StageTimes()
        seen = see_frames(frames, self._detect, self._embed if self.embedder else None, times)
        for frame, found in seen:
            seconds |= times.shares()
            start = time.perf_counter()
            warp: Floats | None = None
            if self.camera is not None:
                warp = self.camera.step(frame, found.boxes[found.scores > EMBEDDED_ABOVE])
                seconds["camera motion"] = seconds.get("camera motion", 0.0) + time.perf_counter() - start
                start = time.perf_counter()
            tracks = self.tracker.update(found, warp, self.stride)
            seconds["association"] = seconds.get("association", 0.0) + time.perf_counter() - start
            yield frame, tracks

    def _detect(self, number: int, frame: Frame) -> Detections:
        return self.detector.detect(frame)

    def _embed(self, frame: Frame, found: Detections) -> Detections:
        assert self.embedder is not None, "else there is no such stage"
        return with_embeddings(found, self.embedder, frame)


def demo(config: DemoConfig) -> Path | None:
    """Track and paint the source; return the video written, None where none was asked for.

    What was made until an error, Ctrl-C or the end of the window is kept: the video and its tracks are always whole.
    """
    if not config.source:
        raise InputError("source: name a video, a folder of images or a camera number")
    if not config.detector:
        raise InputError("detector: name a checkpoint (smiletrack train-detector makes one) or an .onnx file")
    if config.show:
        check_screen()
    source = open_source(config.source, config.frame_rate).every(config.stride)
    notify(*source.notes)
    pipeline = _pipeline(config, source.frame_rate)
    save = Path(config.save or f"runs/demo/{source.name}.mp4") if config.save or not config.show else None
    made: list[Tracks] = []
    seconds: dict[str, float] = {}
    begin = time.perf_counter()
    failure: InputError | None = None
    with ExitStack() as stack:
        stop = stack.enter_context(runtime.stop_signal())
        window = stack.enter_context(_Window(source.name, stop)) if config.show else None
        writer = stack.enter_context(VideoWriter(save, source.frame_rate / config.stride)) if save is not None else None
        names = tuple(getattr(pipeline.detector, "class_names", ()))
        painter = _Painter(config.trail, names)
        recording = stack.enter_context(_recording(config, source)) if config.rerun else None
        try:
            for frame, tracks in pipeline.track(_frames(source, config.max_frames, stop), seconds):
                made.append(tracks)
                picture = painter.paint(frame, made[-1], seconds, len(made))
                if writer is not None:
                    writer.write(picture)
                if recording is not None:
                    kinds = class_words(made[-1].classes, names) if painter.several else ()
                    recording.log(len(made), frame, made[-1].ids, made[-1].boxes, kinds)
                if window is not None:
                    window.show(picture)
        except InputError as error:
            failure = error
    if save is not None and made:
        found = join_tracks(made)
        write_results(save.with_suffix(".txt"), replace(found, frames=frames_of(found.frames, config.stride)))
    _tell(source, made, seconds, time.perf_counter() - begin, save)
    if failure is not None:
        raise failure
    return save


def _recording(config: DemoConfig, source: FrameSource) -> RerunRecording:
    if config.rerun != SPAWN and Path(config.rerun).suffix != ".rrd":
        raise InputError(f"rerun: {config.rerun} must be a file called *.rrd, or {SPAWN}")
    return RerunRecording(config.rerun, source.name, source.frame_rate / config.stride, config.trail)


def _pipeline(config: DemoConfig, frame_rate: float) -> Pipeline:
    detector, embedder = networks.load_networks(config.detector, config.slm, config.device, config.predict)
    assert detector is not None, "the command asks for one"
    return Pipeline(
        detector=detector,
        embedder=embedder,
        camera=None if config.camera_motion == "none" else CameraMotion(CameraMotionConfig(config.camera_motion)),
        tracker=Tracker(config.tracker, frame_rate),
        stride=config.stride,
    )


def _frames(source: FrameSource, limit: int, stop: threading.Event) -> Iterator[Frame]:
    total = min(filter(None, (source.num_frames, limit)), default=None)
    for number, frame in enumerate(progress(source, source.name, total), 1):
        yield frame
        if stop.is_set() or number == limit:
            return


class _Painter:
    """Paints tracks and the speed of the last frames."""

    def __init__(self, trail: int, class_names: tuple[str, ...]) -> None:
        self._tracks = TrackPainter(trail_length=trail)
        self._class_names, self.several = class_names, False
        self._past: list[dict[str, float]] = []

    def paint(self, frame: Frame, tracks: Tracks, seconds: dict[str, float], number: int) -> Frame:
        self.several |= bool((tracks.classes > 1).any())
        kinds = class_words(tracks.classes, self._class_names) if self.several else ()
        picture = self._tracks.paint(frame, tracks.ids, tracks.boxes, kinds=kinds)
        self._past = [*self._past[-_SPEED_OVER:], dict(seconds)]
        first = self._past[0] if number > _SPEED_OVER else {}
        spent = {stage: time_s - first.get(stage, 0.0) for stage, time_s in seconds.items()}
        draw_lines(picture, [f"frame {number}", *speed_lines(spent, min(number, _SPEED_OVER))])
        return picture


def check_screen() -> None:
    """Raise InputError where no window can be opened.

    It is tried in a process of its own, because Qt aborts the one that has no screen to open a window on.
    """
    opened = subprocess.run(
        [sys.executable, "-c", "import cv2; cv2.namedWindow('a window'); cv2.destroyAllWindows()"],
        capture_output=True,
        check=False,
    )
    if opened.returncode != 0:
        raise InputError("show: there is no screen to show a window on, or OpenCV is the headless one; use --save FILE")


class _Window:
    """A window on the screen; q or Esc sets `stop`."""

    def __init__(self, title: str, stop: threading.Event) -> None:
        self._title, self._stop = title, stop

    def __enter__(self) -> "_Window":
        cv2.namedWindow(self._title, cv2.WINDOW_NORMAL)
        return self

    def __exit__(self, *error: object) -> None:
        cv2.destroyAllWindows()

    def show(self, picture: Frame) -> None:
        cv2.imshow(self._title, picture)
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            self._stop.set()


def _tell(
    source: FrameSource, made: list[Tracks], seconds: dict[str, float], spent_s: float, save: Path | None
) -> None:
    """Print what was made, how fast, and what went wrong."""
    identities = len({identity for tracks in made for identity in tracks.ids.tolist()})
    say(f"{source.name}: {len(made)} frames, {identities} identities; {', '.join(speed_lines(seconds, len(made)))}")
    if made:
        say(f"  {len(made) / spent_s:.1f} frames/s from reading to writing")
    say(*(f"  {problem}" for problem in source.problems))
    if save is not None and made:
        say(f"{save}, {save.with_suffix('.txt')}")
