"""Settings: which sequences a tracker is given, and what of them."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le

from smiletrack.data.splits import Split
from smiletrack.detector.settings import PredictConfig
from smiletrack.engine.settings.computing import DeviceConfig
from smiletrack.input_paths import InputPath
from smiletrack.ranges import PositiveCount, Seed

CameraSource = Literal["none", "file", "flow", "ecc", "orb"]


@dataclass(frozen=True)
class SequenceInputConfig(DeviceConfig):
    """Which sequences are tracked, and with which detections, embeddings and camera motion."""

    data: InputPath = ""
    """Folder of MOTChallenge sequences, or one such sequence; empty = the generated crowd."""

    split: Split = "all"
    """Frames to track, renumbered from 1; val is val_half where there is no validation folder."""

    sequences: tuple[str, ...] = ()
    """Names of sequences or patterns (MOT17-0*-SDP), separated by commas; empty = all."""

    frame_rate: Annotated[float, Ge(0), Le(1_000_000)] = 0.0
    """Frames per second, whatever the data says; 0 = what it says, or 30 where it says nothing."""

    detections: str = "det"
    """Name of the stored detections, <seq>/det/NAME.txt. Not used with a detector."""

    embeddings: InputPath = ""
    """Folder of <seq>.npz files whose array `embeddings` has a row for every line of the detection file; empty =
    none."""

    source: str = ""
    """Frames to track instead of `data`: a video, a folder of images, a stream address or a camera number (Ctrl-C ends
    it)."""

    detector: InputPath = ""
    """Source of detections: a checkpoint, the network file of another program (.onnx, or .xml of OpenVINO), a class of
    your own (module:Class, docs/detectors.md), or file:NAME (as `detections`); empty = `detections`."""

    slm: InputPath = "none"
    """Similarity network that computes embeddings: a checkpoint, the network file (.onnx, OpenVINO's .xml) of any
    re-identification network (FILE@bgr255 says what it is fed, docs/slm.md), module:Class of your own, or none."""

    camera_motion: CameraSource = "none"
    """Source of the camera motion. file: <seq>/gmc/gmc.txt. flow, ecc, orb: estimated from the frames."""

    predict: PredictConfig = field(default_factory=PredictConfig)
    """Classes, input size and thresholds of the detector."""

    cache: str = ""
    """Folder for detections and embeddings of networks (<seq>.npz) and estimated camera motion; empty = RUN/detections.
    Runs that share it run the networks once."""

    overwrite: bool = False
    """Run the networks again where the cache was made from other frames, networks or settings."""

    stride: PositiveCount = 1
    """Look at every Nth frame only; the others are not read where their source allows it. Motion and the memory for
    lost tracks follow the time that goes by, and results carry the frames' own numbers."""

    seed: Seed = 0
    """Seed of the generated crowd."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data and self.source:
            raise ValueError("source and data are both given; take one")
        if self.slm not in ("", "none") and self.embeddings:
            raise ValueError("slm and embeddings are both given; take one")

    @property
    def stored(self) -> bool:
        """Whether detections come from files."""
        return not self.source and (not self.detector or self.detector.startswith("file:"))

    @property
    def needs_frames(self) -> bool:
        """Whether frames have to be read, where no cache holds what they show."""
        by_frames = self.slm not in ("", "none") or self.camera_motion in ("flow", "ecc", "orb")
        return by_frames or not self.stored
