"""Separate the voices of a clip in the browser: see each face, hear each voice, mix them anew."""

from __future__ import annotations

import base64
import html
import io
import os
from pathlib import Path
from typing import Any, ClassVar

import gradio as gr
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

import mmvideo
from mmvideo.hooks import Hook
from mmvideo.serving.page import CHECK_SECONDS, KEEP_SECONDS, MAX_SIZE, new_folder, playable, preview, serve_page

MAX_PEOPLE, MAX_SECONDS = 8, 120
SAMPLE = Path(mmvideo.__file__).parent / "embedded" / "demo" / "voices.mp4"
COLOURS = ("#e4572e", "#2e86ab", "#4f9d69", "#a23b72", "#f2a541", "#6c5b7b", "#1b998b", "#8d6a9f")


class _Bar(Hook):
    """Shows in the browser how far the pipeline is."""

    words: ClassVar = {"read": "Reading", "hear": "Listening", "faces": "Looking for faces",
                       "separate": "Separating the voices"}
    begins: ClassVar = {"read": 0.02, "hear": 0.04, "faces": 0.05, "separate": 0.55}

    def __init__(self, bar: gr.Progress):
        self.bar = bar

    def before(self, stage: str) -> None:
        self.bar(self.begins.get(stage, 0.9), desc=self.words.get(stage, stage))

    def progress(self, stage: str, share: float) -> None:
        begin = self.begins.get(stage, 0.9)
        end = 0.55 if stage == "faces" else 0.92
        self.bar(begin + (end - begin) * share, desc=self.words.get(stage, stage))


def _boxed(result: Any, clip: str) -> np.ndarray | None:
    """Return the moment at which most faces are seen, each boxed and numbered."""
    faces = [voice for voice in result.tracks if voice.has_face]
    if not faces:
        return None
    times = [start + 0.02 + k / 5 for v in faces for start, end in v.spans for k in range(int((end - start) * 5) + 1)]
    at = max(times, key=lambda t: sum(v.box_at(t) is not None for v in faces))
    video = mmvideo.read_video(clip, start_seconds=at - 0.06, end_seconds=at + 0.2)
    picture = Image.fromarray(video.frames[0].permute(1, 2, 0).numpy())
    draw, width = ImageDraw.Draw(picture), max(3, picture.width // 220)
    font = ImageFont.load_default(size=max(18, picture.width // 28))
    for voice in faces:
        box = voice.box_at(at)
        if box is None:
            continue
        colour = COLOURS[(voice.number - 1) % len(COLOURS)]
        draw.rectangle(box, outline=colour, width=width)
        x, y = box[0], max(0, box[1] - font.size * 1.3)
        draw.rectangle((x, y, x + font.size * 1.1, y + font.size * 1.3), fill=colour)
        draw.text((x + font.size * 0.25, y), str(voice.number), fill="white", font=font)
    return np.asarray(picture)


def _spectrograms(result: Any, voice: Any) -> np.ndarray:
    """Draw the mixture above the voice, on the same scale."""
    figure = Figure((6, 2.7), dpi=130, layout="constrained")
    for row, (name, sound) in enumerate((("before", result.mixture), ("after", voice.sound))):
        axes = figure.add_subplot(2, 1, row + 1)
        samples = sound.whole().samples[0].numpy() + 1e-6 * np.random.default_rng(0).standard_normal(sound.num_samples)
        axes.specgram(samples, NFFT=512, Fs=16000, noverlap=352, cmap="magma", vmin=-120, vmax=-30)
        axes.set_ylabel(name)
        axes.set_yticks([])
        if row == 0:
            axes.set_xticks([])
        else:
            axes.set_xlabel("seconds")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _table(result: Any) -> str:
    """Return who speaks when as an HTML table, a row a span: the small face, name, begin and end, seconds, how sure."""
    thumbnails = {v.number: f'<img src="{_small(v.thumbnail)}" alt="">' for v in result.tracks if v.has_face}
    head = "".join(f"<th>{word}</th>" for word in ("Face", "Who", "From", "To", "Seconds", "Sure"))
    rows = ("".join(f"<td>{cell}</td>" for cell in (
        thumbnails.get(turn.number, ""), html.escape(turn.name[0].upper() + turn.name[1:]), _clock(turn.start_seconds),
        _clock(turn.end_seconds), f"{turn.end_seconds - turn.start_seconds:.1f}", f"{turn.confidence:.0%}"))
        for turn in result.turns)
    return f"<table><thead><tr>{head}</tr></thead>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _small(face: np.ndarray, side: int = 40) -> str:
    """Return a small JPEG of a face as a data address, so that nothing is left on the disk."""
    buffer = io.BytesIO()
    Image.fromarray(face).resize((side, side), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _notes(result: Any) -> list[str]:
    """Return what the page says of sound and cuts, a sentence each."""
    notes = []
    if result.sync is not None:
        notes.append(result.sync.text[0].upper() + result.sync.text[1:] + ".")
    if result.cuts:
        shown = ", ".join(_clock(cut) for cut in result.cuts[:8]) + (" ..." if len(result.cuts) > 8 else "")
        again = sum(len(voice.spans) > 1 for voice in result.tracks)
        notes.append(f"The picture cuts at {shown}"
                     + (f"; {again} of the people are known again afterwards." if again else "."))
    return notes


def _pipeline(made: list[mmvideo.Pipeline] = []) -> mmvideo.Pipeline:  # noqa: B006
    if not made:
        made.append(mmvideo.Pipeline("source-separation", hear={"max_seconds": MAX_SECONDS}))
    return made[0]


def _hidden(message: str) -> list[Any]:
    """Return an update of everything that shows only the message."""
    return [gr.update(value=message, visible=True), None, gr.update(visible=False), gr.update(visible=False),
            *[gr.update(visible=False)] * MAX_PEOPLE, *[None] * (3 * MAX_PEOPLE),
            *[gr.update(visible=False, value=1.0)] * MAX_PEOPLE,
            gr.update(choices=["Everybody"], value="Everybody"), None, gr.update(visible=False)]


def separate(clip: str | None, uploads: dict[str, str] | None = None,
             progress: gr.Progress = gr.Progress()) -> list[Any]:  # noqa: B008
    """Separate a clip and lay the result out for the page; `uploads` tells what a shown copy was made of."""
    if not clip:
        return _hidden("Choose a clip first: upload one, record one, or take the sample.")
    clip = (uploads or {}).get(clip, clip)
    try:
        result = _pipeline()(clip, hook=_Bar(progress))
    except mmvideo.MmvideoError as error:
        return _hidden(str(error).replace(clip, Path(clip).name))
    people = result.tracks[:MAX_PEOPLE]
    progress(0.94, desc="Drawing")
    folder = new_folder(KEEP_SECONDS)
    sounds, pictures = [], []
    for voice in people:
        mmvideo.write_audio(folder / f"person-{voice.number}.wav", voice.audio)
        sounds.append(str(folder / f"person-{voice.number}.wav"))
        pictures.append(_spectrograms(result, voice))
    found = {"faces": f"{len(people)} {'person' if len(people) == 1 else 'people'} found.",
             "sound": "No face was found: two voices were separated by sound alone, and whose they are is not known.",
             "nothing": "No face was found: the sound is left as it was."}[result.by]
    said = result.sync.text if result.sync is not None else ""
    message = "\n\n".join([" ".join([found, *(w[0].upper() + w[1:] + "." for w in result.warnings
                                              if "no face" not in w and w != said)]), *_notes(result),
                           *(f"Person {v.number}: {v.lip_sync}" for v in people if v.has_face)])
    picture = _boxed(result, clip)
    names = [f"{'Person' if v.has_face else 'Voice'} {v.number}" for v in people]
    shown = len(people)
    rest = MAX_PEOPLE - shown
    titles = [gr.update(label=name, value=sound) for name, sound in zip(names, sounds, strict=True)]
    return [gr.update(value=message, visible=True), result, gr.update(value=picture, visible=picture is not None),
            gr.update(visible=shown > 0), *[gr.update(visible=n < shown) for n in range(MAX_PEOPLE)],
            *titles, *[None] * rest, *[v.thumbnail for v in people], *[None] * rest, *pictures, *[None] * rest,
            *[gr.update(visible=n < shown, value=1.0, label=names[n] if n < shown else "") for n in range(MAX_PEOPLE)],
            gr.update(choices=["Everybody", *names], value="Everybody"), None,
            gr.update(value=_table(result), visible=bool(result.turns))]


def solo(choice: str, result: Any) -> list[Any]:
    """Set the sliders so that one person is heard alone, or everybody as they were."""
    names = [f"{'Person' if v.has_face else 'Voice'} {v.number}" for v in result.tracks] if result else []
    alone = choice in names
    levels = [1.0 if not alone or name == choice else 0.0 for name in names][:MAX_PEOPLE]
    return [*levels, *[1.0] * (MAX_PEOPLE - len(levels)), 0.0 if alone else 1.0]


def remix(result: Any, *levels: float) -> str:
    """Write the clip with the voices as loud as the sliders say."""
    if result is None:
        raise gr.Error("Separate a clip first.")
    *people, rest = levels
    gains = [*people[:len(result.tracks)], *[1.0] * (len(result.tracks) - MAX_PEOPLE)]
    try:
        return playable(str(result.remix(new_folder(KEEP_SECONDS) / "mix.mp4", gains, off_screen=rest)))
    except mmvideo.MmvideoError as error:
        raise gr.Error(str(error)) from error


def build() -> gr.Blocks:
    """Lay out the page."""
    keep = (CHECK_SECONDS, KEEP_SECONDS)
    with gr.Blocks(title="Separate the voices", delete_cache=keep, analytics_enabled=False) as page:
        gr.Markdown("# Separate the voices in a clip\nEach face gets its own voice. Clips of up to "
                    f"{MAX_SECONDS // 60} minutes and {MAX_SIZE >> 20} MB; everything is removed after "
                    f"{KEEP_SECONDS // 60} minutes. A small model that works best on two people who face the camera.")
        clip = gr.Video(label="Your clip", sources=["upload", "webcam"], elem_id="clip")
        with gr.Row():
            sample = gr.Button("Take the sample clip", elem_id="sample", visible=SAMPLE.is_file())
            go = gr.Button("Separate the voices", variant="primary", elem_id="go")
        message = gr.Markdown(" ", elem_id="message", min_height=48)
        state = gr.State(time_to_live=KEEP_SECONDS)
        faces = gr.Image(label="Who was seen", visible=False, elem_id="faces", interactive=False,
                         buttons=["download", "fullscreen"])
        turns = gr.HTML(label="Who speaks when", show_label=True, visible=False, elem_id="turns")
        groups, players, portraits, pictures, sliders = [], [], [], [], []
        for n in range(MAX_PEOPLE):
            with gr.Column(visible=False, elem_id=f"person-{n + 1}") as group, gr.Row():
                portraits.append(gr.Image(interactive=False, show_label=False, buttons=[], height=96, width=96,
                                          min_width=96, scale=0, elem_id=f"portrait-{n + 1}"))
                players.append(gr.Audio(interactive=False, buttons=["download"], elem_id=f"player-{n + 1}"))
            with group:
                pictures.append(gr.Image(label="Spectrum before and after", interactive=False, show_label=False,
                                         buttons=[]))
            groups.append(group)
        with gr.Column(visible=False, elem_id="mixer") as mixer:
            gr.Markdown("## Mixer\nHow loud shall each of them be? 0 mutes.")
            only = gr.Radio(["Everybody"], value="Everybody", label="Hear only", elem_id="only")
            for n in range(MAX_PEOPLE):
                sliders.append(gr.Slider(0, 2, 1.0, step=0.05, visible=False, elem_id=f"level-{n + 1}"))
            rest = gr.Slider(0, 2, 1.0, step=0.05, label="Everything else", elem_id="level-rest")
            play = gr.Button("Play the mix", variant="primary", elem_id="play")
            mixed = gr.Video(label="The mix", interactive=False, autoplay=True, elem_id="mix")
        uploads = gr.State({}, time_to_live=KEEP_SECONDS)
        clip.upload(preview, clip, [clip, uploads], concurrency_limit=1)
        sample.click(lambda: str(SAMPLE), None, clip)
        outputs = [message, state, faces, mixer, *groups, *players, *portraits, *pictures, *sliders, only, mixed,
                   turns]
        go.click(separate, [clip, uploads], outputs, concurrency_limit=1, show_progress_on=message)
        only.input(solo, [only, state], [*sliders, rest])
        play.click(remix, [state, *sliders, rest], mixed)
    return page


def main(host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the page until Ctrl-C."""
    serve_page(build(), host, port, sample=SAMPLE)


if __name__ == "__main__":
    main(port=int(os.environ.get("PORT", "7860")))
