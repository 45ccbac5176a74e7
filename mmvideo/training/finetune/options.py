"""Options of `mmvideo train DATA`: fields here are the options of the command and the keys of a recipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mmvideo import checks
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.labelled.rows import MAGNITUDES, STRENGTHS, DataOptions
from mmvideo.training.choices import OPTIMIZERS, PRECISIONS

FLIPS = ("auto", "yes", "no")
WEIGHTINGS = ("none", "balanced")
FOCUSES = ("none", "moving", "person")
CHANNELS = ("colour", "times")
NORMS = ("auto", "frozen", "learned")
SCHEDULE = ("epochs", "batch_size", "learning_rate", "optimizer", "weight_decay", "layer_decay", "precision", "seed",
            "ema", "accumulate", "max_grad_norm")
"""Options that are kept under `schedule`."""
_RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 10**6), "batch_size": (1, 10**5), "frames": (0, 10**4), "size": (0, 10**4), "learning_rate": (0, 100),
    "weight_decay": (0, 100), "layer_decay": (0, 1), "head_rate": (0, 10**4), "mixup": (0, 100), "cutmix": (0, 100),
    "stills": (0, 1), "label_smoothing": (0, 0.99), "randaugment": (0, MAGNITUDES), "repeats": (1, 64),
    "patience": (0, 10**6), "ema": (0, 0.99999), "workers": (1, 256), "cache_gb": (0, 10**5), "accumulate": (1, 10**5),
    "max_grad_norm": (0, 10**6), "views": (1, 1000), "lora": (0, 4096), "fps": (0, 1000), "seed": (0, 2**32 - 1)}


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions(DataOptions):
    """How a preset of the zoo is trained on labelled clips.

    Raises:
        InvalidInput: a number out of range.
        UnknownName: a choice that there is not.
    """

    data: str = ""
    """Table or folder of labelled clips."""
    encoder: str = "tsm-lite0"
    """Preset of the zoo to train (`mmvideo list encoders`)."""
    pretrained: str = "auto"
    """imagenet (EfficientNet-Lite0, which ships), none, a run or model folder, a checkpoint file of a release, a model
    of the hub (owner/name), or auto: imagenet where the encoder takes it."""
    form: str = ""
    """Format of a checkpoint file, where the encoder's family reads several."""
    frames: int = 0
    """Frames that are seen of a clip; 0 for the encoder's own number."""
    size: int = 0
    """Pixels a side of the frames; 0 for the encoder's own."""
    fps: float = 0.0
    """Frames a second; 0 spreads the frames over the whole clip."""
    focus: str = "none"
    """moving: show the network what moves, while it moves, cut to the square around it (cameras that stand still);
    person: the square around the people that the object detector finds. The model then does so wherever it is used.
    none: the whole picture and time."""
    channels: str = "colour"
    """colour; or times: frames are made grey, and the channels are the frame before, the frame and the frame after it,
    so that what moves has colour. The model then does so wherever it is used."""
    freeze: str = ""
    """What does not learn: "backbone" (all that the pretrained weights fill), a number of stages from the input on, or
    the beginnings of parameters' names, with commas between."""
    lora: int = 0
    """Rank of low-rank changes (LoRA) of the linear layers that pretrained weights fill, which then stay as they are;
    merged into them when the model is saved. 0 for none; 8 is usual."""
    norm: str = "auto"
    """Batch normalisation: learned, frozen (statistics stay), or auto: frozen with pretrained weights."""
    epochs: int = 30
    """Passes over the clips to learn from."""
    batch_size: int = 16
    """Clips of a step."""
    accumulate: int = 1
    """Batches whose gradients are averaged before a step."""
    learning_rate: float = 0.0
    """Highest learning rate; 0 for 0.001, or 0.0003 of pretrained weights."""
    head_rate: float = 10.0
    """Multiple of the learning rate for what pretrained weights do not fill."""
    layer_decay: float = 1.0
    """Multiple of the learning rate from one block to the block before it; below 1, early layers learn slower."""
    optimizer: str = "adamw"
    """adamw, sgd, or muon."""
    weight_decay: float = 0.05
    """Weight decay."""
    max_grad_norm: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.0
    """Decay of a running average of the weights, which is what is measured and saved; 0 for none."""
    augment: str = "strong"
    """none, light (crops of another scale, flips, colour), or strong (RandAugment as well)."""
    randaugment: int = 9
    """Magnitude of RandAugment's operations, of 30."""
    flip: str = "auto"
    """Mirror half of the clips: yes, no, or auto: unless a label says left or right."""
    mixup: float = 0.0
    """Parameter of mixup's Beta distribution; 0 for none."""
    cutmix: float = 0.0
    """Parameter of CutMix's Beta distribution; 0 for none."""
    stills: float = 0.0
    """Share of the clips over which a frame of another clip is laid, so that backgrounds say nothing; 0 for none."""
    label_smoothing: float = 0.1
    """Share of the target that is spread over all labels."""
    repeats: int = 1
    """Times that a clip is in a batch, each augmented anew (repeated augmentation)."""
    class_weights: str = "none"
    """balanced weighs the loss of rare labels up; none."""
    views: int = 8
    """Augmented views of each clip whose features are kept, where all that sees pixels is frozen; the rest then trains
    on features alone."""
    patience: int = 10
    """Stop after so many epochs without a better validation; 0 never stops early."""
    report_to: str = ""
    """Trackers of Accelerate that the figures go to, with commas between: tensorboard, wandb, mlflow, ..."""
    cache: str = ""
    """Folder of decoded clips; by default .clips beside the run."""
    cache_gb: float = 8.0
    """Bound of that folder, in GB."""
    workers: int = 2
    """Decoding threads."""
    precision: str = "auto"
    """auto, bf16, or no (float32)."""
    seed: int = 0
    """Decides the order, the augmentation and the weights at the beginning."""
    licence: str = "not-stated"
    """Licence of the clips, for the model card."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.data:
            raise InvalidInput("data must name a table or a folder of labelled clips.")
        for name, allowed in (("augment", STRENGTHS), ("flip", FLIPS), ("class_weights", WEIGHTINGS), ("norm", NORMS),
                              ("focus", FOCUSES), ("channels", CHANNELS), ("optimizer", OPTIMIZERS),
                              ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise UnknownName(name, getattr(self, name), allowed)
        for name, (low, high) in _RANGES.items():
            checks.number(name, getattr(self, name), low=low, high=high)
        if self.layer_decay <= 0 or self.max_grad_norm <= 0 or self.head_rate <= 0:
            raise InvalidInput("layer_decay, max_grad_norm and head_rate must be over 0.")
        if self.focus != "none" and self.fps:
            raise InvalidInput("--focus spreads the frames over the time that it looks at, so --fps has no meaning: "
                               "give one of the two.")
        if self.lora and self.freeze:
            raise InvalidInput("--lora leaves all pretrained weights as they are, so --freeze has nothing to add: give "
                               "one of the two.")
        if self.batch_size % self.repeats:
            raise InvalidInput(f"batch_size={self.batch_size} must be a multiple of repeats={self.repeats}.")

    @property
    def steps(self) -> str:
        """Length in words, for a plan."""
        return f"{self.epochs} epochs,"

    @property
    def batch(self) -> int:
        """Clips of a step."""
        return self.batch_size * self.accumulate

    def record(self) -> dict[str, Any]:
        """Return what `run.json` holds of these options, before the data are read."""
        return {"trainer": "finetune", "options": self.kept()}

    def kept(self) -> dict[str, Any]:
        """Return the options that stand in `run.json` beside the schedule, as plain values."""
        found = {name: value for name, value in asdict(self).items() if name not in SCHEDULE}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


__all__ = ["FinetuneOptions"]
