"""Stage `converse`: a composed model looks at a whole video and answers in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import nn

from mmvideo.deadline import check
from mmvideo.errors import InvalidInput
from mmvideo.hub.cpu_inference import hastened
from mmvideo.nn.interruptible import interruptible
from mmvideo.sampling.windows import windows
from mmvideo.stages.base import Stage, set_by_load
from mmvideo.types import Clips, Expected, GenerationOptions
from mmvideo.vlm.composed import Composed
from mmvideo.vlm.conversation import check_constraints
from mmvideo.vlm.embedding_conversation import EmbeddingConversation, ends_of
from mmvideo.wording import plural


@dataclass(kw_only=True)
class Converse(Stage):
    """Look at windows over the whole video, and let the language model read all of them once."""

    needs: ClassVar = ("media",)
    gives: ClassVar = ("clips", "conversation")
    hints: ClassVar = ("expected",)

    weights: str | None = None
    max_windows: int | None = None
    """Most windows; null for the model's own number."""
    start_seconds: float | None = None
    end_seconds: float | None = None
    batch_size: int = 8
    drop_below: float | None = None
    """Leave out tokens of places whose pixels changed by less than this share of their range; 0.1 as VideoLLaMA 3."""
    merge_to: float = 1.0
    """Share of the visual tokens that is left once those most alike are merged (ToMe); 1 merges none."""
    model: Composed = set_by_load()

    def load(self, device: torch.device) -> None:
        """Load all parts.

        Raises:
            InvalidInput: no model was named.
            WeightsError: a part is missing or does not fit.
        """
        if self.weights is None:
            raise InvalidInput("This recipe runs a composed model of yours: give model=FOLDER (--model FOLDER).")
        self.model = Composed.from_pretrained(self.weights, device=device)
        hastened(self.model.language, attention=False)
        interruptible(self.model)

    def modules(self) -> dict[str, nn.Module]:
        """Return the parts."""
        return dict(self.model.parts.items()) if self.model is not None else {}

    def check(self, texts: Sequence[str], generation: GenerationOptions) -> None:
        """Refuse choices or a schema that the tokenizer cannot hold to."""
        check_constraints(generation, self.model.tokenizer, ends_of(self.model.language, self.model.tokenizer))

    def __call__(self, *, media: Any, expected: Expected | None = None) -> dict[str, Any]:
        """Return the windows that were looked at, and the model's conversation about them.

        Raises:
            ContextExceeded: one window does not fit into the model's context beside what will be asked.
        """
        count, most = self.max_windows or self.model.look.max_windows, 0
        while True:
            check()
            clips = self._look(media, count)
            soft = self.model.watch(clips, batch_size=self.batch_size, drop_below=self.drop_below,
                                    merge_to=self.merge_to)
            most = max(most, len(clips.frames))
            fewer = self.model.fewer_windows(len(clips.frames), soft.shape[1], expected or Expected())
            if fewer is None:
                break
            count = fewer
        if len(clips.frames) < most:
            note = (f"{len(clips.frames)} of {plural(most, 'window')}: more do not fit into the model's context of "
                    f"{self.model.context} tokens")
            clips = replace(clips, notes=(*clips.notes, note))
        return {"clips": clips, "conversation": EmbeddingConversation(self.model.language, self.model.prompt, soft)}

    def _look(self, media: Any, max_windows: int) -> Clips:
        look = self.model.look
        return windows(media, window_seconds=look.window_seconds, num_frames=look.num_frames, max_windows=max_windows,
                       size=(look.height, look.width), sample_rate=look.sample_rate, start_seconds=self.start_seconds,
                       end_seconds=self.end_seconds)


__all__ = ["Converse"]
