"""Two streams: what each sees, flow laid out as the paper says, fusion by averaging and by an SVM."""

from __future__ import annotations

import sys

import pytest
import torch

from mmvideo.encoders import zoo
from mmvideo.encoders.preset import Input
from mmvideo.encoders.two_stream import TwoStream
from mmvideo.errors import InvalidInput, MissingExtra, UnknownName, WeightsError
from mmvideo.flow.base import as_bytes
from mmvideo.heads.svm import fit_svm
from mmvideo.registry import find

FIVE = Input(16, 64, 64, mean=(0.485, 0.456, 0.406, 0.5, 0.5), std=(0.229, 0.224, 0.225, 0.5, 0.5))


def moving(frames: int = 16) -> torch.Tensor:
    """Make a texture that moves by (2, 1) pixels a frame, uint8 (1, T, 3, 64, 64)."""
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    big = torch.nn.functional.interpolate(noise, scale_factor=4, mode="bicubic").clamp(0, 1)[0]
    return (torch.stack([big[:, 40 - t:104 - t, 40 - 2 * t:104 - 2 * t] for t in range(frames)])[None] * 255).byte()


def test_the_flow_stream_sees_l_flows_cut_and_in_8_bits() -> None:
    encoder = TwoStream.create("two-stream-tiny", stride=5, bound=1.5)
    stacks = encoder._motion(encoder.prepare(moving()), encoder.places(16))
    assert encoder.places(16) == [0, 5]
    assert stacks.shape == (1, 2, 20, 64, 64)
    levels = (stacks * 0.226 + 0.5) * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    centre = levels[..., 16:48, 16:48].mean((0, 1, 3, 4))
    assert (centre[0::2] - 255).abs().max() < 1  # dx = 2 is over the bound
    assert (centre[1::2] - 255 * 2.5 / 3).abs().max() < 4  # dy = 1 lies at (1 + 1.5) / 3


def test_the_mean_motion_is_taken_away_as_the_paper_does() -> None:
    encoder = TwoStream.create("two-stream-tiny", subtract_mean=True, stride=5)
    kept = TwoStream.create("two-stream-tiny", stride=5)
    places, clip = [0, 5], kept.prepare(moving())
    assert encoder._motion(clip, places).mean().abs() < 0.05
    assert kept._motion(clip, places).mean().abs() > 0.5


def test_given_flow_is_what_would_be_computed() -> None:
    torch.manual_seed(0)
    computed = TwoStream.create("two-stream-tiny").eval()
    given = TwoStream.create("two-stream-tiny", flow="given", input=FIVE).eval()
    given.load_state_dict(computed.state_dict())
    clip = moving()
    flow = as_bytes(find("flows", "dis")()(clip), bound=6.0)
    last = torch.full_like(flow[:, :1], 128)
    with torch.inference_mode():
        a = computed.logits(clip)
        b = given.logits(torch.cat((clip, torch.cat((flow, last), 1)), 2))
    assert torch.allclose(a, b, atol=1e-5)


def test_one_stream_does_not_look_at_the_other_ones_input() -> None:
    torch.manual_seed(0)
    rgb = TwoStream.create("two-stream-tiny-rgb").eval()
    clip = moving()
    with torch.inference_mode():
        assert torch.allclose(rgb.logits(clip), rgb.logits(clip.flip(1)), atol=1e-5)
        flow = TwoStream.create("two-stream-tiny-flow").eval()
        still = flow.logits(clip[:, :1].expand(-1, 16, -1, -1, -1))
        assert torch.allclose(still, flow.logits(torch.full_like(clip, 9)), atol=1e-5)
        assert not torch.allclose(still, flow.logits(clip), atol=1e-3)
    assert not any(name.startswith(("flow.", "head_flow")) for name in rgb.state_dict())


def test_scores_are_averaged_as_probabilities_with_the_flow_weight() -> None:
    torch.manual_seed(0)
    encoder, clip = TwoStream.create("two-stream-tiny", flow_weight=3.0).eval(), moving()
    with torch.inference_mode():
        features = encoder(clip)
        each = encoder.stream_logits(features)
        wanted = (each["rgb"].softmax(-1) + 3 * each["flow"].softmax(-1)) / 4
        assert torch.allclose(encoder.classify(features).exp(), wanted, atol=1e-6)


def test_cross_modality_repeats_the_mean_colour_filter() -> None:
    encoder = TwoStream.create("two-stream-tiny")
    encoder.start_flow_from_rgb()
    rgb, flow = encoder.rgb.net.conv1[0].weight, encoder.flow.net.conv1[0].weight
    assert flow.shape[1] == 20
    assert torch.allclose(flow, rgb.mean(1, keepdim=True).expand_as(flow))
    assert torch.equal(encoder.rgb.net.layer4[1].conv2.weight, encoder.flow.net.layer4[1].conv2.weight)
    with pytest.raises(InvalidInput, match="both streams"):
        TwoStream.create("two-stream-tiny-rgb").start_flow_from_rgb()


def test_imagenet_weights_go_to_both_streams(tmp_path) -> None:
    import timm

    from mmvideo.nn.frame_backbone import TINY_RESNET

    source = timm.create_model("resnet18", num_classes=7, **TINY_RESNET)
    torch.save(source.state_dict(), tmp_path / "net.pth")
    encoder = TwoStream.create("two-stream-tiny").load_imagenet(tmp_path / "net.pth")
    assert torch.equal(encoder.rgb.net.conv1[0].weight, source.conv1[0].weight)
    assert torch.equal(encoder.flow.net.layer3[0].conv1.weight, source.layer3[0].conv1.weight)
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError):
        encoder.load_imagenet(tmp_path / "other.pth")


@pytest.mark.parametrize("fusion", ["svm-scores", "svm-features"])
def test_an_svm_is_fitted_taken_over_and_saved(fusion: str, tmp_path) -> None:
    torch.manual_seed(0)
    encoder = TwoStream.create("two-stream-tiny", num_classes=3, fusion=fusion).eval()
    clips = (torch.rand(9, 11, 3, 64, 64) * 255).byte()
    truth = torch.arange(9) % 3
    with torch.inference_mode():
        features = encoder(clips)
        inputs = encoder.svm_inputs(features)
    assert torch.allclose(inputs.norm(dim=1), torch.full((9,), 2**0.5), atol=1e-5)
    head = fit_svm(inputs, truth, ("a", "b", "c"), c=1e6)
    encoder.set_svm(head.score)
    with torch.inference_mode():
        assert torch.equal(encoder.classify(features), head.score(inputs))
    encoder.save_pretrained(tmp_path)
    with torch.inference_mode():
        assert torch.allclose(zoo.load(tmp_path).logits(clips), encoder.classify(features), rtol=1e-4, atol=1e-3)
    with pytest.raises(WeightsError, match="another shape"):
        encoder.set_svm(torch.nn.Linear(2, 3))
    with pytest.raises(InvalidInput, match="average"):
        TwoStream.create("two-stream-tiny").set_svm(head.score)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_linear_layer_decides_as_scikit_learn_does(classes: int) -> None:
    from sklearn.svm import LinearSVC

    generator = torch.Generator().manual_seed(0)
    truth = torch.arange(60) % classes
    inputs = torch.randn(60, 5, generator=generator) + truth[:, None] * torch.tensor([2.0, -1, 0, 1, 0])
    head = fit_svm(inputs, truth, tuple("abcd")[:classes], c=0.5)
    theirs = LinearSVC(C=0.5, random_state=0, max_iter=10_000).fit(inputs.double().numpy(), truth.numpy())
    scores = head.score(inputs)
    assert (scores.argmax(1).numpy() == theirs.predict(inputs.double().numpy())).all()
    decision = torch.from_numpy(theirs.decision_function(inputs.double().numpy())).float()
    assert torch.allclose(scores[:, 1] if classes == 2 else scores, decision, atol=1e-4)
    assert (scores.argmax(1) == truth).float().mean() > 0.7


def test_an_svm_refuses_what_it_cannot_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match="example of each"):
        fit_svm(torch.rand(4, 2), torch.zeros(4).long(), ("a", "b"))
    with pytest.raises(InvalidInput, match=r"\(N, D\)"):
        fit_svm(torch.rand(4, 2, 2), torch.arange(4) % 2, ("a", "b"))
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(MissingExtra, match=r"mmvideo\[train\]"):
        fit_svm(torch.rand(4, 2), torch.arange(4) % 2, ("a", "b"))


def test_options_that_do_not_fit_are_refused() -> None:
    for options, told in (({"streams": "sound"}, "rgb"), ({"fusion": "max"}, "svm-scores"), ({"length": 0}, "positive"),
                          ({"streams": "rgb", "fusion": "svm-scores"}, "both"), ({"flow": "given"}, "5 channels"),
                          ({"flow_options": {"pace": 1}}, "pace")):
        with pytest.raises(InvalidInput, match=told):
            TwoStream.create("two-stream-tiny", **options)
    with pytest.raises(UnknownName, match="dis"):
        TwoStream.create("two-stream-tiny", flow="diss")


def test_the_cost_of_the_networks_of_the_papers() -> None:
    """Two VGG-16 (138.36 M with 1000 classes) less their thousand classes, and 17 more input channels in one."""
    with torch.device("meta"):
        encoder = TwoStream.create("two-stream-vgg16").eval()
    one = 138_357_544 - 4097 * 1000 + 4097 * 101
    assert sum(p.numel() for p in encoder.parameters()) == 2 * one + 64 * 9 * 17
