"""The tracker's rules, one small scene each, and the situations of the known world."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT, load_config, preset_file
from smiletrack.data.synthetic import crowd_sequences, known_sequence
from smiletrack.data.world.sequence import WorldSequence
from smiletrack.engine.track import TrackConfig, join_tracks
from smiletrack.errors import InputError
from smiletrack.tracking.config import LifeConfig, SplitConfig, TemplateConfig, TrackerConfig
from smiletrack.tracking.settings import HIGH, LOW
from smiletrack.tracking.stages import StageConfig
from smiletrack.tracking.tracker import Tracker, load_tracker
from smiletrack.types import Detections, Floats, Tracks, TrackTable
from tests.tracking.doors import open_workspace, scene_of

PRESETS = sorted(path.stem for path in (CONFIG_ROOT / "tracker").glob("*.yaml"))
MOTION = load_config(TrackerConfig, preset_file("tracker", "smiletrack-motion"))


def frames_of(world: WorldSequence, appearance: bool = True) -> list[Detections]:
    table = world.detections
    found = []
    for number in range(1, world.info.length + 1):
        rows = table.frame(number)
        found.append(Detections(table.boxes[rows], table.scores[rows], world.embeddings[rows] if appearance else None))
    return found


def run(tracker: Tracker, frames: list[Detections]) -> TrackTable:
    return join_tracks([tracker.update(seen) for seen in frames])


def one(x: float = 100.0, score: float = 0.9) -> Detections:
    return Detections([[x, 100.0, x + 40, 200.0]], [score])


def nothing() -> Detections:
    return Detections(np.zeros((0, 4)), np.zeros(0))


def split(scores: Floats, config: SplitConfig) -> tuple[list[int], list[int]]:
    """Return the rows of high and of low scores."""
    boxes, work = np.tile([0.0, 0.0, 9.0, 9.0], (len(scores), 1)), open_workspace(0, len(scores), 0)
    levels = scene_of(TrackerConfig(split=config), boxes, scores, work).levels
    return np.flatnonzero(levels == HIGH).tolist(), np.flatnonzero(levels == LOW).tolist()


def identity(world: WorldSequence, table: TrackTable, person: int, frame: int) -> int:
    """Return the id of the track nearest to a person in a frame in which the person is annotated."""
    truth = world.truth.boxes[(world.truth.ids == person) & (world.truth.frames == frame)]
    rows = np.flatnonzero(table.frames == frame)
    gaps = np.abs(table.boxes[rows] - truth).sum(axis=1)
    assert gaps.min() < 40
    return int(table.ids[rows[gaps.argmin()]])


def before_and_after(world: WorldSequence, table: TrackTable, person: int, margin: int = 1) -> tuple[int, int]:
    """Return a person's track id `margin` frames before and 10 frames after a scripted situation hides them."""
    answer = next(iter(world.answers.values()))[0]
    first, last = answer["gone"][answer["people"].index(person)]
    return identity(world, table, person, first - margin), identity(world, table, person, last + 10)


@pytest.fixture(scope="module")
def crowd() -> list[WorldSequence]:
    return crowd_sequences(number=2)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_tracks_the_crowd(preset: str, crowd: list[WorldSequence]) -> None:
    world = crowd[0]
    table = run(load_tracker(preset), frames_of(world)[:100])
    # half of what is annotated is hidden or far away; the released veto tears tracks, but it drops no boxes
    annotated = (world.truth.frames <= 100) & (world.truth.scores > 0)
    assert 0.5 * annotated.sum() < len(table) < 1.1 * annotated.sum()
    assert len(np.unique(np.stack((table.frames, table.ids)), axis=1).T) == len(table), "an id twice in a frame"


@pytest.mark.parametrize("preset", PRESETS)
def test_trackers_do_not_touch_each_other_and_reset_forgets(preset: str, crowd: list[WorldSequence]) -> None:
    frames = [frames_of(world)[:40] for world in crowd]
    alone = [run(load_tracker(preset), part) for part in frames]
    trackers = [load_tracker(preset), load_tracker(preset)]
    steps = [[t.update(seen) for t, seen in zip(trackers, pair, strict=True)] for pair in zip(*frames, strict=True)]
    for index, expected in enumerate(alone):
        assert_equal(join_tracks([step[index] for step in steps]), expected)
    trackers[0].reset()
    assert_equal(run(trackers[0], frames[1]), alone[1])


def assert_equal(a: TrackTable, b: TrackTable) -> None:
    for name in ("frames", "ids", "boxes", "scores"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_default_is_the_smiletrack_preset() -> None:
    expected = load_config(TrackerConfig, preset_file("tracker", "smiletrack"))
    assert Tracker().config == load_tracker().config == TrackConfig().tracker == expected
    # a single key lies over the preset, not over the plain defaults of the class
    changed = load_config(TrackConfig, None, ["tracker.life.max_lost=7"]).tracker
    assert changed == replace(expected, life=replace(expected.life, max_lost=7)) != expected


@pytest.mark.parametrize("preset", PRESETS)
def test_frames_without_detections_are_legal(preset: str) -> None:
    tracker = load_tracker(preset)
    assert [len(tracker.update(seen)) for seen in (nothing(), one(), nothing(), one(), nothing())][::2] == [0, 0, 0]


def test_ties_with_the_threshold_go_where_the_config_says() -> None:
    scores = np.array([0.05, 0.1, 0.3, 0.6, 0.9])
    for ties, high, low in (("high", [3, 4], [2]), ("low", [4], [2, 3]), ("drop", [4], [2])):
        assert split(scores, SplitConfig(high=0.6, low=0.1, ties=ties)) == (high, low)  # type: ignore[arg-type]


def test_median_split_is_over_what_is_not_noise() -> None:
    config = SplitConfig("median", low=0.1)
    assert split(np.array([0.01, 0.02, 0.2, 0.4, 0.8]), config) == ([3, 4], [2])
    assert split(np.array([0.8, 0.2, 0.4, 0.6]), config) == ([0, 3], [1, 2])
    assert split(np.array([0.01, 0.02]), config) == ([], [])


def test_only_scores_from_tau_on_start_tracks() -> None:
    tracker = Tracker(MOTION)
    assert len(tracker.update(one(score=0.699))) == 0
    assert len(Tracker(MOTION).update(one(score=0.7))) == 1


def test_a_track_is_confirmed_by_its_second_match_except_in_the_first_frame() -> None:
    tracker = Tracker(MOTION)
    assert [len(tracker.update(seen)) for seen in (one(100), one(100), nothing())] == [1, 1, 0]
    tracker.reset()
    assert [len(tracker.update(seen)) for seen in (nothing(), one(), one(), one())] == [0, 0, 1, 1]
    tracker.reset()
    assert [len(tracker.update(seen)) for seen in (nothing(), one(), nothing(), one())] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("frame_rate", "absent", "same"), [(30, 30, True), (30, 31, False), (60, 60, True), (15, 16, False)]
)
def test_life_without_matches_is_a_second(frame_rate: float, absent: int, same: bool) -> None:
    """The frame of the return is the last at which a track of age `max_lost` can match."""
    tracker = Tracker(MOTION, frame_rate)
    first = tracker.update(one()).ids
    for _ in range(absent - 1 if same else absent):
        tracker.update(nothing())
    tracker.update(one())
    again = tracker.update(one()).ids
    assert (first.tolist() == again.tolist()) == same


def test_low_detections_keep_tracks_but_start_none() -> None:
    tracker = Tracker(MOTION)
    assert len(tracker.update(one(score=0.3))) == 0
    ids = tracker.update(one()).ids, tracker.update(one()).ids, tracker.update(one(score=0.3)).ids
    assert ids[1].tolist() == ids[2].tolist() != []


def test_answer_refers_to_the_detections_given() -> None:
    boxes = [[0, 0, 10, 0], [100, 100, 140, 200], [np.nan, 0, 10, 10], [300, 100, 340, 200]]
    tracker = Tracker(MOTION)
    tracks = tracker.update(Detections(boxes, [0.9, 0.8, 0.9, 0.9], classes=[1, 2, 1, 3]))
    assert tracks.detection_indices.tolist() == [1, 3]
    assert tracks.classes.tolist() == [2, 3]
    assert tracks.scores.tolist() == [0.8, 0.9]
    np.testing.assert_allclose(tracks.boxes, [boxes[1], boxes[3]])
    assert tracker.skipped.detections == 2


@pytest.mark.parametrize("box", [[0, 0, np.inf, 9], [-np.inf, 0, 9, 9], [9, 0, 0, 9], [np.nan] * 4])
def test_impossible_boxes_are_skipped_and_counted(box: list[float]) -> None:
    tracker = Tracker(MOTION)
    assert len(tracker.update(Detections([box], [0.9]))) == 0
    assert tracker.skipped.detections == 1


def test_a_nan_score_is_skipped_and_counted() -> None:
    tracker = Tracker(MOTION)
    assert len(tracker.update(one(score=np.nan))) == 0
    assert tracker.skipped.detections == 1


@pytest.mark.parametrize(
    "warp", [np.zeros((2, 3)), np.full((2, 3), np.nan), [[1, 0, 1e6], [0, 1, 0]], [[9, 0, 0], [0, 9, 0]]]
)
def test_an_absurd_warp_counts_as_none(warp: object) -> None:
    still, tracker = Tracker(MOTION), Tracker(MOTION)
    for seen in (one(100), one(103), one(106)):
        expected, found = still.update(seen), tracker.update(seen, np.asarray(warp, float))
    np.testing.assert_array_equal(expected.boxes, found.boxes)
    assert tracker.skipped.warps == 2  # there was nothing to warp in the first frame


def test_a_warp_of_the_wrong_shape_is_an_error() -> None:
    tracker = Tracker(MOTION)
    tracker.update(one())
    with pytest.raises(ValueError, match="warp must have shape"):
        tracker.update(one(), np.eye(3))


def test_camera_motion_keeps_what_would_be_lost() -> None:
    jump = np.array([[1.0, 0.0, 200.0], [0.0, 1.0, 0.0]])
    for warp, same in ((jump, True), (None, False)):
        tracker = Tracker(MOTION)
        before = [tracker.update(one()) for _ in range(3)][-1].ids
        tracker.update(one(300), warp)
        assert (tracker.update(one(300)).ids.tolist() == before.tolist()) == same


def test_unusable_embeddings_are_counted_and_judged_by_iou() -> None:
    boxes, scores = np.array([[0.0, 0, 40, 90], [200, 0, 240, 90], [400, 0, 440, 90]]), np.full(3, 0.9)
    embeddings = np.array([[1.0, 0.0], [0.0, 0.0], [np.nan, 1.0]])
    tracker = load_tracker("smiletrack")
    answers: list[Tracks] = [tracker.update(Detections(boxes, scores, embeddings)) for _ in range(3)]
    assert answers[-1].ids.tolist() == answers[0].ids.tolist() == [1, 2, 3]
    assert tracker.skipped.embeddings == 6


def test_of_a_tracked_and_a_lost_track_at_one_place_the_younger_goes() -> None:
    tracker = Tracker(replace(MOTION, first=StageConfig(max_cost=0.01), second=None))
    for _ in range(5):
        old = tracker.update(one(100)).ids
    for shift in (30, 30, 30, 30):
        tracker.update(one(100 + shift))  # too far for the stage: the old one is lost, a new one is born
    tracks = tracker.update(one(101))
    assert len(tracks) == 0  # 101 is near the lost track, which is older: what was born there goes
    assert old.tolist() == [1]


@pytest.mark.parametrize(("situation", "same"), [("absent25", True), ("absent40", False)])
def test_an_absence_is_bridged_up_to_thirty_frames(situation: str, same: bool) -> None:
    world = known_sequence(situation)
    before, after = before_and_after(world, run(Tracker(MOTION), frames_of(world)), 1)
    assert (before == after) == same


def test_lookalikes_keep_their_identities_by_motion() -> None:
    world = known_sequence("lookalike")
    table = run(Tracker(MOTION), frames_of(world))
    (a, a_after), (b, b_after) = (before_and_after(world, table, person) for person in (1, 2))
    assert (a, b) == (a_after, b_after)


@pytest.mark.parametrize(("gate", "kept"), [(None, False), (0.3, True)], ids=["gate off", "gate on"])
def test_gate_refuses_the_overlap_of_figure_8(gate: float | None, kept: bool) -> None:
    """Somebody else stands where the first person is expected: only the gate keeps them apart."""
    world = known_sequence("figure8")
    config = replace(MOTION, first=StageConfig(score=True, gate=gate))
    table = run(Tracker(config), frames_of(world))
    before, after = before_and_after(world, table, 1)
    stranger = identity(world, table, 2, 60)
    assert (before == after) == kept
    assert (before != stranger) == kept


@pytest.mark.parametrize("appearance", [False, True])
def test_appearance_keeps_those_who_turn_back(appearance: bool) -> None:
    """Motion alone exchanges the two."""
    world = known_sequence("swap")
    stage = StageConfig(fusion="sum", overlap=False, gate=0.3)
    # half hidden by the wall everybody looks like the wall: neither a template nor a new track is taken from there
    config = replace(
        MOTION, templates=TemplateConfig("bank", min_score=0.948), first=stage, life=LifeConfig(new_score=0.94)
    )
    table = run(Tracker(config), frames_of(world, appearance))
    (a, a_after), (b, b_after) = (before_and_after(world, table, person, 10) for person in (1, 2))
    assert (a_after, b_after) == ((a, b) if appearance else (b, a))


def test_impossible_values_name_the_full_key() -> None:
    for word, message in (
        ("first.max_cost=0", r"first.max_cost must be in \(0, 2\], not 0"),
        ("first.max_cost=1.5", r"first.max_cost must be in \(0, 1\] without fusion motion"),
        ("split.high=2", r"split.high must be in \[0, 1\], not 2"),
        ("life.max_lost=-1", "life.max_lost must be at least 0"),
        ("first.direction=0.2", "first.direction needs filter_after"),
        ("second.trcks=all", "did you mean 'second.tracks'"),
    ):
        with pytest.raises(InputError, match=message):
            load_config(TrackerConfig, None, [word])
    with pytest.raises(ValueError, match="frame_rate"):
        Tracker(MOTION, 0)
    with pytest.raises(InputError, match="did you mean 'bytetrack'"):
        load_tracker("bytetrak")


def test_importing_the_tracker_loads_neither_torch_nor_scipy_optimize_nor_pandas() -> None:
    slow = ("torch", "scipy.optimize", "pandas", "cv2")
    code = f"import sys, smiletrack.tracking.tracker; print([m for m in {slow} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("preset", PRESETS)
def test_tracks_take_detections_of_their_own_class_unless_told_otherwise(preset: str) -> None:
    """A car appears where a person was; originals of one class do not look, and nor does any where it is allowed."""
    config = load_config(TrackerConfig, preset_file("tracker", preset), ["life.confirm=0", "output.min_streak=0"])
    original = preset not in ("smiletrack", "smiletrack-calibrated", "smiletrack-motion", "smiletrack-paper")
    assert config.across_classes == original
    for across in (False, True):
        tracker = Tracker(replace(config, across_classes=across))
        for x in (100.0, 101.0, 102.0):
            first = tracker.update(one(x))
        car = [tracker.update(replace(one(x), classes=np.array([3]))) for x in (103.0, 104.0, 105.0)]
        assert set(first.classes) == {1} and set(car[-1].classes) == {3}
        assert (car[-1].ids.tolist() == first.ids.tolist()) == across, preset


def test_a_crossing_of_two_classes_keeps_both() -> None:
    """Where boxes fall on each other, the nearest box of another class is no candidate."""
    both = [
        Detections(
            [[100 + 8 * k, 100, 140 + 8 * k, 200], [180 - 8 * k, 100, 220 - 8 * k, 200]], [0.9, 0.9], classes=[1, 3]
        )
        for k in range(11)
    ]
    tracker = load_tracker("smiletrack")
    tracks = [tracker.update(seen) for seen in both]
    assert all(found.ids.tolist() == [1, 2] and found.classes.tolist() == [1, 3] for found in tracks)


def test_rows_of_an_array_are_detections() -> None:
    first, second = load_tracker("bytetrack"), load_tracker("bytetrack")
    for k in range(3):
        rows = np.array([[10 + k, 10, 50 + k, 90, 0.9, 0], [200, 20, 240, 120, 0.8, 2]])
        tracks = first.update(rows)
        same = second.update(Detections(rows[:, :4], rows[:, 4], classes=np.array([1, 3])))
        np.testing.assert_array_equal(tracks.boxes, same.boxes)
    assert tracks.ids.tolist() == [1, 2] and tracks.classes.tolist() == [1, 3]
    assert len(first.update([])) == 0
    with pytest.raises(ValueError, match=r"rows must have shape \(N, 4 to 6\)"):
        first.update(np.zeros((2, 9)))


def test_lost_tracks_can_be_seen_where_they_are_expected() -> None:
    tracker = Tracker(MOTION)
    for x in (100, 110, 120):
        tracker.update(one(x))
    assert len(tracker.lost) == 0
    tracker.update(nothing())
    lost = tracker.lost
    assert (lost.ids.tolist(), lost.detection_indices.tolist()) == ([1], [-1])
    assert 120 < lost.boxes[0, 0] < 140
    for _ in range(31):
        tracker.update(nothing())
    assert len(tracker.lost) == 0
