"""See how architectures look at your clip: reach, filters, shifts, attention, masks, flow, rates, and their cost."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from torch import Tensor

import mmvideo
from mmvideo import weights as weight_files
from mmvideo.encoders import zoo
from mmvideo.explain import attention_maps, grad_cam, layer_reaches
from mmvideo.explain.drawing import overlay
from mmvideo.explain.showcase import (
    chart_figure,
    filters_clip,
    flow_figure,
    latency_seconds,
    rates_figure,
    reach_figure,
    reconstruction_figure,
    shift_figure,
)
from mmvideo.media import open_source
from mmvideo.sampling import uniform
from mmvideo.serving.page import CHECK_SECONDS, KEEP_SECONDS, MAX_SIZE, new_folder, preview, serve_page

SAMPLE = Path(mmvideo.__file__).parent / "embedded" / "demo" / "nasa.mp4"
STEPS = 60
"""Of learning on the clip in the masked reconstruction."""


@dataclass(frozen=True)
class Architecture:
    """One entry of the list."""

    preset: str
    """The small member that runs here."""
    full: str
    """The member whose published figures the chart shows."""
    about: str
    special: str = ""
    """A picture that only it has: "shift", "rates", "flow", "mask"."""


ARCHITECTURES = {
    "Single frame (2D CNN)": Architecture("single-frame-tiny", "", "Every frame by itself; the scores are averaged."),
    "Single frame, EfficientNet-Lite0 with ImageNet weights": Architecture(
        "lite0", "", "The embedded classifier of photographs, frame by frame, with learnt weights."),
    "Slow fusion": Architecture("slow-fusion-tiny", "", "Time is joined little by little (Karpathy et al. 2014)."),
    "C3D": Architecture("c3d-tiny", "c3d", "3x3x3 convolutions all the way."),
    "I3D": Architecture("i3d-tiny", "i3d-r50-8x8", "An image network whose filters are inflated in time."),
    "R(2+1)D": Architecture("r2plus1d-tiny", "r2plus1d-18", "Every 3D convolution split into space, then time."),
    "Two-stream": Architecture("two-stream-tiny", "", "One stream sees a frame, the other optical flow.", "flow"),
    "SlowFast": Architecture("slowfast-tiny", "slowfast-r50-8x8", "Two pathways at two rates.", "rates"),
    "X3D": Architecture("x3d-tiny", "x3d-m", "A small network grown one axis at a time."),
    "MoViNet": Architecture("movinet-tiny", "movinet-a0-base", "Searched for mobile phones."),
    "TSM": Architecture("tsm-tiny", "tsm-r50-8f", "A 2D network whose channels move along time.", "shift"),
    "TimeSformer, divided attention": Architecture("timesformer-tiny", "timesformer-b-divided",
                                                   "Attention along time, then within the frame."),
    "ViViT, factorised encoder": Architecture("vivit-tiny", "vivit-b-factorised-encoder",
                                              "A transformer within each step, another over the steps."),
    "VideoMAE": Architecture("videomae-tiny", "videomae-b", "Joint attention; learns by filling in what is hidden.",
                             "mask"),
    "MViT": Architecture("mvit-tiny", "mvit-v2-s-16x4", "Attention over tokens that are pooled stage by stage."),
    "Video Swin": Architecture("video-swin-tiny", "video-swin-t", "Attention within shifted windows."),
}
Shown = tuple[str, list[tuple[str, str]]]


def _encoder(preset: str, made: dict[str, Any] = {}) -> Any:  # noqa: B006
    if preset not in made:
        torch.manual_seed(0)
        named = preset in weight_files.embedded_names()
        made[preset] = zoo.load(weight_files.folder(preset)).eval() if named else zoo.create(preset).eval()
    return made[preset]


def _clip(path: str, encoder: Any) -> tuple[Tensor, list[float]]:
    shape = encoder.input
    with open_source(path) as source:
        clips = uniform(source, num_frames=shape.num_frames, size=(shape.height, shape.width))
    return clips.frames[0], clips.pts_seconds[0].tolist()


def _wide(path: str, count: int) -> Tensor:
    """Return neighbouring frames from the middle of a clip, for pictures of motion."""
    with open_source(path) as source:
        middle = (source.start_seconds + source.end_seconds) / 2
        times = [middle + number / 12 for number in range(count)]
        return source.frames_at(times, size=(120, 160)).frames


def _special(kind: str, path: str, frames: Tensor) -> tuple[Callable[[], Any], str]:
    if kind == "shift":
        return lambda: shift_figure(_wide(path, 8)), "What moves in a temporal shift"
    if kind == "rates":
        return lambda: rates_figure(_wide(path, 16), 8), "The two rates of SlowFast"
    if kind == "flow":
        return lambda: flow_figure(_wide(path, 7)), "What the temporal stream sees"
    return lambda: reconstruction_figure(frames, steps=STEPS), f"90 % hidden, filled in after {STEPS} steps"


def _pictures(chosen: Architecture, path: str, encoder: Any, folder: Path, full_seconds: float | None,
              progress: gr.Progress) -> list[tuple[str, str]]:
    """Draw all that an architecture can show; what it cannot is left out."""
    frames, times = _clip(path, encoder)
    shape, trained = encoder.input, chosen.preset in weight_files.embedded_names()
    state = "trained weights" if trained else "random weights: what it can see, not what it has learnt"
    wanted: list[tuple[str, Callable[[], Any]]] = []
    if chosen.special:
        draw, words = _special(chosen.special, path, frames)
        wanted.append((words, draw))
    wanted += [
        (f"Attention over the frames and from time to time ({state})",
         lambda: overlay(frames, (maps := attention_maps(encoder, frames[None])).space, times, time=maps.time,
                         columns=4)),
        (f"What speaks for its first guess: Grad-CAM ({state})",
         lambda: overlay(frames, grad_cam(encoder, frames[None]).map, times, columns=4)),
        ("How far each layer sees", lambda: reach_figure(
            layer_reaches(chosen.preset, max_layers=12), shape.num_frames, shape.width, title=chosen.preset)),
        ("Published accuracy over cost", lambda: chart_figure(chosen.full, full_seconds))]
    found: list[tuple[str, str]] = []
    for number, (words, draw) in enumerate(wanted):
        progress(number / len(wanted), desc=words)
        try:
            figure = draw()
        except mmvideo.MmvideoError:  # this architecture has no such picture
            continue
        target = folder / f"{number}.png"
        figure.savefig(target, dpi=100)
        found.append((str(target), words))
    return found


def explain(clip: str | None, name: str, time_full: bool = False, uploads: dict[str, str] | None = None,
            progress: gr.Progress = gr.Progress()) -> tuple[str, list[tuple[str, str]], str | None]:  # noqa: B008
    """Show how an architecture sees a clip, and time its full size where asked; `uploads` tells what a shown copy was
    made of."""
    if not clip:
        return "Choose a clip first: upload one, record one, or take the sample.", [], None
    path, chosen = (uploads or {}).get(clip, clip), ARCHITECTURES[name]
    folder = new_folder(KEEP_SECONDS)
    try:
        encoder = _encoder(chosen.preset)
        seconds = latency_seconds(encoder, repeats=1)
        full_seconds = None
        if time_full and chosen.full:
            progress(0, desc=f"timing {chosen.full}")
            full_seconds = latency_seconds(zoo.create(chosen.full).eval(), repeats=1)
        pictures = _pictures(chosen, path, encoder, folder, full_seconds, progress)
    except mmvideo.MmvideoError as error:
        return str(error).replace(path, Path(path).name), [], None
    try:
        filters, _ = filters_clip(encoder, folder / "filters.gif")
    except mmvideo.MmvideoError:
        filters = None
    return _words(name, chosen, encoder, seconds), pictures, None if filters is None else str(filters)


def _words(name: str, chosen: Architecture, encoder: Any, seconds: float) -> str:
    params = sum(p.numel() for p in encoder.parameters())
    shape = encoder.input
    lines = [f"### {name}", chosen.about,
             f"Here runs `{chosen.preset}`: {params / 1e6:.2f} million parameters, {shape.num_frames} frames of "
             f"{shape.height}x{shape.width}, **{1000 * seconds:.0f} ms** a clip on this machine."]
    stated = zoo.preset_of(chosen.full).published if chosen.full else None
    if stated is not None:
        parts = [f"{stated.params_millions:g} million parameters" if stated.params_millions else "",
                 f"{stated.gflops:g} G {stated.unit}" if stated.gflops else "",
                 f"{stated.top1:g} % top-1 on {stated.top1_on}" if stated.top1 else ""]
        lines.append(f"Published for `{chosen.full}`: {', '.join(p for p in parts if p)} ({stated.source}).")
    return "\n\n".join(lines)


def build() -> gr.Blocks:
    """Lay out the page."""
    with gr.Blocks(title="Architectures", delete_cache=(CHECK_SECONDS, KEEP_SECONDS), analytics_enabled=False) as page:
        gr.Markdown(f"# How architectures see your clip\nUp to {MAX_SIZE >> 20} MB; everything is removed after "
                    f"{KEEP_SECONDS // 60} minutes. Small members of each family run here, most with random weights.")
        clip = gr.Video(label="Your clip", sources=["upload", "webcam"], elem_id="clip")
        sample = gr.Button("Take the sample clip", elem_id="sample", visible=SAMPLE.is_file())
        name = gr.Dropdown(list(ARCHITECTURES), value="TSM", label="Architecture", elem_id="architecture")
        full = gr.Checkbox(False, label="Also time the full-size network here (seconds to a minute)", elem_id="full")
        go = gr.Button("Show", variant="primary", elem_id="go")
        words = gr.Markdown(" ", elem_id="words", min_height=48)
        pictures = gr.Gallery(label="What it sees", columns=1, height="auto", elem_id="pictures", interactive=False,
                              object_fit="contain", preview=False)
        gr.Markdown("Filters of the first convolution; each plays its extent in time")
        filters = gr.Image(show_label=False, elem_id="filters", type="filepath", interactive=False)
        uploads = gr.State({}, time_to_live=KEEP_SECONDS)
        clip.upload(preview, clip, [clip, uploads], concurrency_limit=1)
        sample.click(lambda: str(SAMPLE), None, clip)
        go.click(explain, [clip, name, full, uploads], [words, pictures, filters], concurrency_limit=1,
                 show_progress_on=words)
    return page


def main(host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the page until Ctrl-C."""
    serve_page(build(), host, port, sample=SAMPLE)


if __name__ == "__main__":
    main(port=int(os.environ.get("PORT", "7860")))
