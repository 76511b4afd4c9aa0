"""Losses, gradients, assignments and training steps against the recorded originals."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smiletrack.detector.build import ARCHITECTURES, build_detector, build_loss
from smiletrack.detector.label_assignment import anchor_candidates, class_cost, dynamic_k_matching
from smiletrack.detector.losses import OTALoss, YOLOXLoss
from smiletrack.detector.overlaps import iou_loss_rows, iou_pairs, iou_rows, to_corners
from smiletrack.detector.public_names import public_names
from smiletrack.detector.settings import DetectorConfig, OTALossConfig
from smiletrack.detector.yolox import STRIDES, decode_boxes
from tests.detector.recorded import Record, projection, with_weights

Oracle = Callable[[str], Path]


def prb_levels(record: Record, num_classes: int, auxiliary: bool) -> list[Tensor]:
    strides = record.meta["strides"] * (2 if auxiliary else 1)
    shapes = [(2, 3, 128 // s, 128 // s, 5 + num_classes) for s in strides]
    drawn = []
    for number, shape in enumerate(shapes):
        array = 0.6 * np.random.Generator(np.random.PCG64(100 + number)).standard_normal(shape)
        array[..., 4] -= 1
        drawn.append(torch.from_numpy(array.astype(np.float32)).requires_grad_())
    return drawn


def pixel_targets(targets: list[list[float]], side: int) -> Tensor:
    rows = torch.tensor(targets, dtype=torch.float32).reshape(-1, 6).clone()
    rows[:, 2:] *= side
    return rows


@pytest.mark.parametrize("name", ["loss_prb_ota_p5", "loss_prb_ota_p6", "loss_prb_aux_ota_p6"])
def test_ota_losses_equal_the_originals(oracle: Oracle, name: str) -> None:
    record = Record(oracle("networks"), name)
    strides, auxiliary = tuple(record.meta["strides"]), "aux" in name
    anchors = torch.tensor(record.meta["anchors_px"], dtype=torch.float32).view(len(strides), 3, 2)
    for key, case in record.meta["cases"].items():
        outputs = prb_levels(record, case["nc"], auxiliary)
        targets = pixel_targets(case["targets"], 128)
        gains = case["hyp_gains"]
        head = SimpleNamespace(
            num_classes=case["nc"], strides=strides, anchors=anchors, auxiliary=strides if auxiliary else ()
        )
        config = OTALossConfig(gains["box"], gains["cls"], gains["obj"], False, case["label_smoothing"])
        loss = OTALoss(head, config)  # type: ignore[arg-type]
        found = loss(outputs, targets)
        found.total.backward()
        close = {"rel": 1e-5, "abs": 1e-9}
        assert found.total.item() == pytest.approx(case["total_times_batch"], **close)
        assert found.box.item() == pytest.approx(case["box"], **close)
        assert found.objectness.item() == pytest.approx(case["obj"], **close)
        assert found.classes.item() == pytest.approx(case["cls"], **close)
        for level, stored in zip(outputs, case["grad"], strict=True):
            assert level.grad is not None
            assert level.grad.double().sum().item() == pytest.approx(stored["sum"], abs=1e-5 * stored["abssum"])
            assert projection(level.grad) == pytest.approx(stored["proj"], abs=1e-5 * stored["abssum"])
        base = key.rsplit("_", 1)[0]
        lead = outputs[: len(strides)]
        heads = [("lead", False), ("aux", True)] if auxiliary else [("lead", False)]
        for kind, wide in heads:
            table = positives_table(loss, lead, targets, wide)
            np.testing.assert_allclose(table, record.arrays[f"{base}_{kind}"], rtol=1e-5, atol=1e-6)
        if key.endswith("yaml") and f"{base}_grad" in record.arrays:
            gradient = torch.cat([level.grad.flatten() for level in outputs])  # type: ignore[union-attr]
            np.testing.assert_allclose(gradient.numpy(), record.arrays[f"{base}_grad"], rtol=1e-4, atol=1e-7)


def positives_table(loss: OTALoss, lead: list[Tensor], targets: Tensor, wide: bool) -> np.ndarray[Any, Any]:
    """Return the recorded table of positives: level, image, anchor, row, column, target, anchor's size in cells."""
    found = []
    for level, at in enumerate(loss.assign([x.detach() for x in lead], targets, auxiliary=wide)):
        for image, anchor, row, column, target in zip(
            *(v.tolist() for v in (at.image, at.anchor, at.row, at.column, at.target)), strict=True
        ):
            size = (loss.anchors[level, anchor] / loss.strides[level]).tolist()
            values = targets[target].tolist()
            cells = [values[0], values[1], *(v / 128 for v in values[2:])]
            found.append([level, image, anchor, row, column, *cells, *size])
    return np.array(sorted(found), dtype=np.float64).reshape(-1, 13)


def test_yolox_losses_equal_the_originals(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "loss_yolox_simota")
    height, width = record.meta["image_hw"]
    for key, case in record.meta["cases"].items():
        shapes = [(2, 5 + case["nc"], height // s, width // s) for s in STRIDES]
        outputs = []
        for number, shape in enumerate(shapes):
            array = 0.5 * np.random.Generator(np.random.PCG64(200 + number)).standard_normal(shape)
            array[:, 2:4] += 1
            array[:, 4] -= 1
            outputs.append(torch.from_numpy(array.astype(np.float32)).requires_grad_())
        labelled = [[i, *row] for i, image in enumerate(case["labels"]) for row in image if any(row)]
        targets = torch.tensor(labelled, dtype=torch.float32).reshape(-1, 6)
        loss = YOLOXLoss(case["nc"], case["use_l1"])
        found = loss(outputs, targets)
        found.total.backward()
        for value, name in zip(found, ("total", "iou_times_5", "conf", "cls", "l1"), strict=True):
            assert value.item() == pytest.approx(case[name], rel=1e-5)
        base = key.rsplit("_", 1)[0]
        matched, overlap = loss.assign([level.detach() for level in outputs], targets)
        first = torch.searchsorted(targets[:, 0].contiguous(), torch.arange(2.0))[:, None]
        mask = record.arrays[f"{base}_fg_mask"].astype(bool)
        np.testing.assert_array_equal(matched.numpy() >= 0, mask)
        np.testing.assert_array_equal(
            torch.where(matched >= 0, matched - first, -1).numpy(), record.arrays[f"{base}_matched_gt"]
        )
        np.testing.assert_allclose(overlap.numpy()[mask], record.arrays[f"{base}_matched_iou"][mask], atol=1e-6)
        decoded = record.arrays.get(f"nc{case['nc']}_decoded")
        if decoded is not None:
            np.testing.assert_allclose(decode_boxes(outputs).detach().numpy(), decoded, rtol=1e-5, atol=1e-4)
        for level, stored in zip(outputs, case["grad"], strict=True):
            assert projection(level.grad) == pytest.approx(stored["proj"], abs=1e-5 * stored["abssum"])  # type: ignore[arg-type]


ALL = pytest.mark.skipif("SMILETRACK_ALL_RECORDS" not in os.environ, reason="SMILETRACK_ALL_RECORDS is not set")
STEPS = [
    ("train_yolov7_tiny_nc3_bneval", "yolov7-tiny"),
    ("train_yolox_nano_nc1_bneval", "yolox-nano"),
    pytest.param("train_yolov7_tiny_nc3", "yolov7-tiny", marks=ALL),
    ("train_yolox_nano_nc1", "yolox-nano"),
    pytest.param("train_prb_2py_e6e_auxpy1_nc1_bneval", "prb-2py-e6e-auxpy1", marks=ALL),
    pytest.param("train_prb_2py_e6e_auxpy1_nc1", "prb-2py-e6e-auxpy1", marks=ALL),
]


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Let sums over an image be made in parts: as one, oneDNN on some processors rounds a gradient by a thousandth."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("name", "architecture"), STEPS)
def test_training_step_equals_the_original(oracle: Oracle, name: str, architecture: str) -> None:
    record = Record(oracle("networks"), name)
    meta, frozen = record.meta, name.endswith("bneval")
    with torch.device("meta"):
        net = ARCHITECTURES[architecture](meta["nc"])
    net = with_weights(net, meta["gain"]).train()
    if frozen:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
    images = record.images("b")
    if isinstance(loss := build_loss(net), YOLOXLoss):
        loss.use_l1 = meta["use_l1"]
        labels = [[i, *row] for i, image in enumerate(meta["labels_cls_cx_cy_w_h"]) for row in image]
        targets = torch.tensor(labels, dtype=torch.float32)
        expected = meta["loss"]["total_loss"]
    else:
        hyp = meta["hyp"]
        loss = build_loss(net, OTALossConfig(hyp["box"], hyp["cls"], hyp["obj"], rescale=False))
        targets = pixel_targets(meta["targets"], images.shape[2])
        expected = meta["loss"]["total_times_batch"]
    outputs = net(images)
    found = loss(outputs, targets)
    found.total.backward()
    assert found.total.item() == pytest.approx(expected, rel=1e-5 if frozen else 1e-3)
    # with batch statistics, rounding alone moves gradients by this much (fp64_* of the record)
    noise = 1e-5 if frozen else 3 * meta["fp64_grad_norm_reldiff"]["max"]
    spread = 1e-4 if frozen else 3 * meta["fp64_grad_proj_diff_over_norm_max"]
    names = public_names(net)
    gradients = {names[key]: p.grad for key, p in net.named_parameters()}
    for key, (_, norm, proj) in zip(meta["grad_keys"], record.arrays["grad_sum_norm_proj"], strict=True):
        gradient = torch.zeros(()) if gradients[key] is None else gradients[key]
        assert gradient.double().norm().item() == pytest.approx(norm, rel=noise, abs=1e-9), key
        if norm:
            assert projection(gradient) == pytest.approx(proj, abs=spread * norm), key
    buffers = {names[key]: b for key, b in net.named_buffers() if "running" in key}
    allowed = 1e-5 + 3 * meta["fp64_bn_maxdiff"]
    for key, (total, _) in zip(meta["bn_keys"], record.arrays["bn_sum_proj"], strict=True):
        assert buffers[key].double().mean().item() == pytest.approx(total / buffers[key].numel(), abs=allowed), key
    if "out_first_rows" in record.arrays and frozen:
        first = torch.cat([level.flatten(0, 3)[:24] for level in outputs])
        np.testing.assert_allclose(first.detach().numpy(), record.arrays["out_first_rows"], atol=5e-4)


def test_overlaps_equal_the_originals(oracle: Oracle) -> None:
    record = Record(oracle("networks"), "preproc_prb")
    b = torch.from_numpy(record.arrays["iou_b"])
    for kind in ("iou", "giou", "diou", "ciou"):
        a = torch.from_numpy(record.arrays["iou_a"]).requires_grad_()
        found = iou_rows(a, b, kind)  # type: ignore[arg-type]
        found.sum().backward()
        np.testing.assert_allclose(found.detach().numpy(), record.arrays[f"bbox_{kind}"], atol=2e-6)
        np.testing.assert_allclose(a.grad.numpy(), record.arrays[f"bbox_{kind}_grad_a"], atol=1e-5)  # type: ignore[union-attr]
    record = Record(oracle("networks"), "nms_yolox")
    b = torch.from_numpy(record.arrays["iou_b"])
    for kind in ("iou", "giou"):
        a = torch.from_numpy(record.arrays["iou_a"]).requires_grad_()
        found = iou_loss_rows(a, b, kind)  # type: ignore[arg-type]
        found.sum().backward()
        np.testing.assert_allclose(found.detach().numpy(), record.arrays[f"loss_{kind}"], atol=2e-6)
        np.testing.assert_allclose(a.grad.numpy(), record.arrays[f"loss_{kind}_grad_a"], atol=1e-5)  # type: ignore[union-attr]
    pairs = iou_pairs(to_corners(a.detach()), to_corners(b))
    np.testing.assert_allclose(pairs.numpy(), record.arrays["pair_iou_cxcywh"], atol=1e-6)


def test_dynamic_k_against_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    for objects, candidates in ((1, 1), (3, 40), (12, 25), (5, 7)):
        iou = torch.rand(objects, candidates, generator=generator) ** 2
        cost = torch.rand(objects, candidates, generator=generator)
        taken: list[list[int]] = [[] for _ in range(candidates)]
        for g in range(objects):
            k = max(1, int(sum(sorted(iou[g].tolist(), reverse=True)[:10])))
            for a in sorted(range(candidates), key=lambda i: float(cost[g, i]))[:k]:
                taken[a].append(g)
        expected = [
            -1 if not claims else claims[0] if len(claims) == 1 else int(cost[:, a].argmin())
            for a, claims in enumerate(taken)
        ]
        assert dynamic_k_matching(cost, iou, 10).tolist() == expected
        # beside an image of which nothing is there, and with empty slots of the table that would be cheap and fit well
        wide = torch.zeros(2, objects + 2, candidates + 3, dtype=torch.bool)
        wide[0, :objects, :candidates] = True
        table, overlaps = torch.full(wide.shape, -1.0), torch.ones(wide.shape)
        table[0, :objects, :candidates], overlaps[0, :objects, :candidates] = cost, iou
        assert dynamic_k_matching(table, overlaps, 10, wide).tolist() == [
            [*expected, -1, -1, -1],
            [-1] * (candidates + 3),
        ]
    assert dynamic_k_matching(torch.zeros(0, 4), torch.zeros(0, 4), 10).tolist() == [-1] * 4
    assert dynamic_k_matching(torch.zeros(2, 0), torch.zeros(2, 0), 10).tolist() == []


def test_of_equal_costs_the_first_candidate_is_taken() -> None:
    cost, iou = torch.ones(2, 40), torch.full((2, 40), 0.29)
    cost[1, 30] = 0.5
    assert dynamic_k_matching(cost, iou, 10).tolist() == [0, 0] + 28 * [-1] + [1] + 9 * [-1]


@pytest.mark.parametrize("name", ["prb-nano", "yolox-nano"])
def test_an_image_learns_the_same_alone_and_in_a_batch(name: str) -> None:
    """Images of 0, 9, 1 and 30 objects, their rows mixed."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    net = build_detector(DetectorConfig(name, ("a", "b", "c"), 128, 192)).train()
    numbers = (0, 9, 1, 30)
    targets = torch.rand(sum(numbers), 6, generator=generator)
    targets[:, 0] = torch.arange(4).repeat_interleave(torch.tensor(numbers))
    targets[:, 1] = (3 * targets[:, 1]).floor()
    targets[:, 2:] = targets[:, 2:] * torch.tensor([192, 128, 60, 90]) + torch.tensor([0, 0, 4, 6])
    targets = targets[torch.randperm(len(targets), generator=generator)]
    with torch.no_grad():
        outputs = net(torch.rand(4, 3, 128, 192, generator=generator))
    loss = build_loss(net)
    for image in range(4):
        rows = (targets[:, 0] == image).nonzero()[:, 0]
        alone = torch.cat([torch.zeros(len(rows), 1), targets[rows, 1:]], 1)
        single = [level[image : image + 1] for level in outputs]
        if isinstance(loss, YOLOXLoss):
            (matched, overlap), (one, one_overlap) = loss.assign(outputs, targets), loss.assign(single, alone)
            expected = torch.where(one[0] >= 0, rows[one[0]], -1) if len(rows) else one[0]
            assert torch.equal(matched[image], expected) and torch.equal(overlap[image], one_overlap[0])
            assert (matched[image] >= 0).any() == (len(rows) > 0)
            continue
        for wide in (False, True):
            for together, found in zip(
                loss.assign(outputs, targets, wide), loss.assign(single, alone, wide), strict=True
            ):
                mine = (together.image == image).nonzero()[:, 0]
                for part in ("anchor", "row", "column"):
                    assert torch.equal(getattr(together, part)[mine], getattr(found, part))
                assert torch.equal(together.target[mine], rows[found.target])


def test_class_cost_is_binary_cross_entropy_with_each_objects_class() -> None:
    torch.manual_seed(0)
    objectness, classes = torch.randn(6), torch.randn(6, 4)
    probability = (classes.sigmoid() * objectness.sigmoid()[:, None]).sqrt()
    for row, label in enumerate([2, 0]):
        wanted = torch.zeros(6, 4)
        wanted[:, label] = 1
        expected = nn.functional.binary_cross_entropy(probability, wanted, reduction="none").sum(1)
        found = class_cost(objectness, classes, torch.tensor([2, 0]))[row]
        torch.testing.assert_close(found, expected)


def test_candidates_twice_in_one_cell_and_once_where_asked() -> None:
    # two overlapping people of one shape propose the same cells; the centre of the first lies on a border of cells
    targets = torch.tensor([[0, 0, 64.0, 64.0, 40, 90], [0, 0, 67.0, 66.0, 40, 90]])
    net = build_detector(DetectorConfig("prb-nano", height=128, width=128)).train()
    outputs = net(torch.rand(1, 3, 128, 128))
    anchors = net.head.anchors[1]  # type: ignore[union-attr]
    found = anchor_candidates(targets, anchors[None], torch.tensor([16.0]), (128, 128), 0.5, 4.0)
    places = list(zip(found.anchor.tolist(), found.row.tolist(), found.column.tolist(), strict=True))
    assert len(places) > len(set(places))
    for unique in (False, True):
        loss = build_loss(net, OTALossConfig(unique=unique))
        kept = [
            (level, a, r, c)
            for level, at in enumerate(loss.assign(outputs, targets))  # type: ignore[arg-type]
            for a, r, c in zip(at.anchor.tolist(), at.row.tolist(), at.column.tolist(), strict=True)
        ]
        assert not unique or len(kept) == len(set(kept))


@pytest.mark.parametrize("name", ["prb-nano", "yolox-nano"])
def test_losses_are_computed_in_full_precision_under_autocast(name: str) -> None:
    torch.manual_seed(0)
    net = build_detector(DetectorConfig(name, ("a", "b"), 64, 96)).train()
    loss, targets = build_loss(net), torch.tensor([[0, 1, 30.0, 30, 20, 40], [1, 0, 60, 20, 10, 24]])
    with torch.no_grad():
        outputs = [level.bfloat16() for level in net(torch.rand(2, 3, 64, 96))]
    gradients = []
    for lowered in (False, True):
        leaves = [level.clone().requires_grad_() for level in outputs]
        with torch.autocast("cpu", torch.bfloat16, enabled=lowered):
            found = loss(leaves, targets)
        assert {term.dtype for term in found} == {torch.float32}
        gradients.append(torch.autograd.grad(found.total, leaves))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


@pytest.mark.parametrize("name", ["prb-nano", "yolox-nano"])
def test_boxes_without_area_and_empty_batches_give_finite_losses(name: str) -> None:
    torch.manual_seed(0)
    net = build_detector(DetectorConfig(name, height=64, width=64)).train()
    outputs, loss = net(torch.rand(2, 3, 64, 64)), build_loss(net)
    for targets in (torch.zeros(0, 6), torch.tensor([[0, 0, 30.0, 30, 0, 0], [1, 0, 20, 20, 10, 20]])):
        found = loss(outputs, targets)
        assert torch.isfinite(found.total)
        gradients = torch.autograd.grad(found.total, outputs, retain_graph=True, allow_unused=True)
        assert all(g is None or torch.isfinite(g).all() for g in gradients)


def test_anchors_that_are_loaded_after_the_loss_was_made_count() -> None:
    torch.manual_seed(0)
    own, other = (build_detector(DetectorConfig("prb-nano", height=64, width=64)).train() for _ in range(2))
    other.head.anchors.mul_(0.6)  # type: ignore[union-attr]
    early, targets = build_loss(own), torch.tensor([[0, 0, 30.0, 30, 12, 24]])
    own.load_state_dict(other.state_dict())
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(early(own(images), targets).total, build_loss(own)(own(images), targets).total)
    moved = build_loss(build_detector(DetectorConfig("prb-nano", height=64, width=64)))
    assert not torch.equal(early(own(images), targets).total, moved(own(images), targets).total)


def test_gains_follow_levels_classes_and_size() -> None:
    net = build_detector(DetectorConfig("prb-nano", ("a", "b"), height=320, width=320)).train()
    outputs, targets = net(torch.rand(1, 3, 320, 320)), torch.tensor([[0, 1, 100.0, 100, 30, 60]])
    scaled = build_loss(net, OTALossConfig())(outputs, targets)
    plain = build_loss(net, OTALossConfig(rescale=False))(outputs, targets)
    assert (scaled.box / plain.box).item() == pytest.approx(1)
    assert (scaled.objectness / plain.objectness).item() == pytest.approx(0.25)
    assert (scaled.classes / plain.classes).item() == pytest.approx(2 / 80)


def test_neighbours_outside_of_the_level_are_no_candidates() -> None:
    # the centre is in the first cell, left of and above its middle; then in the last one, right of and below it
    for centre, cell in ((3.0, 0), (61.0, 7)):
        targets = torch.tensor([[0, 0, centre, centre, 16.0, 16.0]])
        found = anchor_candidates(targets, torch.full((1, 3, 2), 16.0), torch.tensor([8.0]), (64, 64), 0.5, 4.0)
        assert found.anchor.tolist() == [0, 1, 2]
        assert set(found.row.tolist()) == set(found.column.tolist()) == {cell}


def test_the_box_loss_is_the_mean_over_all_positives_where_asked_for() -> None:
    torch.manual_seed(0)
    net = build_detector(DetectorConfig("prb-nano", ("person",), 64, 64)).train()
    outputs = [level.detach() for level in net(torch.rand(2, 3, 64, 64))]
    sides = torch.tensor([[10.0, 24], [30, 60], [16, 40], [8, 20]])
    targets = torch.cat([torch.tensor([[0.0, 0], [0, 0], [1, 0], [1, 0]]), 16 + 32 * torch.rand(4, 2), sides], 1)
    loss = build_loss(net, OTALossConfig(box=1.0, rescale=False, box_mean="all"))
    apart = []
    for level, (raw, at) in enumerate(zip(outputs, loss.assign(outputs, targets), strict=True)):
        for image, anchor, row, column, target in zip(at.image, at.anchor, at.row, at.column, at.target, strict=True):
            y = raw[image, anchor, row, column, :4].sigmoid()
            centre = (2 * y[:2] - 0.5 + torch.stack([column, row])) * loss.strides[level]
            predicted = torch.cat([centre, (2 * y[2:]) ** 2 * loss.anchors[level, anchor]])
            apart.append(1 - iou_rows(predicted[None], targets[target, 2:][None], "ciou"))
    per_level = build_loss(net, OTALossConfig(box=1.0, rescale=False))(outputs, targets).box
    found = loss(outputs, targets).box
    assert found.item() == pytest.approx(torch.cat(apart).mean().item(), rel=1e-4)
    assert per_level.item() > 1.5 * found.item()
