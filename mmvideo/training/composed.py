"""Train a composed model: stage 1 its projector alone, stage 2 the language model too (LoRA or whole), as LLaVA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmvideo import weights
from mmvideo.errors import InvalidInput, MissingExtra
from mmvideo.nn import facts as nf
from mmvideo.recipes import keywords, options_from
from mmvideo.registry import find, names
from mmvideo.training import checks, sequence_packing
from mmvideo.training.conversations import Data, Jsonl, Shown
from mmvideo.training.loop import Schedule, TrainingRun, freeze
from mmvideo.training.resume import digest, fingerprint
from mmvideo.training.trainer import Trainer
from mmvideo.types import GenerationOptions
from mmvideo.vlm.composed import ClipSpec, Composed, load_language
from mmvideo.vlm.embedding_conversation import EmbeddingConversation
from mmvideo.vlm.prompt import QUESTION, WORDS

SOURCES = "conversations"
"""Kind of the registry: what `data` names, unless it is a file."""
LEARNS = ("projector", "encoder", "language", "lora")


def train_composed(out: Path, *, schedule: Schedule, learn: list[str], model: str = "", encoder: str = "toybox-av",
                   encoder_weights: str = "toybox-qa", projector: str = "mlp2x",
                   projector_options: dict[str, Any] | None = None, language: str = "",
                   look: dict[str, Any] | None = None, data: str = "toybox", data_options: dict[str, Any] | None = None,
                   lora_rank: int = 16, slow: dict[str, float] | None = None, facts_weight: float = 0.0,
                   concepts: str = "", evaluate_every: int = 200, samples: int = 3) -> None:
    """Train the parts named in `learn`; the rest is frozen. The model is saved under `out`/model.

    Args:
        learn: of LEARNS; "lora" trains low-rank changes of the language model, which are merged when it is saved.
        model: a composed model to go on from; else it is put together from the parts that follow.
        encoder: a registered encoder, with `encoder_weights` an embedded model's name or a folder of it.
        projector: a registered projector, new, with its options.
        language: folder or hub name of a causal model.
        look: the clip that is looked at; by default what the encoder's config.json says.
        data: a registered source of conversations ("toybox"), or a file of them in LLaVA's JSON lines.
        slow: multiples of the learning rate for some parts.
        facts_weight: weight of the dense facts of clips, where the source tells them and the projector reads them off
            (`resampler`).
        concepts: folder of the words' side of such a projector, from the run that trained the language model.
        evaluate_every: in steps.
        samples: replies to held-out questions that are written into the log at each evaluation.

    Raises:
        UnknownName: a part that cannot learn.
        InvalidInput: options that do not fit together.
    """
    options = checks.begin(check_composed, locals())
    torch.manual_seed(schedule.seed)
    composed = Composed.from_pretrained(model) if model else put_together(
        encoder, encoder_weights, projector, projector_options or {}, language, look)
    if concepts:
        bridge = composed.parts["projector"]
        bridge.concepts = type(bridge.concepts).from_pretrained(Path(concepts))
    if facts_weight and not hasattr(composed.parts["projector"], "look"):
        raise InvalidInput(f"facts_weight is for a projector that reads facts, which {projector} does not.")
    if "lora" in learn:
        composed.parts["language"] = _low_rank(composed.language, lora_rank)
    learning = nn.ModuleDict({name: part for name, part in composed.parts.items()
                              if name.removeprefix("audio_") in learn or (name == "language" and "lora" in learn)})
    freeze(part for name, part in composed.parts.items() if name not in learning)
    source: Data = (find(SOURCES, data)(**(data_options or {})) if data in names(SOURCES) else
                    Jsonl(Path(data), composed.look, **(data_options or {})))
    frozen = [part for name, part in composed.parts.items() if name not in learning]
    known = {**source.identity(), "look": composed.look, "frozen": fingerprint(*frozen),
             "vocabulary": digest(sorted(composed.tokenizer.get_vocab().items(), key=str))}
    run = TrainingRun(out, learning, schedule, slow=slow or {},
                      kept={"trainer": "composed", "options": options, "data": known})
    ComposedTraining(composed, source, schedule, facts_weight, samples).run(run, evaluate_every)
    if not run.accelerator.is_main_process:
        return
    if "lora" in learn:
        composed.parts["language"] = composed.language.merge_and_unload()
    composed.eval().save_pretrained(out / "model", about=f"Trained: {', '.join(learn)}, on {data}, for "
                                                         f"{schedule.steps} steps of {schedule.batch_size} clips.")


def check_composed(learn: list[str], model: str, encoder: str, projector: str, projector_options: dict[str, Any] | None,
                   language: str, look: dict[str, Any] | None, data: str, data_options: dict[str, Any] | None,
                   lora_rank: int, slow: dict[str, float] | None, facts_weight: float, evaluate_every: int,
                   samples: int) -> None:
    """Raise on options that cannot be, before any data or weights are read; they are those of `train_composed`."""
    checks.check_names("part that learns", learn, LEARNS)
    if not learn:
        raise InvalidInput(f"'learn' must name a part that learns: {', '.join(LEARNS)}.")
    if {"language", "lora"} <= set(learn):
        raise InvalidInput("'learn' names both language and lora; lora changes a language model that is frozen.")
    checks.check_names("part with a rate of its own", list(slow or {}), [*LEARNS, "audio_encoder", "audio_projector"])
    checks.over_zero(**{f"slow.{name}": rate for name, rate in (slow or {}).items()})
    checks.at_least(0, facts_weight=facts_weight, samples=samples)
    checks.at_least(1, lora_rank=lora_rank, evaluate_every=evaluate_every)
    if data in names(SOURCES):
        options_from(find(SOURCES, data), data_options or {}, "data_options")
    else:
        keywords(Jsonl, data_options or {}, "data_options", without=("path", "look"))
    if look is not None:
        options_from(ClipSpec, look, "look")
    find("encoders", encoder)
    bridge = find("projectors", projector)
    if model:
        return
    if not language:
        raise InvalidInput("Name the language model: language: FOLDER, or a causal model of the hub.")
    if facts_weight and not hasattr(bridge, "look"):
        raise InvalidInput(f"facts_weight is for a projector that reads facts, which {projector} does not.")
    options = facts_options() if projector == "resampler" else {}
    options |= keywords(bridge, {"dim_in": 192, "dim_out": 192, **options, **(projector_options or {})},
                        "projector_options")
    with checks.trial(f"projector {projector}"):
        bridge(**options)


def put_together(encoder: str, encoder_weights: str, projector: str, options: dict[str, Any], language: str,
                 look: dict[str, Any] | None = None) -> Composed:
    """Join a trained encoder and a language model with a new projector.

    Raises:
        InvalidInput: no language model was named, or it is not known what to look at.
    """
    if not language:
        raise InvalidInput("Name the language model: language: FOLDER, or a causal model of the hub.")
    eyes = find("encoders", encoder).from_pretrained(weights.part(encoder_weights, "encoder"))
    model, tokenizer = load_language(language)
    wide = model.get_input_embeddings().embedding_dim
    bridge = find("projectors", projector)
    if projector == "resampler":
        options = {**facts_options(), **options}
    with checks.building(f"projector {projector}"):
        made = bridge(dim_in=eyes.dim, dim_out=wide, **options)
    form = WORDS if QUESTION in tokenizer.get_vocab() else ""
    return Composed({"encoder": encoder, "projector": projector},
                    {"encoder": eyes, "projector": made, "language": model}, tokenizer, _look(eyes, look), form)


def facts_options() -> dict[str, Any]:
    """Return the options of a projector that reads facts: sizes, and the registered schema of what is read."""
    return {"dim": 192, "depth": 3, "heads": 6, **find("fact-schemas", "toybox")()}


def _look(eyes: nn.Module, given: dict[str, Any] | None) -> ClipSpec:
    """Return what is looked at: as given, else the clip that the encoder was made for."""
    if given is not None:
        return options_from(ClipSpec, given, "look")
    config = eyes.config
    if "image_size" in config:
        return ClipSpec(config["num_frames"], config["image_size"], config["image_size"], config["seconds"],
                    sample_rate=config["sample_rate"])
    i = eyes.input
    return ClipSpec(i.num_frames, i.height, i.width, i.num_frames / i.fps if i.fps else 4.0)


def _low_rank(language: nn.Module, rank: int) -> nn.Module:
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra("peft", "hub", "learn: [lora]") from error
    return get_peft_model(language, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear",
                                               task_type="CAUSAL_LM"))


class ComposedTraining:
    """Batches, losses and figures of one run."""

    def __init__(self, model: Composed, data: Data, schedule: Schedule, facts_weight: float, samples: int):
        self.model, self.data, self.schedule = model, data, schedule
        self.facts_weight, self.samples = facts_weight, samples
        self.before, _ = model.prompt.around("?")

    def run(self, run: TrainingRun, evaluate_every: int) -> None:
        """Train to the end of the schedule."""
        self.model.to(run.accelerator.device)
        self.sees = any(p.requires_grad for p in self.model.parts["encoder"].parameters())
        for name, part in self.model.parts.items():
            part.train(name in run.parts)
        run.train(self.make, self.loss, evaluate=self.evaluate, evaluate_every=evaluate_every)

    def make(self, number: int) -> tuple[Shown, list[sequence_packing.Rows]]:
        """Return the batch of a number."""
        shown = self.data.train(number, self.schedule.batch_size)
        return shown, sequence_packing.lay_out(shown.asked, self.model.prompt)

    def embed(self, shown: Shown) -> tuple[torch.Tensor, nf.Facts | None]:
        """Return visual tokens, and the facts' logits where the projector reads them."""
        device = next(self.model.parameters()).device
        with torch.set_grad_enabled(self.sees and torch.is_grad_enabled()):
            features = self.model.features(shown.frames.to(device),
                                           None if shown.audio is None else shown.audio.to(device),
                                           shown.has_audio.to(device))
        bridge = self.model.parts["projector"]
        if not self.facts_weight:
            return bridge(features), None
        seen = bridge.look(features)
        return bridge.embed(nf.from_logits(bridge.fields, seen.logits), seen.hidden), seen.logits

    def loss(self, made: tuple[Shown, list[sequence_packing.Rows]]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return the answers' cross-entropy, with the facts' where asked, and figures for the log."""
        shown, rows = made
        soft, logits = self.embed(shown)
        spoken, right = sequence_packing.packed_loss(self.model.language, soft, self.before, rows)
        figures: dict[str, Any] = {"answers": spoken.detach(), "exact": torch.cat(right).float().mean()}
        if logits is None:
            return spoken, figures
        dense, _ = nf.facts_loss(self.model.parts["projector"].fields, logits, shown.facts)
        return spoken + self.facts_weight * dense, {**figures, "facts": dense.detach()}

    def evaluate(self) -> dict[str, Any]:
        """Return accuracy on held-out clips by kind of question, their mean first, and a few replies in words."""
        asked: dict[str, list[int]] = {}
        said: list[str] = []
        for shown in self.data.held_out():
            soft, _ = self.embed(shown)
            rows = sequence_packing.lay_out(shown.asked, self.model.prompt)
            _, right = sequence_packing.packed_loss(self.model.language, soft, self.before, rows)
            for bucket, flags in zip(rows, right, strict=True):
                for one, flag in zip(bucket.asked, flags.tolist(), strict=True):
                    count = asked.setdefault(one.kind, [0, 0])
                    count[0] += flag
                    count[1] += 1
            if not said:
                said = [self._sample(soft[i:i + 1], shown.asked[i][0]) for i in range(min(self.samples, len(soft)))
                        if shown.asked[i]]
        shares = {kind: hits / num for kind, (hits, num) in sorted(asked.items())}
        return {"macro": sum(shares.values()) / max(1, len(shares)), **shares, "samples": said}

    def _sample(self, soft: torch.Tensor, one: sequence_packing.Asked) -> str:
        talk = EmbeddingConversation(self.model.language, self.model.prompt, soft)
        reply = talk.reply(one.question, GenerationOptions(max_new_tokens=48, history=one.history))
        return f"{one.question} -> {reply.text!r} (true: {one.answer!r})"


TRAINER = Trainer(train_composed, check_composed, begin_with=("model", "model"))

__all__ = ["LEARNS", "TRAINER", "ComposedTraining", "check_composed", "put_together", "train_composed"]
