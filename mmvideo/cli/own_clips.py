"""`mmvideo train DATA`: labelled clips of your own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmvideo.cli.common import note, say
from mmvideo.cli.dataclass_options import options_of
from mmvideo.cli.output import check_folder
from mmvideo.errors import TrainingInterrupted
from mmvideo.labelled.evaluation_options import EvaluationOptions
from mmvideo.training.finetune.options import FinetuneOptions

OWN_PANEL = "DATA: how to learn"
_READING = "DATA: how clips and labels are read"
_HOW_READ = frozenset(FinetuneOptions.__mro__[1].__annotations__)
OWN_CLIPS = options_of(FinetuneOptions, without=("data",),
                       panel_of=lambda name: _READING if name in _HOW_READ else OWN_PANEL)

EVALUATION_PANEL = "Labelled clips"
EVALUATION = options_of(EvaluationOptions, without=("validation_share", "test_share", "split_seed"),
                        panel_of=lambda name: EVALUATION_PANEL)


def own_clips(text: str) -> bool:
    """Say whether what is to be trained on are labelled clips, not a config."""
    path = Path(text).expanduser()
    return path.is_dir() or path.suffix.lower() in (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def train_own(data: str, out: Path | None, given: dict[str, Any], *, check: bool, accept_changes: bool, report: bool
              ) -> str:
    """Train on labelled clips; return what is printed at the end.

    Args:
        data: a table or a folder.
        out: folder of the run; by default runs/DATA-ENCODER.
        given: options that were given.
        check: only check; read no clips.
        report: measure the model at the end.
    """
    from mmvideo.labelled.read import name_of_data, read_labelled
    from mmvideo.training import recipes, resume

    options = FinetuneOptions(data=data, **given)
    folder = out or Path("runs") / f"{name_of_data(data)}-{options.encoder}"
    check_folder(folder)
    with resume.accepting(accept_changes):
        plan = recipes.plan_of("finetune", options, folder, data)
        if check:
            from mmvideo.encoders import zoo

            zoo.preset_of(options.encoder)
            table = read_labelled(data, options, extract_to=folder / "extracted")
            for text in table.notes:
                note(text)
            return f"{plan}; {len(table.rows)} clips, {len(table.names)} labels"
        with stoppable(folder):
            recipes.run_plan(plan)
    if report:
        evaluate_own([str(folder)], str(folder / "splits.tsv"), folder / "report", _as_written(folder), device=None,
                     check=False, json=False, called=name_of_data(data))
    return f"{folder}\n  mmvideo classify CLIP --model {folder}"


def _as_written(folder: Path) -> dict[str, Any]:
    """Return how a run's splits.tsv is read."""
    from mmvideo.weights import RUN_MODEL, config

    about = config(folder / RUN_MODEL)
    task = about.get("outputs", "classes")
    if task == "numbers":
        return {"task": task, "label_column": tuple(about["labels"]), "skip_unreadable": True}
    return {"task": task, "label_separator": ";" if task == "tags" else "", "skip_unreadable": True}


def evaluate_own(models: list[str], data: str, out: Path | None, given: dict[str, Any], *, device: str | None,
                 check: bool, json: bool, called: str = "") -> None:
    """Measure classifiers on labelled clips and print their figures.

    Args:
        models: names or folders.
        data: a table or a folder.
        out: folder of the report; by default runs/eval-DATA.
        given: options that were given.
        check: only read the table.
        json: print the figures as JSON.
        called: name of the data, where it is not that of the table.
    """
    from mmvideo.evaluation import labelled_clips
    from mmvideo.labelled.read import name_of_data, read_labelled

    options = EvaluationOptions(**given)
    folder = out or Path("runs") / f"eval-{name_of_data(data)}"
    check_folder(folder)
    if check:
        table = read_labelled(data, options, extract_to=folder / "extracted", learning=False)
        say(f"{table.name}: {len(table.rows)} clips, {len(table.names)} labels; {'; '.join(table.notes)}")
        return
    for line in labelled_clips.evaluate_clips(models, data, out=folder, options=options, device=device, progress=True,
                                              called=called):
        (note if json else say)(line)
    if json:
        say((folder / labelled_clips.FIGURES).read_text(encoding="utf-8").strip())


@contextmanager
def stoppable(folder: Path) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into an error that says how to continue.

    Raises:
        TrainingInterrupted: it was stopped.
    """
    from mmvideo.training import interrupts, resume

    def stop(number: int, _: Any) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        if interrupts.ask():
            note(f"{name}: saving after this step; once more to stop at once")
            return
        raise TrainingInterrupted(f"Training was stopped by {name}; {resume.again(folder)}.")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["EVALUATION", "EVALUATION_PANEL", "OWN_CLIPS", "OWN_PANEL", "evaluate_own", "own_clips", "stoppable",
           "train_own"]
