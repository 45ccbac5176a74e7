"""Ask about a video in the browser: the answer, the frames that were looked at, and the timeline."""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr

import mmvideo
from mmvideo.hooks import Hook
from mmvideo.serving.page import CHECK_SECONDS, KEEP_SECONDS, MAX_SIZE, new_folder, preview, serve_page

SAMPLE = Path(mmvideo.__file__).parent / "embedded" / "demo" / "nasa.mp4"
MAX_CHARACTERS = 200
QUESTIONS = ("what happens next?", "which way does the camera move?", "what is in the video?")


class _Bar(Hook):
    """Shows in the browser which stage runs."""

    def __init__(self, bar: gr.Progress, stages: list[str]):
        self.bar, self.stages = bar, stages

    def before(self, stage: str) -> None:
        self.bar(self.stages.index(stage) / len(self.stages), desc=stage)


def _pipeline(made: list[mmvideo.Pipeline] = []) -> mmvideo.Pipeline:  # noqa: B006
    if not made:
        made.append(mmvideo.Pipeline("video-qa"))
    return made[0]


def ask(clip: str | None, question: str | None, uploads: dict[str, str] | None = None,
        progress: gr.Progress = gr.Progress()) -> tuple[str, str | None]:  # noqa: B008
    """Answer a question about a clip and draw what was looked at; `uploads` tells what a shown copy was made of."""
    if not clip:
        return "Choose a clip first: upload one, record one, or take the sample.", None
    question = (question or "").strip()
    if not question:
        return "Write a question first.", None
    if len(question) > MAX_CHARACTERS:
        return f"The question has {len(question)} characters; it can have {MAX_CHARACTERS}.", None
    clip, pipe = (uploads or {}).get(clip, clip), _pipeline()
    try:
        result = pipe(clip, question, hook=_Bar(progress, [stage.name for stage in pipe.recipe.stages]))
    except mmvideo.MmvideoError as error:
        return str(error).replace(clip, Path(clip).name), None
    picture = new_folder(KEEP_SECONDS) / "seen.png"
    result.save(picture)
    if result.in_domain.outside:
        lines = [f"**Outside what this model knows:** {result.in_domain.reason}", f"### {result.text}",
                 f"By {result.model}. {result.rule}"]
    else:
        lines = [f"### {result.text}", f"{result.confidence:.0%} sure, by {result.model}. {result.rule}"]
    return "\n\n".join([*lines, *result.warnings]), str(picture)


def build() -> gr.Blocks:
    """Lay out the page."""
    keep = (CHECK_SECONDS, KEEP_SECONDS)
    with gr.Blocks(title="Ask about a video", delete_cache=keep, analytics_enabled=False) as page:
        gr.Markdown(f"# Ask about a video\nUp to {MAX_SIZE >> 20} MB; everything is removed after "
                    f"{KEEP_SECONDS // 60} minutes. The embedded model knows toys that move and collide, and says so "
                    "when it is shown something else.")
        clip = gr.Video(label="Your clip", sources=["upload", "webcam"], elem_id="clip")
        sample = gr.Button("Take the sample clip", elem_id="sample", visible=SAMPLE.is_file())
        question = gr.Textbox(label="Your question", value=QUESTIONS[0], max_length=MAX_CHARACTERS, elem_id="question")
        gr.Examples([[q] for q in QUESTIONS], question, label="Or one of these")
        go = gr.Button("Ask", variant="primary", elem_id="go")
        answer = gr.Markdown(" ", elem_id="answer", min_height=48)
        seen = gr.Image(label="What was looked at, and when", show_label=False,  # the picture has a title of its own
                        interactive=False, elem_id="seen", type="filepath", buttons=["download", "fullscreen"])
        uploads = gr.State({}, time_to_live=KEEP_SECONDS)
        clip.upload(preview, clip, [clip, uploads], concurrency_limit=1)
        sample.click(lambda: str(SAMPLE), None, clip)
        gr.on([go.click, question.submit], ask, [clip, question, uploads], [answer, seen], concurrency_limit=1,
              show_progress_on=answer)
    return page


def main(host: str = "127.0.0.1", port: int = 7860) -> None:
    """Serve the page until Ctrl-C."""
    serve_page(build(), host, port, sample=SAMPLE)


if __name__ == "__main__":
    main(port=int(os.environ.get("PORT", "7860")))
