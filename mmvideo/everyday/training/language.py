"""The everyday language model learns from photographs: to caption them, and to answer what their captions tell."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.errors import InvalidInput
from mmvideo.everyday.evidence_line import NUM_SLOTS, evidence_ids
from mmvideo.everyday.training.caption_questions import caption_pairs
from mmvideo.everyday.training.photographs import MIRRORED, Photographs, mirrored, swapped_object
from mmvideo.everyday.training.vocabulary import train_vocabulary
from mmvideo.training import checks
from mmvideo.training.loop import Schedule, TrainingRun
from mmvideo.training.resume import digest
from mmvideo.training.sequence_packing import Asked, Rows, lay_out, packed_loss
from mmvideo.training.trainer import Trainer
from mmvideo.types import Features
from mmvideo.vlm.language_model import LanguageModel
from mmvideo.vlm.projectors.mlp import MLP
from mmvideo.vlm.prompt import CAPTION_REQUEST, WORDS, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DIM_SEEN = 1280
GRID = (1, 7, 7)
LABELS = (
    "dog", "horse", "cat", "bird", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "bicycle", "car",
    "motorcycle", "bus", "train", "truck", "boat", "bench", "umbrella", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "skateboard", "surfboard", "tennis racket", "bottle", "cup", "bowl", "banana",
    "apple", "sandwich", "pizza", "cake", "chair", "couch", "bed", "tv", "laptop", "cell phone", "book",
    "clock", "teddy bear", "airplane", "backpack", "handbag", "tie", "suitcase", "baseball bat",
    "baseball glove", "knife", "fork", "spoon", "person")
"""What an object may be exchanged for."""


@dataclass(frozen=True)
class LanguageSizes:
    """Widths and depths; the shipped model's by default."""

    dim: int = 384
    depth: int = 4
    heads: int = 6
    intermediate: int = 1024
    vocabulary: int = 4096


def train_everyday_language(out: Path, *, schedule: Schedule, photographs: str, cache: str,
                            sizes: LanguageSizes | None = None, num_captions: int = 5, num_questions: int = 4,
                            feature_dropout: float = 0.3, residual_dropout: float = 0.1, label_smoothing: float = 0.1,
                            without_line: float = 0.15, swapped: float = 0.08, init: str = "") -> None:
    """Train projector and language model; save them under `out` as `projector` and `language`.

    Args:
        photographs: folder of train.tsv and val.tsv.
        cache: folder of the features, see `mmvideo.everyday.training.photographs`.
        num_captions: of each photograph, each time it is seen.
        num_questions: made from its captions, each time it is seen.
        feature_dropout: share of the image features that is set to zero.
        residual_dropout: share of what every block adds that is set to zero.
        without_line: share of photographs shown without the detectors' line.
        swapped: share of photographs in which another object takes the place of one.
        init: a finished run of this trainer to go on from.
    """
    options = checks.begin(check_everyday_language, locals())
    sizes = sizes or LanguageSizes()
    torch.manual_seed(schedule.seed)
    train = Photographs.read(Path(photographs), Path(cache), "train")
    held_out = Photographs.read(Path(photographs), Path(cache), "val")
    projector, language = load_everyday_parts(Path(init)) if init else new_parts(sizes, train)
    kept = {"trainer": "everyday-language", "options": options,
            "data": {"photographs": digest(train.names),
                     "vocabulary": digest(sorted(language.tokenizer.get_vocab().items()))}}
    run = TrainingRun(out, nn.ModuleDict({"projector": projector, "language": language.model}), schedule, kept=kept)
    add_residual_dropout(language.model, residual_dropout)
    reader = GridReader(projector, language)

    def make(step: int) -> tuple[Tensor, Tensor, list[Rows]]:
        rng = random.Random(schedule.seed * 1_000_003 + step)
        first = step * schedule.batch_size
        chosen = [train.order((first + i) // len(train), schedule.seed)[(first + i) % len(train)]
                  for i in range(schedule.batch_size)]
        return collated(train, chosen, rng, language.tokenizer, num_captions, num_questions, without_line, swapped)

    def loss(made: tuple[Tensor, Tensor, list[Rows]]) -> tuple[Tensor, dict[str, Any]]:
        grids, lines, rows = made
        grids = F.dropout(grids.float(), feature_dropout)
        value, right = packed_loss(language.model, reader.prefix(grids, lines), (), rows,
                                   label_smoothing=label_smoothing)
        return value, {"exact": torch.cat(right).float().mean()}

    def evaluate() -> dict[str, float]:
        return held_out_figures(reader, held_out)

    run.train(make, loss, evaluate=evaluate, evaluate_every=100)
    projector.save_pretrained(out / "projector", half=True)
    language.save_pretrained(out / "language")


class GridReader:
    """Turns grids and lines into the prefix that the language model reads."""

    def __init__(self, projector: MLP, language: LanguageModel):
        self.projector, self.language = projector, language
        self.prompt = Prompt(language.tokenizer, WORDS)

    def prefix(self, grids: Tensor, lines: Tensor) -> Tensor:
        """Return (B, 49 + NUM_SLOTS, D).

        Args:
            grids: float (B, 49, 1280).
            lines: int64 (B, NUM_SLOTS), as from `evidence_ids`.
        """
        seen = self.projector(Features(grids, GRID, grids.mean(1)))
        return torch.cat((seen, self.language.model.get_input_embeddings()(lines)), 1)


def new_parts(sizes: LanguageSizes, train: Photographs) -> tuple[MLP, LanguageModel]:
    """Make a projector and a language model, whose vocabulary is learnt from captions, questions and lines."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    tokenizer = train_vocabulary(vocabulary_texts(train), sizes.vocabulary)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=sizes.dim, intermediate_size=sizes.intermediate,
        num_hidden_layers=sizes.depth, num_attention_heads=sizes.heads, num_key_value_heads=sizes.heads,
        max_position_embeddings=512, tie_word_embeddings=True, pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id, bos_token_id=None, initializer_range=sizes.dim ** -0.5,
        attn_implementation="eager"))
    return MLP(dim_in=DIM_SEEN, dim_out=sizes.dim), LanguageModel(model, tokenizer)


def load_everyday_parts(folder: Path) -> tuple[MLP, LanguageModel]:
    """Load what an earlier run has saved."""
    language = LanguageModel.from_pretrained(folder / "language")
    language.model.set_attn_implementation("eager")
    return MLP.from_pretrained(folder / "projector"), language


def vocabulary_texts(train: Photographs) -> list[str]:
    """Return what the vocabulary is learnt from."""
    rng, texts = random.Random(0), [CAPTION_REQUEST, *LABELS]
    for number in range(len(train)):
        texts += [*train.captions[number], train.line(number)]
        texts += [part for _, *said in caption_pairs(train.captions[number], rng, strict=False) for part in said]
    return texts


def collated(photographs: Photographs, chosen: Sequence[int], rng: random.Random, tokenizer: PreTrainedTokenizerFast,
             num_captions: int, num_questions: int, without_line: float, swapped: float
             ) -> tuple[Tensor, Tensor, list[Rows]]:
    """Draw a view, a line, captions and questions of each photograph.

    Returns:
        float16 (B, 49, 1280), int64 (B, NUM_SLOTS), and the rows of text.
    """
    grids, lines, asked = [], [], []
    views = photographs.grids.shape[1]
    for number in chosen:
        view = rng.randrange(views)
        grids.append(torch.from_numpy(photographs.grids[number, view].copy()))
        captions, line = photographs.captions[number], photographs.line(number)
        if view in MIRRORED:
            captions = [mirrored(one) for one in captions]
        if rng.random() < without_line:
            line = ""
        elif rng.random() < swapped:
            line, captions = swapped_object(rng, line, captions, LABELS)
        lines.append(evidence_ids(tokenizer, line))
        told = caption_pairs(captions, rng, strict=False)
        asked.append([Asked(CAPTION_REQUEST, one) for one in rng.sample(captions, min(num_captions, len(captions)))]
                     + [Asked(question.lower(), answer) for _, question, answer in
                        rng.sample(told, min(num_questions, len(told)))])
    return torch.stack(grids), torch.tensor(lines), lay_out(asked, Prompt(tokenizer, WORDS), buckets=8)


@torch.no_grad()
def held_out_figures(reader: GridReader, photographs: Photographs, most: int = 256) -> dict[str, float]:
    """Return the loss on captions, and the share of questions by family that are answered exactly."""
    rng, losses = random.Random(1), []
    counts: dict[str, list[int]] = {}
    prompt = reader.prompt
    for first in range(0, min(most, len(photographs)), 32):
        chosen = range(first, min(first + 32, len(photographs)))
        grids = torch.stack([torch.from_numpy(photographs.grids[n, 0].copy()) for n in chosen]).float()
        lines = torch.tensor([evidence_ids(prompt.tokenizer, photographs.line(n)) for n in chosen])
        prefix = reader.prefix(grids, lines)
        captions = lay_out([[Asked(CAPTION_REQUEST, one) for one in photographs.captions[n]] for n in chosen], prompt)
        losses.append(float(packed_loss(reader.language.model, prefix, (), captions)[0]))
        rows = lay_out([[Asked(q.lower(), a, kind=family) for family, q, a in
                         caption_pairs(photographs.captions[n], rng, strict=True)] for n in chosen], prompt)
        _, right = packed_loss(reader.language.model, prefix, (), rows)
        for row, flags in zip(rows, right, strict=True):
            for one, flag in zip(row.asked, flags.tolist(), strict=True):
                count = counts.setdefault(one.kind, [0, 0])
                count[0] += flag
                count[1] += 1
    return {"caption_loss": sum(losses) / len(losses),
            **{kind: hits / number for kind, (hits, number) in sorted(counts.items())}}


def add_residual_dropout(model: Any, share: float) -> None:
    """Drop some of what attention and MLP add to the stream, while training (Srivastava et al. 2014)."""
    if not share:
        return
    for layer in model.model.layers:
        for part in (layer.self_attn.o_proj, layer.mlp.down_proj):
            part.register_forward_hook(lambda module, _, out: F.dropout(out, share, module.training))


def check_everyday_language(sizes: LanguageSizes | None, num_captions: int, num_questions: int, feature_dropout: float,
                            residual_dropout: float, label_smoothing: float, without_line: float, swapped: float
                            ) -> None:
    """Raise on options that cannot be, before anything is read."""
    checks.at_least(1, num_captions=num_captions)
    checks.at_least(0, num_questions=num_questions)
    checks.shares(feature_dropout=feature_dropout, residual_dropout=residual_dropout, label_smoothing=label_smoothing,
                  without_line=without_line, swapped=swapped)
    if sizes is not None and sizes.dim % sizes.heads:
        raise InvalidInput(f"sizes.dim must be a multiple of sizes.heads, not {sizes.dim} and {sizes.heads}.")


TRAINER = Trainer(train_everyday_language, check_everyday_language, begin_with=("init", "."))

__all__ = [
    "DIM_SEEN",
    "GRID",
    "NUM_SLOTS",
    "TRAINER",
    "GridReader",
    "LanguageSizes",
    "add_residual_dropout",
    "load_everyday_parts",
    "new_parts",
    "train_everyday_language",
]
