"""The SLM against the paper's equations typed as loops, and the properties that its parts promise."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from smiletrack.config import load_config
from smiletrack.errors import InputError
from smiletrack.slm.config import SLMConfig
from smiletrack.slm.embedder import fuse_norms
from smiletrack.slm.network import SLM, similarity
from smiletrack.slm.patches import LAYOUTS, cell_boxes, cut_patches, pixel_boxes, place_shares
from smiletrack.slm.position import sinusoidal
from smiletrack.slm.psa import GUARD, AttentionForm, attention

TINY = {"channels": (4, 8, 8), "depths": (1, 0), "d_k": 3, "d_v": 5, "embedding": 6}


def slow_embedding(network: SLM, image: Tensor) -> list[float]:
    """One object (3, H, W) -> Z, one number at a time from the paper; only the backbone and the weights are shared."""
    config = network.config
    behind = config.patches_of == "features"
    whole = network.backbone(image[None])[0] if behind else image
    height, width = whole.shape[1:]
    P = []
    for x1, y1, x2, y2 in LAYOUTS[config.layout]:
        columns = slice(math.floor(x1 * width), math.ceil(x2 * width))
        rows = slice(math.floor(y1 * height), math.ceil(y2 * height))
        P.append(whole[:, rows, columns])
    patch_width = P[0].shape[2]
    N_P, D_p = len(P), patch_width * P[0].shape[1]
    F = []
    for i in range(N_P):
        A = P[i].clone()
        for p in range(D_p):  # row-major scan
            angle = i / 10000 ** (2 * (p // 2) / D_p)
            A[:, p // patch_width, p % patch_width] += math.sin(angle) if p % 2 == 0 else math.cos(angle)
        feature = A if behind else network.backbone(A[None])[0]
        F.append(
            [[float(feature[c, y, x]) for c in range(feature.shape[0])] for y, x in np.ndindex(*feature.shape[1:])]
        )

    def unit_product(F_i: list[list[float]], W: Tensor) -> list[list[float]]:
        product = [[sum(row[c] * float(W[d, c]) for c in range(len(row))) for d in range(len(W))] for row in F_i]
        norm = math.sqrt(sum(value * value for row in product for value in row))
        return [[value / norm for value in row] for row in product]

    psa = network.psa
    Q, K, V = ([unit_product(F_i, W.weight) for F_i in F] for W in (psa.W_Q, psa.W_K, psa.W_V))
    d_f = len(Q[0])
    V_bar_A: list[float] = []
    for i in range(N_P):
        s = [sum(Q[i][r][k] * K[j][r][k] for r in range(d_f) for k in range(config.d_k)) for j in range(N_P)]
        if config.attention == "literal":
            alpha = [s_ij / sum(s) for s_ij in s]
        elif config.attention == "positive":
            kept = [max(s_ij, 0) + 1e-4 for s_ij in s]
            alpha = [s_ij / sum(kept) for s_ij in kept]
        else:
            powers = [math.exp(float(psa.scale) * s_ij) for s_ij in s]
            alpha = [power / sum(powers) for power in powers]
        for r in range(d_f):
            for v in range(config.d_v):
                V_bar_A.append(sum(alpha[j] * V[j][r][v] for j in range(N_P)))
    linear, norm = network.fc[0], network.fc[1]
    Z = []
    for d in range(config.embedding):
        y = sum(float(linear.weight[d, n]) * V_bar_A[n] for n in range(len(V_bar_A)))
        y = (y - float(norm.running_mean[d])) / math.sqrt(float(norm.running_var[d]) + norm.eps)
        Z.append(y * float(norm.weight[d]) + float(norm.bias[d]))
    return Z


def make(**changes: object) -> SLM:
    torch.manual_seed(3)
    network = SLM(SLMConfig(**{**TINY, **changes}))  # type: ignore[arg-type]
    for module in network.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return network.eval()


@pytest.mark.parametrize("form", ["literal", "positive", "softmax"])
@pytest.mark.parametrize(("layout", "patches_of"), [("D", "pixels"), ("E", "pixels"), ("E", "features")])
def test_the_network_is_the_equations(form: AttentionForm, layout: str, patches_of: str) -> None:
    width, height = (32, 64) if patches_of == "features" else (16, 24)
    network = make(
        layout=layout,
        patches_of=patches_of,
        attention=form,
        position="sinusoidal",
        width=width,
        height=height,
        patch_width=width // 2,
        patch_height=height // 2,
    )
    image = torch.rand(3, height, width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        np.testing.assert_allclose(network(image[None])[0].numpy(), slow_embedding(network, image), atol=2e-4)


def test_layout_E_is_four_quadrants_and_a_centre_box_of_their_size() -> None:
    assert pixel_boxes(LAYOUTS["E"], 80, 224) == (
        (0, 0, 40, 112), (40, 0, 80, 112), (0, 112, 40, 224), (40, 112, 80, 224), (20, 56, 60, 168),
    )  # fmt: skip
    assert LAYOUTS["D"] == LAYOUTS["E"][:4]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_lies_in_the_object_and_gives_an_embedding(layout: str) -> None:
    assert all(0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1 for x1, y1, x2, y2 in LAYOUTS[layout])
    assert make(layout=layout)(torch.rand(2, 3, 224, 80)).shape == (2, 6)


def test_own_boxes_replace_the_layout_and_are_resized_to_the_patch_size() -> None:
    halves = ((0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0))
    assert make(boxes=halves)(torch.rand(2, 3, 224, 80)).shape == (2, 6)
    ramp = torch.arange(8.0).expand(1, 3, 4, 8)
    patches = cut_patches(ramp, ((0, 0, 8, 4), (4, 0, 8, 4)), (4, 4))
    assert patches.shape == (1, 2, 3, 4, 4)
    assert torch.equal(patches[0, 0, 0, 0], torch.tensor([0.5, 2.5, 4.5, 6.5]))  # halved
    assert torch.equal(patches[0, 1, 0, 0], torch.tensor([4.0, 5.0, 6.0, 7.0]))  # as it is


def test_a_cell_that_a_box_cuts_belongs_to_the_patch() -> None:
    assert cell_boxes(LAYOUTS["E"], 5, 14) == (
        (0, 0, 3, 7), (2, 0, 5, 7), (0, 7, 3, 14), (2, 7, 5, 14), (1, 3, 4, 11),
    )  # fmt: skip


def test_z_begins_with_the_mean_and_the_deviations_of_given_answers() -> None:
    network, answers = make().train(), torch.randn(500, 6, generator=torch.Generator().manual_seed(0)) * 3 + 2
    network.begin_with(answers)
    with torch.no_grad():
        Z = network(torch.rand(64, 3, 224, 80, generator=torch.Generator().manual_seed(1)))
    np.testing.assert_allclose(Z.mean(0).numpy(), answers.mean(0).numpy(), atol=1e-3)
    np.testing.assert_allclose(Z.std(0).numpy(), answers.std(0).numpy(), rtol=0.05)


def test_sinusoids_are_vaswanis() -> None:
    E = sinusoidal(3, 5)
    for i in range(3):
        for p in range(5):
            angle = i / 10000 ** (2 * (p // 2) / 5)
            assert E[i, p] == pytest.approx(math.sin(angle) if p % 2 == 0 else math.cos(angle), abs=1e-6)


@pytest.mark.parametrize("row", [[0.5, -0.5, 0.0], [0.3, -0.4, 0.1 - 1e-9], [-0.2, -0.3, -0.5], [0.0, 0.0, 0.0]])
def test_no_attention_form_divides_by_zero(row: list[float]) -> None:
    scores = torch.tensor(row)
    for form in ("literal", "positive", "softmax"):
        alpha = attention(scores, form)  # type: ignore[arg-type]
        assert torch.isfinite(alpha).all() and alpha.abs().max() <= 1 / GUARD
    assert attention(scores, "positive").sum() == pytest.approx(1)
    assert (attention(scores, "positive") >= 0).all()


def test_the_guard_leaves_ordinary_rows_as_printed() -> None:
    scores = torch.tensor([[0.4, -0.1, 0.2], [-0.5, 0.1, -0.2]])
    assert torch.allclose(attention(scores, "literal"), scores / scores.sum(1, keepdim=True))
    assert attention(torch.tensor([0.2, -0.2 - 1e-4]), "literal")[0] == pytest.approx(-0.2 / GUARD)


def test_position_embeddings_tell_patches_apart() -> None:
    image = torch.full((1, 3, 224, 80), 0.5)
    for position, equal in (("none", True), ("sinusoidal", False)):
        network = make(position=position, layout="D")
        A = cut_patches(image, network.boxes, network.patch_size)
        A = A + network.E if position != "none" else A
        features = network.backbone(A.flatten(0, 1))
        assert torch.allclose(features[0], features[3], atol=1e-6) is equal


def test_similarity_is_the_cosine() -> None:
    Z_A, Z_B = torch.randn(2, 5), torch.randn(3, 5)
    expected = torch.nn.functional.cosine_similarity(Z_A[:, None], Z_B[None], dim=2)
    assert torch.allclose(similarity(Z_A, Z_B), expected, atol=1e-6)
    assert similarity(7 * Z_A, Z_A).diagonal() == pytest.approx([1.0, 1.0], abs=1e-6)


def test_folding_norms_changes_nothing_but_the_speed() -> None:
    network, images = make(), torch.rand(3, 3, 224, 80)
    with torch.no_grad():
        before = network(images)
        fuse_norms(network)
        assert not any(isinstance(m, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)) for m in network.modules())
        assert torch.allclose(network(images), before, atol=1e-4)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("layout=Q", "layout must be A, B, C, D, E, F, G or H, not 'Q'"),
        ("boxes=[[0.5,0,0.2,1]]", "boxes must hold x1 < x2 and y1 < y2"),
        ("boxes=[[0,0,2,1]]", "boxes.0.2 must be in [0, 1], not 2"),
        ("boxes=[[0,0,1]]", "boxes.0 must have 4 entries, not [0, 0, 1]"),
        ("channels=[16]", "channels must have 2 or more entries, not [16]"),
        ("channels=[16,33]", "channels.1 must be in [2, 4096], a multiple of 2, not 33"),
        ("depths=[1]", "depths must have one entry a stage, 3"),
        ("d_k=0", "d_k must be in [1, 65536], not 0"),
        ("attention=mean", "attention must be literal, positive or softmax, not 'mean'"),
    ],
)
def test_impossible_networks_are_named(word: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason.replace("[", r"\[")):
        load_config(SLMConfig, None, [word])


def test_the_default_network_has_the_cost_its_card_states() -> None:
    network = SLM(SLMConfig()).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, 224, 80))
    assert sum(p.numel() for p in network.parameters()) == 1_094_993
    assert counter.get_total_flops() == pytest.approx(0.0927e9, rel=0.005)


def test_learned_positions_start_at_zero_and_are_added_to_the_pixels() -> None:
    plain, learned = make(position="none"), make(position="learned")
    learned.load_state_dict(plain.state_dict() | {"E": torch.zeros(5, 1, 112, 40)})
    image = torch.rand(1, 3, 224, 80)
    with torch.no_grad():
        torch.testing.assert_close(learned(image), plain(image))
        learned.E += 0.25
        torch.testing.assert_close(learned(image), plain(image + 0.25))


LAYOUT_AND_FORM = [(layout, form) for layout in "DE" for form in ("literal", "positive", "softmax")]


@pytest.mark.parametrize(("layout", "form"), LAYOUT_AND_FORM)
@pytest.mark.parametrize("patches_of", ["pixels", "features"])
def test_a_mask_of_ones_changes_no_bit(layout: str, form: AttentionForm, patches_of: str) -> None:
    plain = make(layout=layout, attention=form, patches_of=patches_of)
    images = torch.rand(3, 3, 224, 80, generator=torch.Generator().manual_seed(1))
    for mask in ("hard", "soft"):
        masked = make(layout=layout, attention=form, patches_of=patches_of, mask=mask)
        missing = masked.load_state_dict(plain.state_dict(), strict=False)
        assert missing.missing_keys == ["hidden.mean", "hidden.batches"] and not missing.unexpected_keys
        masked.hidden.mean.uniform_()
        ones = torch.ones(3, *masked.mask_grid)  # type: ignore[misc]
        with torch.no_grad():
            expected = plain(images)
            assert torch.equal(masked(images), expected)
            assert torch.equal(masked(images, ones), expected) and torch.equal(masked(images, ones[:1]), expected)


def quadrant_covered(network: SLM, share: float = 0.0) -> Tensor:
    """Visibility of an object whose lower right quadrant is seen to a share."""
    rows, columns = network.mask_grid  # type: ignore[misc]
    visibility = torch.ones(1, rows, columns)
    visibility[:, rows // 2 :, columns // 2 :] = share
    return visibility


@pytest.mark.parametrize("form", ["literal", "positive", "softmax"])
@pytest.mark.parametrize("mask", ["hard", "soft"])
def test_what_is_covered_has_no_say(form: AttentionForm, mask: str) -> None:
    network = make(layout="D", attention=form, mask=mask)
    image = torch.rand(1, 3, 224, 80, generator=torch.Generator().manual_seed(1))
    other = image.clone()
    other[:, :, 112:, 40:] = 0
    visibility = quadrant_covered(network)
    with torch.no_grad():
        assert torch.equal(network(image, visibility), network(other, visibility))
        assert not torch.allclose(network(image), network(other), atol=1e-5)
        slightly = network(other, quadrant_covered(network, 0.4)) - network(image, quadrant_covered(network, 0.4))
        assert bool(slightly.any()) is (mask == "soft")
        nothing = network(image, torch.zeros_like(visibility))
        assert torch.equal(nothing, network(other, torch.zeros_like(visibility))) and torch.isfinite(nothing).all()


def test_hidden_places_are_taken_for_the_average_before_the_attention() -> None:
    """F_ip is v_ip F_ip + (1 - v_ip) times the mean of place p, typed out; all else is the network without a mask."""
    plain, masked = make(layout="D", patches_of="features"), make(layout="D", patches_of="features", mask="soft")
    masked.load_state_dict(plain.state_dict(), strict=False)
    generator = torch.Generator().manual_seed(4)
    masked.hidden.mean.copy_(torch.rand(masked.hidden.mean.shape, generator=generator))
    visibility = torch.rand(1, *masked.mask_grid, generator=generator)  # type: ignore[misc]
    image = torch.rand(1, 3, 224, 80, generator=generator)
    with torch.no_grad():
        F, v = plain.places_of(plain.backbone(image)), masked.seen(visibility)
        for i, p in np.ndindex(*F.shape[1:3]):
            F[0, i, p] = float(v[0, i, p]) * F[0, i, p] + (1 - float(v[0, i, p])) * masked.hidden.mean[i, p]
        torch.testing.assert_close(masked(image, visibility), plain.fc(plain.psa(F).flatten(1)))


def test_gradients_flow_through_a_mask() -> None:
    network = make(mask="soft", layout="D")
    image = torch.rand(2, 3, 224, 80, generator=torch.Generator().manual_seed(1))
    network(image, quadrant_covered(network)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("boxes", [pixel_boxes(LAYOUTS["E"], 80, 224), ((0, 0, 80, 224), (10, 3, 37, 90))])
def test_places_of_patches_are_painted_cells(boxes: tuple[tuple[int, int, int, int], ...]) -> None:
    """Every place's visibility is the mean of the pixels that it stands for, cells being painted on the object."""
    grid = (28, 10)
    cells = torch.rand(grid, generator=torch.Generator().manual_seed(0))
    object_ = cells.repeat_interleave(8, 0).repeat_interleave(8, 1).double()
    shares = place_shares(boxes, (80, 224), (40, 112), 16, grid)
    assert torch.allclose(shares.sum(1), torch.ones(len(shares)), atol=1e-6) and shares.shape == (len(boxes) * 21, 280)
    found = (shares @ cells.flatten()).view(len(boxes), 7, 3)
    for (left, top, right, bottom), places in zip(boxes, found, strict=True):
        patch = object_[top:bottom, left:right].repeat_interleave(112, 0).repeat_interleave(40, 1)  # each place whole
        high, wide = patch.shape[0] // 112, patch.shape[1] // 40
        for row, column in np.ndindex(7, 3):
            part = patch[16 * row * high : 16 * (row + 1) * high, 16 * column * wide : min(16 * column + 16, 40) * wide]
            assert float(places[row, column]) == pytest.approx(float(part.mean()), abs=1e-5)
