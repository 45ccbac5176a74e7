"""A video language model put together from parts: any registered encoders, a projector each, any causal model.

A folder of one holds::

    config.json       names of the parts, the clip that is looked at, how questions are put, and whether windows are
                      read one after the other as one video ("joined") or asked one by one ("separate")
    encoder/          as the encoder's own save_pretrained writes it
    projector/        likewise
    audio_encoder/    and audio_projector/, where it hears through an encoder of its own
    domain/           where it has a measure of what it knows
    observer/         where facts with evidence are found in the video, and answer what they can
    language/         a causal model and its tokenizer, in the Hugging Face format
    recipe.yaml       the pipeline that runs it
    README.md, SHA256SUMS
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from mmvideo import recipes, weights
from mmvideo.deadline import check
from mmvideo.errors import InvalidInput, ModelUnavailable, UnsupportedModel, WeightsError, shown
from mmvideo.hub import gguf
from mmvideo.hub.load import check_fit, local, memory_for, quiet
from mmvideo.hub.resolve import check_causal, reading
from mmvideo.nn.token_reduction import dropped, merged
from mmvideo.registry import find
from mmvideo.types import Clips, Domain, Expected, Features
from mmvideo.vlm.context import MOST_FOR_A_QUESTION, check_room, longest_context
from mmvideo.vlm.encode import call_batched, check_sample_rate, encode, encode_batched
from mmvideo.vlm.prompt import VIDEO, Prompt
from mmvideo.vlm.small_llama import load_small

if TYPE_CHECKING:
    from transformers import PreTrainedModel

KIND = "composed"
RECIPE = "recipe.yaml"
JOINED, SEPARATE = "joined", "separate"
LONGEST = 96
"""Tokens of a reply, where config.json sets no other number."""
_KINDS = {"encoder": "encoders", "projector": "projectors", "audio_encoder": "audio-encoders",
          "audio_projector": "projectors", "domain": "heads", "observer": "observers"}
"""Part -> the kind under which it is registered."""


@dataclass(frozen=True)
class ClipSpec:
    """What a composed model looks at: windows over the whole video, each seen as one clip."""

    num_frames: int
    height: int
    width: int
    window_seconds: float
    max_windows: int = 8
    """Longer videos are thinned evenly to so many windows."""
    sample_rate: int | None = None
    """Samples per second of the sound; None for a deaf model."""


class Composed(nn.Module):
    """Encoder, projector and language model.

    Args:
        parts: registered names: "encoder", "projector" and, where it hears beside, "audio_encoder", "audio_projector";
            "domain" where it has a measure of what it knows.
        modules: the parts themselves, by the same names, and "language".
        tokenizer: of the language model.
        look: what is looked at.
        form: how questions are put, see `mmvideo.vlm.prompt`; empty for the tokenizer's chat template.
        windows: "joined": the windows of a video are one conversation; "separate": each is asked by itself.
        max_new_tokens: the longest reply, where nothing else is said.
        shared: parts that are those of another model: part -> its name or folder.

    Raises:
        InvalidInput: parts whose widths do not fit.
    """

    def __init__(self, parts: dict[str, str], modules: Mapping[str, Any], tokenizer: Any, look: ClipSpec,
                 form: str = "", windows: str = JOINED, max_new_tokens: int = LONGEST,
                 shared: Mapping[str, str] | None = None):
        super().__init__()
        self.shared = dict(shared or {})
        self.names, self.look, self.form, self.windows = dict(parts), look, form, windows
        self.max_new_tokens, self.name = max_new_tokens, "this model"
        self.parts = nn.ModuleDict(modules)
        self.tokenizer, self.prompt = tokenizer, Prompt(tokenizer, form)
        wide = self.language.get_input_embeddings().embedding_dim
        for eyes, bridge in (("encoder", "projector"), ("audio_encoder", "audio_projector")):
            if bridge not in modules:
                continue
            given = modules[bridge].config
            if (given["dim_in"], given["dim_out"]) != (modules[eyes].dim, wide):
                raise InvalidInput(f"The {bridge} maps {given['dim_in']} to {given['dim_out']}, but {parts[eyes]} "
                                   f"gives {modules[eyes].dim} and the language model reads {wide}.")

    @property
    def language(self) -> PreTrainedModel:
        """The causal model."""
        return cast("PreTrainedModel", self.parts["language"])

    @property
    def context(self) -> int | None:
        """Most tokens that the language model can read and write together; None where nothing says."""
        return longest_context(self.language.config, self.tokenizer)

    def fewer_windows(self, count: int, num_tokens: int, expected: Expected) -> int | None:
        """Return a number of windows that may fit into the context beside what will be asked; None where these do.

        Args:
            count: windows that were looked at.
            num_tokens: visual tokens of all of them.
            expected: where it holds no question, an eighth of the context is left for one, 256 tokens at most.

        Raises:
            ContextExceeded: there is one window only, and it does not fit.
        """
        context = self.context
        if context is None:
            return None
        asked = [sum(map(len, self.prompt.around(text, expected.history))) for text in expected.texts]
        words = max(asked, default=sum(map(len, self.prompt.around("?"))) + min(MOST_FOR_A_QUESTION, context // 8))
        if num_tokens + words + expected.max_new_tokens <= context:
            return None
        if count == 1:
            check_room(context, num_tokens + words, expected.max_new_tokens)
        left = context - words - expected.max_new_tokens
        return max(1, min(count - 1, count * left // num_tokens))

    def features(self, frames: Tensor, audio: Tensor | None = None, has_audio: Tensor | None = None) -> Features:
        """Encode clips, uint8 (B, T, C, H, W), with their sound (B, S) where the encoder takes it."""
        encoder = self.parts["encoder"]
        if "audio" in inspect.signature(encoder.forward).parameters:
            return encoder(frames, audio=audio, has_audio=has_audio)
        return encoder(frames)

    def embed(self, frames: Tensor, audio: Tensor | None = None, has_audio: Tensor | None = None) -> Tensor:
        """Turn clips into visual tokens, then audio tokens, (B, N, D of the language model)."""
        soft = self.parts["projector"](self.features(frames, audio, has_audio))
        if "audio_encoder" not in self.parts or audio is None:
            return soft
        heard = self.parts["audio_projector"](self.parts["audio_encoder"](audio))
        return torch.cat((soft, heard), 1)

    @property
    def separate(self) -> bool:
        """Whether each window is asked by itself."""
        return self.windows == SEPARATE

    def domain_of(self, score: float, inside: bool) -> Domain:
        """Say in words what the domain head found of a window."""
        return Domain(inside, "" if inside else f"the picture does not look like what {self.name} was trained on",
                      score=score)

    @property
    def device(self) -> torch.device:
        """Where the parts are."""
        return self.language.get_input_embeddings().weight.device

    def tokens_of_windows(self, videos: Sequence[Clips], *, size: int | None = None, batch_size: int = 16,
                          drop_below: float | None = None, merge_to: float = 1.0) -> list[WindowTokens]:
        """Turn each window of videos into a row of visual tokens, and judge whether it is of the known domain.

        Args:
            videos: the windows of each video.
            size: rows in every pass of a network, so that no result depends on its neighbours; None for one video, of
                which `batch_size` windows are encoded at a time.
            drop_below: do not look again at places that changed by less than this, see `mmvideo.vlm.encode`.
            merge_to: share of the visual tokens that is left, see `mmvideo.nn.token_reduction.merged`.
        """
        encoder, projector = self.parts["encoder"], self.parts["projector"]
        domain = self.parts["domain"] if "domain" in self.names else None
        judged: Sequence[list[tuple[float, bool]] | None]
        for clips in videos:
            check_sample_rate(encoder, self.names["encoder"], clips)
        if size is None:
            features = [encode(encoder, clips, self.device, batch_size=batch_size, drop_below=drop_below)
                        for clips in videos]
            rows = [projector(one) for one in features]
            judged = [None if domain is None else _scored(domain(one)) for one in features]
        else:
            features = encode_batched(encoder, videos, self.device, size=size, drop_below=drop_below)
            rows = [torch.stack(one) for one in call_batched(features, size, lambda x: list(projector(x)))]
            judged = [None] * len(videos) if domain is None else call_batched(
                features, size, lambda x: _scored(domain(x)))
        rows = [one if merge_to == 1 else merged(one, merge_to) for one in rows]
        return [WindowTokens(one, None if found is None else tuple(found))
                for one, found in zip(rows, judged, strict=True)]

    def visual_tokens(self, clips: Clips, *, batch_size: int = 8, drop_below: float | None = None,
              merge_to: float = 1.0) -> Tensor:
        """Turn all windows of a video into one row of visual tokens (1, M, D).

        Args:
            clips: the windows.
            batch_size: windows at a time.
            drop_below: leave out tokens of places that changed by less than this, see
                `mmvideo.nn.token_reduction.still`.
            merge_to: share of the visual tokens that is left, see `mmvideo.nn.token_reduction.merged`.

        Raises:
            InvalidInput: a share out of range, or a projector that needs the whole grid.
        """
        device, rows = self.device, []
        if drop_below is not None:
            soft = torch.cat([self._sparse(clips, i, drop_below, device) for i in range(len(clips.frames))], 1)
            return soft if merge_to == 1 else merged(soft, merge_to)
        for first in range(0, clips.frames.shape[0], batch_size):
            check()
            chosen = slice(first, first + batch_size)
            audio = None if clips.audio is None else clips.audio[chosen].to(device)
            frames = clips.frames[chosen].to(device)
            heard = torch.full((len(frames),), clips.has_audio, device=device)
            rows.append(self.embed(frames, audio, heard))
        soft = torch.cat(rows)
        return (soft if merge_to == 1 else merged(soft, merge_to)).flatten(0, 1)[None]

    def _sparse(self, clips: Clips, i: int, drop_below: float, device: torch.device) -> Tensor:
        """Return the visual tokens (1, M, D) of one window without those of still places."""
        check()
        bridge = self.parts["projector"]
        if not getattr(bridge, "any_tokens", False):
            raise InvalidInput(f"The projector {self.names['projector']} needs the whole grid of tokens, so none can "
                               "be dropped; linear, mlp2x and qformer take any.")
        audio = None if clips.audio is None else clips.audio[i:i + 1].to(device)
        frames = clips.frames[i:i + 1].to(device)
        heard = torch.full((1,), clips.has_audio, device=device)
        return bridge(dropped(self.features(frames, audio, heard), frames[0], drop_below))

    def save_pretrained(self, folder: str | Path, *, about: str = "") -> Path:
        """Write the whole model into a folder; the way to load it is in its README.md."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in self.parts.items():
            if name not in self.shared:
                cast("Any", part).save_pretrained(folder / name)
        self.tokenizer.save_pretrained(str(folder / "language"))
        write_config(folder, self.names, self.look, self.form, self.windows, self.max_new_tokens, self.shared)
        recipes.load_recipe("video-qa").save(folder / RECIPE)
        (folder / "README.md").write_text(_card(self, folder.name, about), encoding="utf-8")
        weights.seal(folder)
        return folder

    def push_to_hub(self, name: str, folder: str | Path, *, private: bool = False) -> str:
        """Save into a folder and upload it to the hub as "owner/name"; return its address.

        Raises:
            ModelUnavailable: the hub cannot be reached, or refuses; the folder is kept.
        """
        from huggingface_hub import HfApi

        home, api = self.save_pretrained(folder), HfApi()
        try:
            api.create_repo(name, exist_ok=True, private=private)
            return str(api.upload_folder(repo_id=name, folder_path=str(home)))
        except (OSError, ValueError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelUnavailable(f"{name} could not be uploaded ({why}). Log in with `hf auth login`, then "
                                   f"run `hf upload {name} {home}`.") from error

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, device: str | torch.device = "cpu",
                        parts: Mapping[str, str] | None = None, only_ask: bool = False) -> Composed:
        """Load what `save_pretrained` wrote, in evaluation mode.

        Args:
            folder: of the model.
            device: where the parts go.
            parts: registered names that take the place of those in config.json, as {"domain": "mine"}.
            only_ask: it will be neither trained nor saved, so a small language model needs no transformers.

        Raises:
            WeightsError: not such a folder, or a part that is missing or does not fit.
        """
        folder = Path(folder).expanduser()
        config = read_config(weights.verified(folder))
        parts = {**config.parts, **(parts or {})}
        modules = {part: find(_KINDS[part], name).from_pretrained(weights.part(config.shared.get(part, folder), part))
                   for part, name in parts.items()}
        small = load_small(folder / "language") if only_ask else None
        modules["language"], tokenizer = small or load_language(folder / "language")
        made = cls(parts, modules, tokenizer, config.look, config.form, config.windows, config.max_new_tokens,
                   config.shared)
        made.name = folder.name
        return made.to(device).eval()


@dataclass(frozen=True)
class ComposedConfig:
    """The config.json of a composed model; fields as the arguments of `Composed`."""

    parts: dict[str, str]
    look: ClipSpec
    form: str
    windows: str
    max_new_tokens: int
    shared: dict[str, str]

    @property
    def observed(self) -> bool:
        """Whether facts are found in the video."""
        return "observer" in self.parts

    @property
    def separate(self) -> bool:
        """Whether each window is asked by itself."""
        return self.windows == SEPARATE


def read_config(folder: Path) -> ComposedConfig:
    """Read the config.json of a composed model.

    Raises:
        WeightsError: it describes none.
    """
    config = weights.config(folder)
    if config.get("kind") != KIND:
        raise WeightsError(f"{folder} holds no composed model; one is written by mmvideo train or save_pretrained.")
    parts, form, windows = config.get("parts"), config.get("form", ""), config.get("windows", JOINED)
    longest = config.get("max_new_tokens", LONGEST)
    if not isinstance(parts, dict) or not {"encoder", "projector"} <= parts.keys() or not isinstance(form, str) or (
            windows not in (JOINED, SEPARATE)) or not isinstance(longest, int) or longest < 1:
        raise WeightsError(f"{folder}/config.json names no parts of a composed model: {shown(parts)}; fetch it again.")
    if unknown := [part for part in parts if part not in _KINDS]:
        raise WeightsError(f"{folder}/config.json names a part that no composed model has: {shown(unknown[0])}.")
    shared = config.get("shared", {})
    if not isinstance(shared, dict) or not all(part in parts and isinstance(name, str)
                                               for part, name in shared.items()):
        raise WeightsError(f"{folder}/config.json: 'shared' names the models that parts come from, as "
                           f"{{\"encoder\": \"lite0\"}}, not {shown(shared)}.")
    return ComposedConfig(parts, _look(folder, config.get("look")), form, windows, longest, shared)


@dataclass(frozen=True)
class WindowTokens:
    """The windows of a video as a language model sees them."""

    tokens: Tensor
    """float (B, N, D)."""
    domains: tuple[tuple[float, bool], ...] | None
    """Score and whether it is inside, of each window; None for a model without a domain."""


def _scored(found: tuple[Tensor, Tensor]) -> list[tuple[float, bool]]:
    scores, inside = found
    return list(zip(scores.tolist(), inside.tolist(), strict=True))


def write_config(folder: Path, parts: dict[str, str], look: ClipSpec, form: str, windows: str,
                 max_new_tokens: int, shared: Mapping[str, str] | None = None) -> None:
    """Write the config.json of a composed model; arguments as of `Composed`."""
    config: dict[str, Any] = {"kind": KIND, "parts": parts, "look": asdict(look), "form": form, "windows": windows,
                              "max_new_tokens": max_new_tokens}
    if shared:
        config["shared"] = dict(shared)
    (folder / "config.json").write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _look(folder: Path, given: Any) -> ClipSpec:
    """Build what is looked at from config.json.

    Raises:
        WeightsError: a value is missing, unknown or of another type.
    """
    hints = {"num_frames": int, "height": int, "width": int, "window_seconds": int | float, "max_windows": int,
             "sample_rate": int | None}
    known = isinstance(given, dict) and given.keys() <= hints.keys() and (
        {"num_frames", "height", "width", "window_seconds"} <= given.keys())
    if not known or not all(isinstance(value, hints[name]) and (value is None or value > 0)
                            for name, value in given.items()):
        raise WeightsError(f"{folder}/config.json does not say what is looked at: 'look' is {shown(given)}; it holds "
                           f"{', '.join(hints)}.")
    return ClipSpec(**given)


def is_composed(name: str | Path) -> bool:
    """Say whether a folder was written by `Composed.save_pretrained`."""
    home = weights.local_path(name)
    return (home / "config.json").is_file() and weights.config(home).get("kind") == KIND


def load_language(name: str | Path, dtype: torch.dtype = torch.float32) -> tuple[PreTrainedModel, Any]:
    """Load any causal model of transformers and its tokenizer, by folder, GGUF file or hub name.

    Weights of a GGUF file are read as plain floats, and saved as such.

    Raises:
        ModelNotFound: a path at which there is no folder.
        ModelUnavailable: it cannot be fetched.
        UnsupportedModel: it is no causal model, or brings code of its own, which is never run.
        WeightsError: its files describe no model, or its weights do not fit.
        MissingExtra: a GGUF file, and the package that reads it is absent.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    place, file = local(str(name)), gguf.gguf_file(name) if str(name).lower().endswith(".gguf") else None
    given: dict[str, Any] = {}
    if file is None:
        check_causal(place)
    else:
        place, given = str(file.parent), gguf.arguments(file)
    with memory_for(f"loading {name}"), reading(name, "weights or tokenizer"), quiet():
        if file is None:
            config = AutoConfig.from_pretrained(place, trust_remote_code=False)
            if getattr(config, "quantization_config", None) and gguf.declared(config):
                # left by a GGUF file that the weights were converted from
                del config.quantization_config
                given["config"] = config
        model, info = AutoModelForCausalLM.from_pretrained(place, dtype=dtype, trust_remote_code=False,
                                                           output_loading_info=True, **given)
        if getattr(model.config, "quantization_config", None):
            gguf.forget(model)
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False,
                                                  gguf_file=None if file is None else file.name)
    check_fit(str(name), model, info)
    if tokenizer.eos_token_id is None:
        raise UnsupportedModel(f"The tokenizer of {name} has no token that ends a reply (eos_token); set one.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def _card(model: Composed, name: str, about: str) -> str:
    sizes = "\n".join(f"- {part}: {model.names.get(part, type(module).__name__)}, "
                      f"{sum(p.numel() for p in module.parameters()):,} parameters"
                      for part, module in model.parts.items())
    asked = model.prompt.text("{question}").replace(VIDEO, "<video>")
    return (f"---\nlibrary_name: mmvideo\npipeline_tag: video-text-to-text\n---\n# {name}\n\n{about}\n\n{sizes}\n\n"
            f"Looks at {model.look}.\nA question is put as\n\n    {asked!r}\n\n"
            "```python\nfrom mmvideo import Pipeline\n\n"
            f"print(Pipeline(\"video-qa\", model=\"./{name}\")(\"clip.mp4\", \"what happens?\"))\n```\n")


__all__ = ["JOINED", "KIND", "RECIPE", "SEPARATE", "ClipSpec", "Composed", "ComposedConfig", "WindowTokens",
           "is_composed", "load_language", "read_config", "write_config"]
