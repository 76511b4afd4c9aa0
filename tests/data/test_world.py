"""The synthetic world: what its files say is what its pictures show, and the noise is the stated noise."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from smiletrack.config import CONFIG_ROOT, load_config
from smiletrack.data.mot import read_detections, read_sequence_info, read_truth, read_warps
from smiletrack.data.sequences import open_folders
from smiletrack.data.synthetic import SITUATIONS, crowd_sequences, known_scene, known_sequence, random_scenes
from smiletrack.data.world.config import SceneConfig, SyntheticDetectorConfig
from smiletrack.data.world.coverage import coverage
from smiletrack.data.world.detector import correlated_noise, detect, quality
from smiletrack.data.world.renderer import Renderer
from smiletrack.data.world.scene import Scene, VisiblePeople, figures
from smiletrack.data.world.sequence import observe
from smiletrack.data.world.writing import KNOWN, render_sequence
from smiletrack.engine.make_world import MakeWorldConfig, make_world
from smiletrack.errors import InputError

SMALL = SceneConfig(width=320, height=192, length=20, people=7, moving_cameras=1.0, swaps=0)
CLEAN = replace(SMALL, noise=0.0, light=0.0, exposure=0.0)  # pictures in which every pixel is as painted


def scene_of(config: SceneConfig, seed: int = 5, number: int = 1) -> Scene:
    return random_scenes("TEST", config, seed, number)[-1]


def only(scene: Scene, people: VisiblePeople, rows: np.ndarray) -> Renderer:
    """Return the renderer of the same street with these figures only."""
    return Renderer(scene, people[rows])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped tiny world and two situations, made once."""
    folder = tmp_path_factory.mktemp("worlds") / "tiny"
    make_world(tiny_config(folder))
    return folder


def tiny_config(folder: Path, **changes: object) -> MakeWorldConfig:
    file = CONFIG_ROOT / "world" / "tiny.yaml"
    config = load_config(MakeWorldConfig, file, ["scene.length=12"], output=str(folder))
    return replace(config, **changes)  # type: ignore[arg-type]


# --- geometry


def test_size_follows_the_ground_plane() -> None:
    """A figure of height H with feet at row y is (y - horizon) * H / camera_height px tall: similar triangles."""
    scene = scene_of(replace(SMALL, moving_cameras=0.0, distractors=False))
    people = figures(scene)
    heights_m = np.array([actor.look.height_m for actor in scene.actors])[people.actors]
    expected = (people.feet[:, 1] - scene.ground.horizon) * heights_m / scene.ground.camera_height
    measured = people.boxes[:, 3] - people.boxes[:, 1]
    assert len(people) > 80
    assert np.all(np.abs(measured / expected - 1) < 0.09)  # bent knees and the tip of the foot
    assert np.ptp(expected) > 20


def test_people_walk_on_the_ground_at_walking_speed() -> None:
    scene = scene_of(replace(SMALL, length=150, people=10))
    for actor in scene.actors:
        step_m = np.linalg.norm(np.diff(actor.xz, axis=0), axis=1)
        if actor.kind == "walker" and len(step_m):
            assert step_m.max() * SMALL.frame_rate < 2.3


def test_boxes_are_those_of_the_drawn_figures() -> None:
    """The amodal box of a figure is the bounding box of what changes in the picture when it alone is drawn."""
    scene = painted(scene_of(replace(CLEAN, occluders=False, distractors=False)))
    people, time, checked = figures(scene), 7, 0
    empty = only(scene, people, np.zeros(0, np.int64)).frame(time).image.astype(int)
    for row in np.flatnonzero(people.times == time):
        x1, y1, x2, y2 = people.boxes[row]
        if min(x1, y1, 320 - x2, 192 - y2) < 2:
            continue  # cut by the border
        drawn = only(scene, people, np.array([row])).frame(time).image
        changed = np.abs(drawn - empty).max(2) > 70  # paint, not shadow
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        found = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert found == pytest.approx([x1, y1, x2, y2], abs=1.6)
        checked += 1
    assert checked >= 3


def test_visibility_is_the_share_of_pixels_that_count_independently() -> None:
    """Whoever is taken out of the picture changes exactly the pixels that were theirs: bright paint, by its look."""
    scene = painted(scene_of(replace(CLEAN, people=14, distractors=False, moving_cameras=0.0)))
    people, time, free = figures(scene), 10, replace(scene, layout=replace(scene.layout, obstacles=()))
    rows = np.flatnonzero(people.times == time)
    full, nobody = only(scene, people, rows).frame(time), only(free, people, rows[:0]).frame(time).image.astype(int)
    boxes = people.boxes[rows]
    large = boxes[:, 3] - boxes[:, 1] > 30  # of smaller ones a rim of mixed colours is a large part
    inside = (boxes[:, :2] > 0).all(1) & (boxes[:, 2] < 320) & (boxes[:, 3] < 192) & large
    partly = np.argsort(np.where(inside, np.abs(full.visible - 0.5), np.inf))[: min(7, inside.sum())]
    assert len(partly) >= 5
    for place in partly:
        without = only(scene, people, np.delete(rows, place)).frame(time).image
        alone = only(free, people, rows[[place]]).frame(time).image
        # a shadow changes a pixel by less than 70, paint by more
        seen = np.count_nonzero(np.abs(full.image.astype(int) - without).max(2) > 70)
        whole = np.count_nonzero(np.abs(alone - nobody).max(2) > 70)
        assert full.visible[place] == pytest.approx(seen / whole, abs=0.06)
    assert full.visible[partly].min() < 0.4 and full.visible[partly].max() > 0.6


def painted(scene: Scene) -> Scene:
    """Return the scene with everybody in one bright colour from head to foot, neighbours in different ones."""
    paints = [(255, 0, 255), (255, 255, 0), (0, 255, 255), (0, 0, 255), (0, 255, 0), (255, 0, 0)]
    names = ("skin", "hair", "top", "accent", "bottom", "shoes", "bag_color")
    looks = [replace(actor.look, **dict.fromkeys(names, paints[index % 6])) for index, actor in enumerate(scene.actors)]
    return replace(scene, actors=[replace(a, look=look) for a, look in zip(scene.actors, looks, strict=True)])


def test_hidden_parts_and_the_border_lower_the_visibility() -> None:
    """A wall of known width: who stands behind its middle is hidden, who stands beside it is not."""
    scene = known_scene("absent25")
    people = figures(scene)
    picture = Renderer(scene, people)
    wall = scene.layout.obstacles[0].box(scene.ground)
    for row in range(0, len(people), 7):
        x1, _, x2, _ = people.boxes[row]
        visible = picture.frame(int(people.times[row])).visible[0]
        if x2 < wall[0] - 1 or x1 > wall[2] + 1:
            assert visible == pytest.approx(1.0, abs=0.02)
        else:
            assert visible < 1
    outside = np.flatnonzero((people.boxes[:, 0] < 0) | (people.boxes[:, 2] > scene.config.width))
    for row in outside[:3]:
        assert picture.frame(int(people.times[row])).visible[0] < 1


def test_shares_without_pictures_agree_with_those_of_pictures() -> None:
    scene = scene_of(replace(SMALL, people=12, length=40))
    people = figures(scene)
    estimated, hider = coverage(scene, people)
    renderer = Renderer(scene, people)
    times = range(0, 40, 4)
    counted = np.concatenate([renderer.frame(time).visible for time in times])
    rows = np.isin(people.times, times)
    assert np.abs(estimated[rows] - counted).mean() < 0.1
    assert np.corrcoef(estimated[rows], counted)[0, 1] > 0.9
    behind = np.flatnonzero(hider >= 0)
    assert np.all(people.times[hider[behind]] == people.times[behind])
    assert np.all(people.depths[hider[behind]] < people.depths[behind])


def test_true_camera_motion_aligns_the_background() -> None:
    """Warping a frame onto the next by its gmc row leaves the empty street unchanged; without it, it does not."""
    scene = scene_of(replace(CLEAN, people=0, length=40, shake_px=2.0, distractors=False))
    renderer, warps = Renderer(scene, figures(scene)), observe(scene, SyntheticDetectorConfig()).warps
    assert np.allclose(warps[0], [[1, 0, 0], [0, 1, 0]])
    aligned, moved = [], []
    for time in range(1, 40, 4):
        before, now = renderer.frame(time - 1).image, renderer.frame(time).image
        warped = cv2.warpAffine(before, warps[time], (320, 192))
        inner = np.s_[20:-20, 20:-20]
        aligned.append(np.abs(warped[inner].astype(int) - now[inner]).mean())
        moved.append(np.abs(before[inner].astype(int) - now[inner]).mean())
    assert np.mean(aligned) < 0.35 * np.mean(moved)


def test_boxes_move_with_the_camera() -> None:
    """Somebody who sits still moves exactly as the camera's map says."""
    scene = scene_of(replace(SMALL, length=30))
    sequence = observe(scene, SyntheticDetectorConfig())
    seated = sequence.truth[sequence.truth.classes == 7]
    assert len(seated) > 5
    bottom = np.stack([seated.boxes[:, [0, 2]].mean(1), seated.boxes[:, 3], np.ones(len(seated))], 1)
    follows = np.flatnonzero(np.diff(seated.frames) == 1)
    predicted = np.einsum("tij,tj->ti", sequence.warps[seated.frames[follows + 1] - 1], bottom[follows])
    assert np.abs(predicted - bottom[follows + 1, :2]).max() < 0.1
    assert np.abs(bottom[follows + 1] - bottom[follows]).max() > 0.3


# --- the detector's noise


def test_noise_is_the_stated_noise() -> None:
    """Detections of many people at one known quality: rate, scores and jitter are those of the formula."""
    config = SyntheticDetectorConfig(false_alarms=0.0)
    scene = scene_of(replace(SMALL, length=150, people=40, distractors=False))
    people = figures(scene)
    visible = np.full(len(people), 0.35)
    heights = people.boxes[:, 3] - people.boxes[:, 1]
    q = 0.5 / (1 + np.exp(-(heights / config.half_height_px - 1) / 0.2))
    assert quality(config, visible, heights) == pytest.approx(q)
    seen = detect(scene, people, visible, np.full(len(people), -1), config)
    chance = config.recall * np.minimum(1, 2 * q)
    assert len(seen.times) == pytest.approx(chance.sum(), rel=0.05)
    key = {(t, a): i for i, (t, a) in enumerate(zip(people.times, people.actors, strict=True))}
    rows = np.array([key[t, a] for t, a in zip(seen.times, seen.actors, strict=True)])
    assert np.mean(seen.scores - (0.2 + 0.75 * q[rows])) == pytest.approx(0, abs=0.01)
    assert np.std(seen.scores - (0.2 + 0.75 * q[rows])) == pytest.approx(config.score_noise, rel=0.15)
    true, found = people.boxes[rows], seen.boxes
    sides = true[:, 2:] - true[:, :2]
    spread = config.jitter * (1 + 2 * (1 - q[rows]))
    centre_error = ((found[:, :2] + found[:, 2:]) - (true[:, :2] + true[:, 2:])) / 2 / sides / spread[:, None]
    size_error = np.log((found[:, 2:] - found[:, :2]) / sides) / spread[:, None]
    assert centre_error.std() == pytest.approx(1, rel=0.1)
    assert size_error.std() == pytest.approx(1, rel=0.1)


def test_errors_are_correlated_in_time_and_standard_normal() -> None:
    noise = correlated_noise(400, (60,), 0.6, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert np.mean(noise[1:] * noise[:-1]) == pytest.approx(0.6, abs=0.03)
    assert np.mean(noise[2:] * noise[:-2]) == pytest.approx(0.36, abs=0.04)


def test_false_alarms_have_the_stated_rate() -> None:
    scene = scene_of(replace(SMALL, people=0, length=2000, distractors=False))
    sequence = observe(scene, SyntheticDetectorConfig(false_alarms=2.0))
    assert set(sequence.detection_ids.tolist()) == {-1}
    assert len(sequence.detections) / 2000 == pytest.approx(2.0, rel=0.15)
    assert sequence.detections.scores.max() < 0.7


def test_appearance_tells_people_apart_unless_they_dress_alike() -> None:
    sequence = crowd_sequences(replace(SMALL, length=90, people=12, lookalikes=0.7), 1, number=1)[0]
    clothes = {person["id"]: person["clothes"] for person in sequence.people}
    group = np.array([clothes.get(number, -99) for number in sequence.detection_ids])
    clear = (sequence.detections.scores > 0.9) & (sequence.detection_ids > 0)
    vectors, group = sequence.embeddings[clear], group[clear]
    assert np.allclose(np.linalg.norm(sequence.embeddings, axis=1), 1)
    cosine, same = vectors @ vectors.T, group[:, None] == group[None]
    assert cosine[same].mean() > 0.7
    assert abs(cosine[~same].mean()) < 0.15
    ids = sequence.detection_ids[clear]
    alike = same & (ids[:, None] != ids[None])
    assert alike.any() and cosine[alike].mean() > 0.65


# --- known answers


@pytest.mark.parametrize(("situation", "frames"), [("absent25", 25), ("absent40", 40), ("swap", 15), ("lookalike", 15)])
def test_gone_for_exactly_as_long_as_said(situation: str, frames: int) -> None:
    sequence = known_sequence(situation)
    answer = sequence.answers[situation][0]
    for person, (first, last) in zip(answer["people"], answer["gone"], strict=True):
        seen = sequence.truth.frames[sequence.truth.ids == person]
        detected = sequence.detections.frames[sequence.detection_ids == person]
        assert last - first + 1 == frames
        for present in (seen, detected):
            assert present.min() < first and present.max() > last
            assert not np.any((present >= first) & (present <= last))
            assert np.max(np.diff(present)) == frames + 1
            assert np.unique(np.diff(present)).tolist() == [1, frames + 1]


def test_swap_is_a_swap_for_motion_and_none_for_the_eye() -> None:
    """Extrapolated at even speed, each comes out nearer to the other's place."""
    sequence = known_sequence("swap")
    (first, last), people = sequence.answers["swap"][0]["gone"][0], sequence.answers["swap"][0]["people"]
    centre = {}
    for person in people:
        rows = sequence.truth.ids == person
        boxes = sequence.truth.boxes[rows]
        centre[person] = dict(zip(sequence.truth.frames[rows].tolist(), boxes[:, [0, 2]].mean(1), strict=True))
    for person, other in (people, people[::-1]):
        path = centre[person]
        speed = (path[first - 1] - path[first - 16]) / 15
        expected = path[first - 1] + speed * (last + 2 - first)
        assert abs(expected - centre[other][last + 1]) < 0.3 * abs(expected - path[last + 1])
    clothes = {person["id"]: person["clothes"] for person in sequence.people}
    assert clothes[people[0]] != clothes[people[1]]


def test_lookalikes_dress_alike_and_walk_on() -> None:
    sequence = known_sequence("lookalike")
    assert len({person["clothes"] for person in sequence.people}) == 1
    for person in (1, 2):
        rows = sequence.truth.ids == person
        middles = sequence.truth.boxes[rows][:, [0, 2]].mean(1)
        assert abs(np.sign(middles[-1] - middles[0]) * np.ptp(middles) - (middles[-1] - middles[0])) < 2


def test_figure_8_puts_a_stranger_where_somebody_is_expected() -> None:
    """In the first frame of the absence the stranger's box overlaps the extrapolated one by more than half."""
    sequence = known_sequence("figure8")
    answer = sequence.answers["figure8"][0]
    (hidden_first, hidden_last), (_, stranger_last) = answer["gone"]
    assert stranger_last == hidden_first - 1
    one, two = (sequence.truth[sequence.truth.ids == person] for person in answer["people"])
    before, earlier = (one.boxes[one.frames == hidden_first - back][0] for back in (1, 11))
    expected = before + (before - earlier).mean() / 10 * np.array([2, 0, 2, 0])
    found = two.boxes[two.frames == hidden_first][0]
    low, high = np.maximum(expected[:2], found[:2]), np.minimum(expected[2:], found[2:])
    common = np.prod(high - low)
    union = np.prod(expected[2:] - expected[:2]) + np.prod(found[2:] - found[:2]) - common
    assert common / union > 0.5
    assert hidden_last - hidden_first + 1 == 16 and one.frames.max() > hidden_last


def test_swaps_among_random_people_are_hidden_by_the_kiosk() -> None:
    sequence = crowd_sequences(replace(SMALL, width=640, height=360, length=120, people=4, swaps=1), 2, number=1)[0]
    answer = sequence.answers["swap"][0]
    for person in answer["people"]:
        row = (sequence.truth.ids == person) & (sequence.truth.frames == answer["middle"])
        assert sequence.truth.visibility[row] == 0


def test_an_unknown_situation_is_named() -> None:
    with pytest.raises(InputError, match="'swapp' is not known; there are swap"):
        known_sequence("swapp")


# --- files


def test_folders_read_as_motchallenge(tiny: Path) -> None:
    for split in ("train", "val"):
        (folder,) = (sequence.folder for sequence in open_folders(tiny / split))
        info = read_sequence_info(folder)
        images = sorted(info.image_folder.iterdir())
        assert [image.name for image in images] == [f"{number:06d}.jpg" for number in range(1, info.length + 1)]
        assert cv2.imread(str(images[0])).shape == (info.height, info.width, 3)
        truth, detections = read_truth(folder / "gt" / "gt.txt"), read_detections(folder / "det" / "det.txt")
        assert {1, 7, 8} <= set(truth.classes.tolist()) <= {1, 2, 3, 7, 8, 9, 11, 12}
        assert np.array_equal(truth.scores, (truth.classes == 1).astype(float))
        assert truth.visibility.min() >= 0 and truth.visibility.max() <= 1
        assert truth.frames.min() == 1 and truth.frames.max() == info.length == len(read_warps(folder / "gmc/gmc.txt"))
        assert len(np.unique(np.stack([truth.frames, truth.ids]), axis=1).T) == len(truth)
        assert len(detections) > 3 * info.length
        first_line = (folder / "gt" / "gt.txt").read_text().splitlines()[0]
        assert first_line.count(",") == 8 and (folder / "det/det.txt").read_text().splitlines()[0].count(",") == 6


def test_people_of_training_and_validation_differ() -> None:
    train, val = (random_scenes(name, SMALL, 0, 1)[0] for name in ("TRAIN", "VAL"))
    looks = [{actor.look for actor in scene.actors} for scene in (train, val)]
    assert not {replace(look, group=0) for look in looks[0]} & {replace(look, group=0) for look in looks[1]}


def test_the_same_seed_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    make_world(tiny_config(tmp_path))
    for file in sorted(tiny.rglob("*.*")):
        if file.is_file() and file.name != "world.yaml":
            assert (tmp_path / file.relative_to(tiny)).read_bytes() == file.read_bytes(), file
    make_world(tiny_config(tmp_path, seed=1))
    place = Path("val/VAL-01/gt/gt.txt")
    assert (tmp_path / place).read_bytes() != (tiny / place).read_bytes()


def test_a_world_says_that_it_is_whole_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`smiletrack quickstart` asks for that file before it trains."""
    config = tiny_config(tmp_path, val_sequences=0, scene=replace(SMALL, length=2))
    make_world(config)
    assert (tmp_path / "world.yaml").is_file()

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("smiletrack.engine.make_world.render_sequence", stopped)
    make_world(config)
    assert (tmp_path / "world.yaml").is_file(), "all was there"
    with pytest.raises(KeyboardInterrupt):
        make_world(replace(config, seed=1))
    assert not (tmp_path / "world.yaml").exists()


def test_frames_may_be_drawn_in_any_order() -> None:
    scene = scene_of(SMALL)
    people = figures(scene)
    forward, backward = Renderer(scene, people), Renderer(scene, people)
    ahead = [forward.frame(time).image for time in (3, 4)]
    assert all(np.array_equal(backward.frame(time).image, ahead[time - 3]) for time in (4, 3))


def test_what_is_there_is_left_alone_and_what_is_half_made_is_remade(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_config(tmp_path, val_sequences=0, scene=replace(SMALL, length=3))
    make_world(config)
    image = tmp_path / "train" / "TRAIN-01" / "img1" / "000001.jpg"
    made, content = image.stat().st_mtime_ns, image.read_bytes()
    make_world(config)
    assert image.stat().st_mtime_ns == made
    assert "nothing to do" in capsys.readouterr().out
    (tmp_path / "train" / "TRAIN-01" / KNOWN).unlink()
    image.unlink()
    with pytest.raises(InputError, match="not a made world"):
        make_world(config)
    (tmp_path / "train" / ".TRAIN-01.partial" / "img1").mkdir(parents=True, exist_ok=True)  # as a killed run leaves it
    shutil.rmtree(tmp_path / "train" / "TRAIN-01")
    make_world(config)
    assert image.read_bytes() == content
    assert [folder.name for folder in (tmp_path / "train").iterdir()] == ["TRAIN-01"]


def test_a_failed_sequence_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Renderer, time: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Renderer, "frame", stop)
    with pytest.raises(KeyboardInterrupt):
        render_sequence(scene_of(SMALL), SyntheticDetectorConfig(), tmp_path / "SEQ", {}, 90)
    assert not (tmp_path / "SEQ").exists()


def test_known_json_names_the_roles(tmp_path: Path) -> None:
    make_world(tiny_config(tmp_path, train_sequences=0, val_sequences=0, situations=("lookalike",)))
    known = json.loads((tmp_path / "known" / "KNOWN-lookalike" / KNOWN).read_text())
    assert known["situations"]["lookalike"][0]["people"] == [1, 2]
    assert [person["clothes"] for person in known["people"]] == [0, 0]
    detections = read_detections(tmp_path / "known" / "KNOWN-lookalike" / "det" / "det.txt")
    memory = known_sequence("lookalike").detections
    rows = [np.lexsort([table.boxes[:, 0], table.frames]) for table in (detections, memory)]
    assert detections.boxes[rows[0]] == pytest.approx(memory.boxes[rows[1]], abs=0.03)


def test_light_changes_over_time_and_noise_is_as_strong_as_said() -> None:
    scene = scene_of(replace(SMALL, people=0, moving_cameras=0.0, length=90, light=0.4, noise=6.0, distractors=False))
    renderer = Renderer(scene, figures(scene))
    means = [renderer.frame(time).image.mean() for time in range(0, 90, 10)]
    assert np.ptp(means) > 0.1 * np.mean(means)
    quiet = Renderer(replace(scene, config=replace(scene.config, noise=0.0)), figures(scene))
    difference = renderer.frame(5).image.astype(int) - quiet.frame(5).image
    assert difference[quiet.frame(5).image < 200].std() == pytest.approx(6.0, rel=0.1)


def test_the_demo_preset_is_the_default_world() -> None:
    """Other commands make the default world when they need one: it must be the one that smiletrack make-world makes."""
    assert load_config(MakeWorldConfig, CONFIG_ROOT / "world" / "demo.yaml") == MakeWorldConfig()


def test_the_crowd_is_as_dense_as_mot20() -> None:
    """More than a hundred people a frame."""
    config = load_config(MakeWorldConfig, CONFIG_ROOT / "world" / "crowd.yaml", ["scene.length=15"])
    truth = crowd_sequences(config.scene, number=1)[0].truth
    assert 100 < np.count_nonzero(truth.classes == 1) / 15 < 250


def test_an_empty_world_is_legal() -> None:
    scene = scene_of(replace(SMALL, people=0, distractors=False, occluders=False))
    sequence = observe(scene, SyntheticDetectorConfig(false_alarms=0.0))
    assert len(sequence.truth) == len(sequence.detections) == 0
    assert Renderer(scene, figures(scene)).frame(0).image.shape == (192, 320, 3)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("scene.people=-1", r"scene.people must be in \[0, 1000\], not -1"),
        ("scene.lookalikes=2", r"scene.lookalikes must be in \[0, 1\]"),
        ("detector.correlation=1", r"detector.correlation must be in \[0, 1\), not 1"),
        ("situations=[swop]", "situations: 'swop' is not known"),
        ("scene.widht=3", "did you mean 'scene.width'"),
        ("scene.camera_height_m=0", "scene.camera_height_m must be above 0"),
    ],
)
def test_impossible_values_name_the_key(word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_config(MakeWorldConfig, None, [word])


def test_every_situation_is_scripted_for_a_plain_stage() -> None:
    assert set(SITUATIONS) == {"swap", "lookalike", "absent25", "absent40", "figure8"}
