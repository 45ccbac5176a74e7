"""The embedded model's parts, built new or taken from earlier runs, and its two losses."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvideo.nn import facts as nf
from mmvideo.sampling.windows import MAX_WINDOWS
from mmvideo.toybox import words
from mmvideo.toybox.encoder import ToyboxAV
from mmvideo.toybox.facts import FIELDS, NUM_BINS, NUM_SLOTS
from mmvideo.toybox.tokenizer import build_tokenizer
from mmvideo.toybox.training.batches import Dialogue
from mmvideo.training import checks
from mmvideo.training.resume import digest
from mmvideo.vlm.composed import SEPARATE, ClipSpec, write_config
from mmvideo.vlm.kv_cache import cache_of, with_cache
from mmvideo.vlm.language_model import LanguageModel
from mmvideo.vlm.projectors.resampler import ConceptEmbedding, Resampler
from mmvideo.vlm.prompt import WORDS

DIM_LLM = 192


@dataclass(frozen=True)
class Sizes:
    """Widths and depths; the shipped model's by default."""

    dim: int = 256
    depth: int = 4
    dim_resampler: int = 192
    depth_resampler: int = 3
    dim_llm: int = DIM_LLM
    depth_llm: int = 4

    def __post_init__(self) -> None:
        checks.at_least(1, **{f"sizes.{name}": value for name, value in asdict(self).items()})


def check_sizes(sizes: Sizes | None) -> None:
    """Raise InvalidInput unless the parts can be built in these sizes."""
    if sizes is None:
        return
    with checks.trial("the model"):
        for new in (new_encoder, new_resampler, new_concepts, new_language):
            new(sizes)


def facts_identity(tokenizer: Any = None) -> dict[str, Any]:
    """Say what a resumed run must find again: the facts that are read and told, and the words, each in its order."""
    known = {"facts": digest(field.to_dict() for field in FIELDS)}
    return known if tokenizer is None else {**known, "vocabulary": digest(sorted(tokenizer.get_vocab().items()))}


def new_encoder(sizes: Sizes) -> ToyboxAV:
    return ToyboxAV(dim=sizes.dim, depth=sizes.depth)


def new_resampler(sizes: Sizes) -> Resampler:
    return Resampler(dim_in=sizes.dim, dim=sizes.dim_resampler, depth=sizes.depth_resampler, heads=6,
                     num_slots=NUM_SLOTS, num_bins=NUM_BINS, fields=[f.to_dict() for f in FIELDS],
                     dim_out=sizes.dim_llm)


def new_concepts(sizes: Sizes) -> ConceptEmbedding:
    return ConceptEmbedding(sizes=nf.told_sizes(FIELDS), num_slots=NUM_SLOTS, num_bins=NUM_BINS, dim_out=sizes.dim_llm)


def new_language(sizes: Sizes) -> LanguageModel:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaForCausalLM

    tokenizer = build_tokenizer([*words.vocabulary(), "describe", "the", "video"])
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=sizes.dim_llm, intermediate_size=512, num_hidden_layers=sizes.depth_llm,
        num_attention_heads=6, num_key_value_heads=6, max_position_embeddings=512, tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
        initializer_range=0.07,  # 1 / sqrt(width): at 0.02 so small a model hardly attends at first
        attn_implementation="eager"))
    return LanguageModel(model, tokenizer)


def grown_resampler(old: Resampler) -> Resampler:
    """Return a resampler that reads today's FIELDS and knows what an older one, of other fields, knew.

    What a field is read by and told with goes with its name; new fields are told with zeros until they are trained.
    """
    if old.fields == FIELDS:
        return old
    new = Resampler.from_config({**old.config, "fields": [f.to_dict() for f in FIELDS]})
    before, now = old.state_dict(), new.state_dict()
    for name, x in before.items():
        if x.shape == now[name].shape and not name.startswith("read."):
            now[name].copy_(x)
    for scope in nf.SCOPES:
        was, to = ([f for f in fields if f.scope == scope] for fields in (old.fields, FIELDS))
        for part, axis in (("weight", 0), ("bias", 0)):
            _carry(before[f"read.{scope}.{part}"], now[f"read.{scope}.{part}"], axis,
                   {f.name: f.size for f in was}, {f.name: f.size for f in to})
        told = f"concepts.scopes.{scope}.weight"
        now[told].zero_()
        _carry(before[told], now[told], 1, {f.name: f.told for f in was}, {f.name: f.told for f in to})
    return new.eval()


def _carry(before: Tensor, now: Tensor, axis: int, was: dict[str, int], to: dict[str, int]) -> None:
    """Copy what two layouts along an axis share, name by name; a field that has grown keeps its first numbers."""
    pieces = dict(zip(was, before.split(list(was.values()), axis), strict=True))
    for name, piece in zip(to, now.split(list(to.values()), axis), strict=True):
        if name in pieces:
            num = min(piece.shape[axis], was[name])
            piece.narrow(axis, 0, num).copy_(pieces[name].narrow(axis, 0, num))


def load_parts(folder: Path) -> tuple[ToyboxAV, Resampler, LanguageModel]:
    """Load a saved model's three parts."""
    return (ToyboxAV.from_pretrained(folder / "encoder"), Resampler.from_pretrained(folder / "projector"),
            load_trained_language(folder))


def load_trained_language(folder: Path) -> LanguageModel:
    """Load a run's or a model's language model, to train it on."""
    language = LanguageModel.from_pretrained(folder / "language")
    # on a CPU the fused attention's backward takes half of a step on rows as short as these
    language.model.set_attn_implementation("eager")
    return language


def load_told(folder: Path) -> tuple[ConceptEmbedding, LanguageModel]:
    """Load what words need, the embedding of concepts and the language model, of a model or of a language run."""
    if (folder / "concepts").is_dir():
        return ConceptEmbedding.from_pretrained(folder / "concepts"), load_trained_language(folder)
    return grown_resampler(Resampler.from_pretrained(folder / "projector")).concepts, load_trained_language(folder)


def compose(perception: Path, language: Path) -> tuple[ToyboxAV, Resampler, LanguageModel]:
    """Join an encoder and resampler that know the facts with a language model that speaks of them."""
    resampler = Resampler.from_pretrained(perception / "projector")
    resampler.concepts = ConceptEmbedding.from_pretrained(language / "concepts")
    return ToyboxAV.from_pretrained(perception / "encoder"), resampler, load_trained_language(language)


def save_parts(folder: Path, encoder: ToyboxAV, resampler: Resampler, language: LanguageModel) -> None:
    """Save a composed model of three parts; the encoder and the projector in float16."""
    encoder.save_pretrained(folder / "encoder", half=True)
    resampler.save_pretrained(folder / "projector", half=True)
    language.save_pretrained(folder / "language")
    write_model_config(folder)


def write_model_config(folder: Path) -> None:
    """Write the config.json of a composed model over the parts that a folder holds."""
    seen = ToyboxAV.from_pretrained(folder / "encoder").config
    parts = {"encoder": "toybox-av", "projector": "resampler"}
    if (folder / "domain").is_dir():
        parts["domain"] = "domain"
    size, rate = seen["image_size"], seen["sample_rate"]
    write_config(folder, parts, ClipSpec(seen["num_frames"], size, size, seen["seconds"], MAX_WINDOWS, rate), WORDS,
                 SEPARATE, max_new_tokens=64)


def answers(language: nn.Module, embeddings: Tensor, dialogues: list[Dialogue]) -> tuple[Tensor, list[Tensor]]:
    """Read each scene's visual tokens once and answer all questions about it, teacher-forced.

    Args:
        language: a causal model of transformers.
        embeddings: (B, N, D) visual tokens.
        dialogues: the questions, in buckets.

    Returns:
        The mean cross-entropy per answer token, and per bucket which answers are right to the last token, bool (R,):
        what greedy decoding would get right.
    """
    from transformers import DynamicCache

    read = cache_of(language(inputs_embeds=embeddings, use_cache=True, logits_to_keep=1))
    prefix = [(layer.keys, layer.values) for layer in read.layers]
    total, count, right = embeddings.new_zeros((), dtype=torch.float32), 0, []
    for d in dialogues:
        cache = DynamicCache()
        for i, (keys, values) in enumerate(prefix):
            cache.update(keys[d.scene], values[d.scene], i)
        seen = torch.ones(len(d.scene), embeddings.shape[1], dtype=torch.long)
        hidden = language.model(input_ids=d.ids, attention_mask=torch.cat((seen, d.mask), 1), use_cache=True,
                                **with_cache(language.model, cache)).last_hidden_state
        logits = language.lm_head(hidden).float()
        total = total + F.cross_entropy(logits.flatten(0, 1), d.targets.flatten(), ignore_index=-100, reduction="sum")
        kept = d.targets != -100
        count += int(kept.sum())
        right.append(((logits.detach().argmax(-1) == d.targets) | ~kept).all(-1)[: len(d.questions)])
    return total / max(count, 1), right


@dataclass
class Tally:
    """Exact matches by question type."""

    counts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, dialogues: list[Dialogue], right: list[Tensor]) -> None:
        for dialogue, flags in zip(dialogues, right, strict=True):
            for question, flag in zip(dialogue.questions, flags.tolist(), strict=True):
                count = self.counts.setdefault(question.type, [0, 0])
                count[0] += flag
                count[1] += 1

    def accuracy(self) -> dict[str, float]:
        """Return the share right per type, their mean first."""
        by_type = {kind: hits / asked for kind, (hits, asked) in sorted(self.counts.items())}
        return {"macro": sum(by_type.values()) / max(1, len(by_type)), **by_type}
