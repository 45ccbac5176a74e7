"""What a name or folder is, before any weight is read: which kind of model, or one clear reason why it cannot run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo import licences, weights
from mmvideo.errors import (
    MmvideoError,
    ModelNotFound,
    ModelUnavailable,
    UnsupportedModel,
    WeightsError,
    contained,
    shown,
)

CHAT, CLASSIFIER, MATCHER, SPEECH = "chat", "classifier", "matcher", "speech"
MATCHERS = ("xclip", "pe_video", "videoprism")
"""Model types that score a video against texts."""
EMBEDDERS = ("xclip", "clip", "siglip", "siglip2", "metaclip_2", "chinese_clip", "altclip", "align")
"""Model types that give vectors of videos, or of frames, and of texts in one space."""
SPEECH_SEQ2SEQ = ("whisper", "moonshine", "speech_to_text", "speech-encoder-decoder")
"""Model types with an encoder that hears and a decoder that writes, without a prompt in words."""


@dataclass(frozen=True)
class Found:
    """A model that can be loaded."""

    name: str
    model_type: str
    kind: str
    """CHAT (answers in words), CLASSIFIER (a fixed list of labels), MATCHER (labels given as texts) or SPEECH (writes
    down what is said)."""
    config: dict[str, Any]


def is_hub_name(name: str | Path) -> bool:
    """Say whether a name is an ID of the hub ("owner/model") or a local folder in the Hugging Face format."""
    path = weights.local_path(name)
    if path.is_dir():
        return (path / "adapter_config.json").is_file() or "model_type" in _local_config(path)
    return weights.is_hub_id(str(name)) and not path.exists()


def _local_config(path: Path, name: str = "config.json") -> dict[str, Any]:
    import json

    try:
        given = json.loads((path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


def resolve(name: str | Path, *, revision: str | None = None, trust_remote_code: bool = False) -> Found:
    """Read a model's config.json, from a folder, the local cache or the hub, and say what the model is for.

    Raises:
        ModelNotFound: a path at which there is no folder.
        ModelUnavailable: no such model, no network, or a gated one.
        WeightsError: its config.json describes no model.
        UnsupportedModel: an architecture that the installed transformers does not know, a model that sees no video, or
            one that brings code of its own, which is only run where `trust_remote_code` is set.
        LicenceRefused: its card states a licence of the weights that is not allowed, or none.
    """
    home = weights.local_path(name)
    if (home / "adapter_config.json").is_file() and not (home / "config.json").is_file():
        base = _local_config(home, "adapter_config.json").get("base_model_name_or_path", "BASE")
        raise UnsupportedModel(f"{name} is an adapter: give model={base!r}, adapter={str(name)!r}.")
    config = _config(name, revision)
    model_type = config.get("model_type") or ""
    if licences.allowed() is not None:
        licences.check_licences(str(name), licences.licences_of(_card(name, revision)), data_stated=False)
    return Found(str(name), model_type, _kind(str(name), model_type, config, trust_remote_code), config)


def _config(name: str | Path, revision: str | None) -> dict[str, Any]:
    """Return a model's config.json.

    Raises:
        ModelNotFound: a path at which there is no folder.
        ModelUnavailable: no such model, no network, or a gated one.
        WeightsError: it describes no model.
    """
    from transformers import PretrainedConfig

    home = weights.local_path(name)
    if home.is_file() or (not home.is_dir() and weights.is_path(str(name))):
        raise ModelNotFound(weights.not_a_model(str(name)))
    if home.is_dir() and (home / "config.json").is_file():
        weights.config(home)  # what is no object is said plainly
    with reading(name):
        config, _ = PretrainedConfig.get_config_dict(str(home) if home.is_dir() else str(name),
                                                     revision=revision or "main")
    for key, kind in (("model_type", str), ("auto_map", dict)):
        if config.get(key) is not None and not isinstance(config[key], kind):
            raise WeightsError(f"config.json of {name} describes no model: {key} is {shown(config[key], 60)}; fetch it "
                               "again.")
    return config


def _card(name: str | Path, revision: str | None) -> str:
    """Return the text of a model's card; empty where it has none."""
    home = weights.local_path(name)
    if home.is_dir():
        return weights.card(home)
    from huggingface_hub import hf_hub_download

    try:
        with reading(name, "README.md"):
            return Path(hf_hub_download(str(name), "README.md", revision=revision)).read_text(encoding="utf-8")
    except ModelUnavailable:
        return ""


def resolve_embedder(name: str | Path, *, revision: str | None = None) -> Found:
    """Read a model's config.json, for a model with a tower for texts beside the one that sees.

    Raises:
        ModelNotFound, ModelUnavailable, WeightsError, LicenceRefused: as `resolve`.
        UnsupportedModel: it has no such towers.
    """
    config = _config(name, revision)
    model_type = config.get("model_type") or ""
    if licences.allowed() is not None:
        licences.check_licences(str(name), licences.licences_of(_card(name, revision)), data_stated=False)
    if model_type not in EMBEDDERS:
        raise UnsupportedModel(f"{name} ({model_type or 'no model_type'}) has no towers that bring video and text into "
                               f"one space; models of these types have: {', '.join(EMBEDDERS)}. Encoders of the zoo "
                               "and `everyday` give vectors too (docs/find.md).")
    return Found(str(name), model_type, MATCHER, config)


def check_causal(name: str) -> None:
    """Refuse what is no causal language model of transformers.

    Raises:
        ModelNotFound: as `resolve`.
        ModelUnavailable: as `resolve`.
        WeightsError: as `resolve`.
        UnsupportedModel: it is none, or brings code of its own.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    config = _config(name, None)
    if config.get("model_type") in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    if config.get("auto_map"):
        raise UnsupportedModel(f"{name} brings its own code, which mmvideo does not run here; name a language model "
                               "that transformers knows.")
    raise UnsupportedModel(f"{name} ({config.get('model_type') or 'no model_type'}) is no causal language model that "
                           "transformers knows.")


def _kind(name: str, model_type: str, config: dict[str, Any], trust: bool) -> str:
    from transformers import __version__
    from transformers.models.auto import configuration_auto, modeling_auto

    if model_type in modeling_auto.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES:
        return CLASSIFIER
    if model_type in MATCHERS:
        return MATCHER
    if model_type in SPEECH_SEQ2SEQ or any(model_type in getattr(modeling_auto, f"MODEL_FOR_{kind}_MAPPING_NAMES")
                                           for kind in ("CTC", "RNNT", "TDT")):
        return SPEECH
    if model_type in modeling_auto.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES:
        return CHAT
    if trust and config.get("auto_map"):
        return CLASSIFIER if "AutoModelForVideoClassification" in config["auto_map"] else CHAT
    if model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UnsupportedModel(f"{name} ({model_type}) reads text only. Name a model that sees video, such as "
                               "HuggingFaceTB/SmolVLM2-500M-Video-Instruct, or join this one with an encoder: "
                               "docs/composed.md.")
    if model_type in configuration_auto.CONFIG_MAPPING_NAMES:
        raise UnsupportedModel(f"{name} ({model_type}) neither answers questions about video nor classifies it; see "
                               "docs/hub.md for the families that do.")
    if config.get("auto_map"):
        raise UnsupportedModel(own_code(name))
    raise UnsupportedModel(f"{name} is of the architecture {model_type or '(none named)'!r}, which "
                           f"transformers {__version__} does not know: pip install --upgrade transformers.")


@contextmanager
def reading(name: str | Path, what: str = "config.json") -> Iterator[None]:
    """Turn what can go wrong while files of a model are fetched into one clear error.

    Raises:
        ModelUnavailable: files are absent or cannot be read; with the reason and the next step.
        UnsupportedModel: they hold code that would have to be run.
        WeightsError: they hold what cannot be loaded.
    """
    def error_of(error: Exception) -> MmvideoError:
        if "trust_remote_code" in str(error):
            return UnsupportedModel(own_code(str(name)))
        if isinstance(error, OSError | ValueError):
            return ModelUnavailable(_reason(str(name), what, error))
        return WeightsError(f"{what} of {name} cannot be loaded ({type(error).__name__}: {_first_line(error)}); fetch "
                            "it again.")

    with contained(error_of):
        yield


def own_code(name: str) -> str:
    """Say in words that a model brings code, and how it may be run."""
    return (f"{name} brings its own code, which mmvideo does not run unasked. Read it, and if you trust it add "
            "trust_remote_code=True where the stage has that option (--set encode_video.trust_remote_code=true).")


def _reason(name: str, what: str, error: BaseException) -> str:
    from huggingface_hub import constants, errors

    chain: list[BaseException] = [error]
    while (below := chain[-1].__cause__ or chain[-1].__context__) is not None and below not in chain:
        chain.append(below)
    page = f"https://huggingface.co/{name}"
    if weights.local_path(name).is_dir():
        return f"The folder {name} has no readable {what}: {_first_line(error)}"
    if weights.is_path(name):
        return weights.not_a_model(name)
    if any(isinstance(e, errors.GatedRepoError) for e in chain):
        return (f"{name} is gated: accept its licence at {page}, then log in with `hf auth login` "
                "(or set HF_TOKEN).")
    if any(isinstance(e, errors.RepositoryNotFoundError | errors.HFValidationError) for e in chain):
        return (f"The hub has no model {name!r}, or it is private. Check the name at {page}; for a private one log in "
                f"with `hf auth login`. {weights.not_a_model(name)}")
    elsewhere = f"where there is a network run `hf download {name} --local-dir FOLDER` and give model=FOLDER"
    if constants.HF_HUB_OFFLINE:
        return (f"{name} is not in the local cache and HF_HUB_OFFLINE=1 forbids the network. Unset it, or {elsewhere}. "
                f"{weights.not_a_model(name)}")
    if any(isinstance(e, errors.EntryNotFoundError) and not isinstance(e, errors.LocalEntryNotFoundError)
           for e in chain):
        return f"{name} has no {what} on the hub, so it cannot be loaded: {_first_line(error)}"
    return (f"{name} is not in the local cache and the hub cannot be reached ({_first_line(chain[-1])}). Or "
            f"{elsewhere}. {weights.not_a_model(name)}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


__all__ = ["CHAT", "CLASSIFIER", "MATCHER", "SPEECH", "Found", "check_causal", "is_hub_name", "own_code", "reading",
           "resolve", "resolve_embedder"]
