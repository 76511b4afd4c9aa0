"""Identity batches: who is in them, from when, and what augmentation may do."""

import numpy as np
import pytest

from smiletrack.data.reid.batches import AugmentConfig, IdentityBatches, IdentityDraws, augment, hide

NONE = AugmentConfig(flip=0, jitter=0, colour=0, blur=0, shrink=0, erase=0, occlude=0, disguise=0)


def crops_of(identities: np.ndarray, size: tuple[int, int] = (10, 26)) -> np.ndarray:  # type: ignore[type-arg]
    """Every crop is one grey level, its row number."""
    return np.stack([np.full((size[1], size[0], 3), row, np.uint8) for row in range(len(identities))])


def batches(num_batches: int = 6, augment: AugmentConfig = NONE, **changes: int) -> IdentityBatches:
    identities = np.repeat(np.arange(12), 10)
    frames = np.tile(np.arange(1, 11), 12)
    sequences = np.array(["a", "b", "c"])[identities // 4]
    settings = {"num_identities": 4, "crops_per_identity": 5, "groups": 1} | changes
    draws = IdentityDraws(identities, frames, sequences, num_batches=num_batches, **settings)
    return IdentityBatches(crops_of(identities), draws, augment, (10, 26))


def test_a_batch_is_P_identities_of_one_sequence_by_K_crops_over_time() -> None:
    seen = set()
    for images, labels, _ in batches(30):
        assert images.shape == (20, 26, 10, 3) and images.dtype == np.uint8
        assert labels.reshape(4, 5).tolist() == [[label] * 5 for label in labels[::5]]
        assert len(set(labels.tolist())) == 4 and len(set(labels // 4)) == 1
        rows = images[:, 0, 0, 0].reshape(4, 5).astype(int)
        np.testing.assert_array_equal(rows // 10, labels.reshape(4, 5))  # crops are of the label
        np.testing.assert_array_equal((rows % 10) // 2, np.tile(np.arange(5), (4, 1)))  # one from each fifth
        seen |= set(labels.tolist())
    assert seen == set(range(12))


def test_more_identities_than_a_sequence_has_come_from_several() -> None:
    for _, labels, _ in batches(num_identities=7):
        assert len(set(labels.tolist())) == 7 and len(set(labels // 4)) == 2
    assert any(len(set(labels // 4)) == 3 for _, labels, _ in batches(groups=0))


def test_a_batch_depends_on_its_number_and_the_seed_only() -> None:
    spoilt = AugmentConfig()
    first, again, other = batches(augment=spoilt), batches(augment=spoilt), batches(augment=spoilt, seed=1)
    np.testing.assert_array_equal(first[3][0], again[3][0])
    assert not np.array_equal(first[3][0], first[4][0]) and not np.array_equal(first[3][0], other[3][0])
    with pytest.raises(IndexError):
        first[6]


def test_too_few_identities_with_a_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 3 identities with two crops or more, there are 2"):
        IdentityDraws(
            np.array([0, 0, 1, 1, 2]), np.arange(5), np.zeros(5), num_batches=1, num_identities=3, crops_per_identity=2
        )


def picture(seed: int) -> np.ndarray:  # type: ignore[type-arg]
    small = np.random.default_rng(seed).integers(30, 226, (29, 10, 3), dtype=np.uint8)
    return small.repeat(10, 0).repeat(10, 1)[:291, :104]


def test_without_augmentation_the_margin_is_cut_off_and_nothing_else() -> None:
    crop = np.zeros((29, 13, 3), np.uint8)
    crop[3:26, 2:12] = 200  # the box of a crop with 15 % margin, about
    image, visible = augment(crop, crop, NONE, np.random.default_rng(0), (10, 22), 0.15)
    assert image.shape == (22, 10, 3) and (image == 200).all()
    assert visible.shape == (22, 10) and (visible == 255).all()


@pytest.mark.parametrize("name", ["flip", "jitter", "colour", "blur", "shrink", "erase", "occlude", "disguise"])
def test_each_augmentation_changes_pixels_alone_and_keeps_the_shape(name: str) -> None:
    crop, other = picture(0), picture(1)
    config = AugmentConfig(**{**vars(NONE), name: 0.1 if name == "jitter" else 0.9})
    plain = augment(crop, other, NONE, np.random.default_rng(5), (80, 224), 0.15)[0]
    results = [augment(crop, other, config, np.random.default_rng(s), (80, 224), 0.15)[0] for s in range(8)]
    assert all(r.shape == plain.shape and r.dtype == np.uint8 for r in results)
    assert sum(not np.array_equal(r, plain) for r in results) >= 4
    np.testing.assert_array_equal(crop, picture(0))  # the cache's crop is not touched


def test_a_flip_mirrors_and_an_occluder_covers_at_most_half() -> None:
    crop, black = picture(0), np.zeros_like(picture(0))
    rng = np.random.default_rng
    plain = augment(crop, black, NONE, rng(0), (80, 224), 0.15)[0]
    flipped = augment(crop, black, AugmentConfig(**{**vars(NONE), "flip": 1.0}), rng(0), (80, 224), 0.15)[0]
    np.testing.assert_array_equal(flipped, plain[:, ::-1])
    for seed in range(20):
        occlude = AugmentConfig(**{**vars(NONE), "occlude": 1.0})
        hidden, visible = augment(crop, black, occlude, rng(seed), (80, 224), 0.15)
        covered = (hidden == 0).all(2)
        np.testing.assert_array_equal(visible, np.where(covered, 0, 255))
        assert 0.08 < covered.mean() <= 0.51
        np.testing.assert_array_equal(hidden[~covered], plain[~covered])


def test_impossible_augmentation_is_named() -> None:
    for name, value in (("flip", 1.5), ("jitter", -0.1), ("erase", -1)):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            AugmentConfig(**{name: value})


def test_a_disguise_makes_somebody_new_of_two() -> None:
    crop, other = np.full((224, 80, 3), 40, np.uint8), np.full((224, 80, 3), 240, np.uint8)
    config = AugmentConfig(**{**vars(NONE), "disguise": 1.0})
    tops, bottoms = [], []
    for seed in range(200):
        image = augment(crop, other, config, np.random.default_rng(seed), (80, 224), 0.0)[0].astype(int)
        assert (np.abs(image[-70:] - 240) <= 1).all()  # legs of the other, blended with the other
        waist = np.flatnonzero((np.abs(image - 240) > 1).any((1, 2)))
        tops.append(np.ptp(image[0], axis=-1).max())
        bottoms.append(len(waist))
    assert max(tops) > 30 and max(bottoms) - min(bottoms) > 50  # grey turns coloured; waists move


def test_a_cover_moves_with_the_crop_it_covers() -> None:
    """Where the picture is black the cover says so, whatever jitter and mirror do; both were drawn alike."""
    crop = np.full((291, 104, 3), 200, np.uint8)
    crop[150:, 60:] = 0
    cover = np.where(crop[:, :, 0] == 0, 255, 0).astype(np.uint8)
    moving = AugmentConfig(**{**vars(NONE), "flip": 0.5, "jitter": 0.1})
    shares = set()
    for seed in range(12):
        image, visible = augment(crop, crop, moving, np.random.default_rng(seed), (80, 224), 0.15, cover)
        assert ((image[:, :, 0] > 100) == (visible > 127)).all()
        shares.add(round(float((visible > 127).mean()), 3))
    assert len(shares) > 8


def test_batches_carry_covers_and_without_them_nobody_is_covered() -> None:
    assert all((visible == 255).all() for _, _, visible in batches(3))
    identities, frames = np.repeat(np.arange(4), 2), np.tile([0, 1], 4)
    covers = (np.arange(8, dtype=np.uint8) * 30)[:, None, None] * np.ones((1, 6, 4), np.uint8)
    draws = IdentityDraws(identities, frames, np.zeros(8), num_batches=2, num_identities=4, crops_per_identity=2)
    covered = IdentityBatches(crops_of(identities), draws, NONE, (10, 26), covers=covers)
    for images, _, visible in covered:
        np.testing.assert_array_equal(visible[:, 0, 0], 255 - 30 * images[:, 0, 0, 0])
        assert visible.shape == (8, 26, 10) and (visible == visible[:, :1, :1]).all()


def test_what_is_hidden_later_is_hidden_as_augmentation_hides() -> None:
    crop, black = picture(0), np.zeros_like(picture(0))
    plain, visible = augment(crop, black, NONE, np.random.default_rng(0), (80, 224), 0.15)
    always = AugmentConfig(**{**vars(NONE), "occlude": 1.0})
    hidden, mask = hide(plain, visible, black, always, np.random.default_rng(1), 0.15)
    np.testing.assert_array_equal((hidden == 0).all(2), mask == 0)
    assert 0.08 < (mask == 0).mean() <= 0.51 and (visible == 255).all()
    np.testing.assert_array_equal(hide(plain, visible, black, NONE, np.random.default_rng(1), 0.15)[0], plain)
