"""The models that can be run: those that ship, those in the Hugging Face cache, and larger ones that are recommended.

Listing never uses the network; `fetch_model` is the one function here that does, and only when called.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvideo import licences, recipes, settings, weights
from mmvideo.errors import InvalidInput, UnknownName
from mmvideo.hub.resolve import CHAT, is_hub_name, reading, resolve
from mmvideo.licences import ModelLicences, front_matter, licences_of

CHATTING = ("video-qa", "video-captioning")
CLASSIFYING = ("video-classification",)
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE*"]
"""What a model needs; other formats of the same weights are left on the hub."""


@dataclass(frozen=True)
class KnownModel:
    """A model by name, and what is known of it without loading it."""

    name: str
    where: str
    """"embedded", "cached" or "recommended"."""
    about: str
    pipelines: tuple[str, ...]
    """Recipes that can run it; empty if that is not known."""
    licences: ModelLicences
    size_bytes: int | None = None
    """On disk; None for what is not here."""
    default_of: tuple[str, ...] = ()
    """Pipelines that run it when no model is named."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {"name": self.name, "where": self.where, "about": self.about, "pipelines": list(self.pipelines),
                "size_bytes": self.size_bytes, "licences": self.licences.to_dict(), "default_of": list(self.default_of)}


RECOMMENDED: tuple[KnownModel, ...] = tuple(
    KnownModel(name, "recommended", about, pipelines, ModelLicences(licence, licence))
    for name, about, pipelines, licence in (
        ("HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "chat model, 256 M parameters; runs on a laptop", CHATTING,
         "apache-2.0"),
        ("HuggingFaceTB/SmolVLM2-500M-Video-Instruct", "chat model, 500 M parameters; runs on a laptop", CHATTING,
         "apache-2.0"),
        ("HuggingFaceTB/SmolVLM2-2.2B-Instruct", "chat model, 2.2 B parameters; wants a GPU", CHATTING, "apache-2.0"),
        ("Qwen/Qwen2-VL-2B-Instruct", "chat model, 2 B parameters; wants a GPU", CHATTING, "apache-2.0"),
        ("MCG-NJU/videomae-base-finetuned-kinetics", "400 actions of Kinetics, 87 M parameters", CLASSIFYING,
         "cc-by-nc-4.0"),
    ))
"""Larger models that answer about any footage, with the licence of the weights as their cards state it; sizes are those
that their authors name. What trained them is in their cards."""


def known_models() -> list[KnownModel]:
    """Return embedded models, then cached ones, then recommended ones that are not here; the network is not used."""
    here = [*embedded_models(), *cached_models()]
    names = {model.name for model in here}
    return here + [model for model in RECOMMENDED if model.name not in names]


def embedded_models() -> list[KnownModel]:
    """Return the models that ship with mmvideo, by name."""
    return [_embedded(name) for name in weights.embedded_names()]


def _embedded(name: str) -> KnownModel:
    home = weights.weights_root() / name
    card = weights.card(home)
    pipelines = front_matter(card).get("pipelines") or ()
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    return KnownModel(name, "embedded", first_sentence(card), tuple(map(str, pipelines)), licences_of(card), size,
                      default_of(name))


def cached_models() -> list[KnownModel]:
    """Return the models in the Hugging Face cache, by name."""
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repos = [repo for repo in scan_cache_dir().repos if repo.repo_type == "model" and repo.revisions]
    except CacheNotFound:
        return []
    found = []
    for repo in sorted(repos, key=lambda repo: repo.repo_id):
        latest = max(repo.revisions, key=lambda revision: revision.last_modified)
        found.append(_cached(repo.repo_id, Path(latest.snapshot_path), repo.size_on_disk))
    return found


def _cached(name: str, snapshot: Path, size: int) -> KnownModel:
    card = weights.card(snapshot)
    known = next((model for model in RECOMMENDED if model.name == name), None)
    try:
        config = json.loads((snapshot / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    config = config if isinstance(config, dict) else {}
    kind = known.about if known else str(config.get("model_type") or "no config.json: not a model that runs here")
    stated = licences_of(card)
    if known and stated.weights == licences.UNKNOWN:
        stated = known.licences
    return KnownModel(name, "cached", kind, known.pipelines if known else _pipelines(config), stated, size,
                      default_of(name))


def _pipelines(config: dict[str, Any]) -> tuple[str, ...]:
    """Guess from the name of the architecture, without importing transformers."""
    names = config.get("architectures") or []
    if any(str(name).endswith("ForVideoClassification") for name in names):
        return CLASSIFYING
    seeing = any(key in config for key in ("vision_config", "video_token_id", "image_token_id"))
    return CHATTING if seeing and any("Generation" in str(name) for name in names) else ()


def default_of(name: str) -> tuple[str, ...]:
    """Return the pipelines that run a model when none is named: by the user's choice, else by their recipe."""
    found = []
    for pipeline in recipes.recipe_names():
        chosen = settings.default_model(pipeline)
        own = {str(spec.options["weights"]) for spec in recipes.load_recipe(pipeline).stages
               if spec.options.get("weights")}
        if name in ({chosen.name} if chosen else own):
            found.append(pipeline)
    return tuple(found)


def first_sentence(card: str) -> str:
    """Return the first sentence of a model card, after its front matter and heading."""
    body = card.split("\n---\n", 1)[-1] if card.startswith("---") else card
    paragraphs = [" ".join(paragraph.split()) for paragraph in body.split("\n\n")]
    text = next((p for p in paragraphs if p and not p.startswith(("#", "|", "-", "<"))), "")
    return text.split(". ")[0].removesuffix(".")


def fetch_model(name: str, *, revision: str | None = None) -> KnownModel:
    """Fetch a model of the hub into the Hugging Face cache, what is there already excepted.

    Args:
        name: "owner/name".
        revision: branch, tag or commit.

    Raises:
        InvalidInput: no name of a model of the hub.
        ModelUnavailable: it cannot be fetched: no such model, no network, or a gated one.
        UnsupportedModel: it is there, but can do nothing that mmvideo does; its weights are not fetched.
        LicenceRefused: its licence is not allowed; its weights are not fetched.
    """
    if not is_hub_name(name) or weights.local_path(name).is_dir():
        raise InvalidInput(f"{name} is no model of the Hugging Face hub: give its name as \"owner/name\", as in "
                           f"`mmvideo models get {RECOMMENDED[1].name}`.")
    found = resolve(name, revision=revision)
    from huggingface_hub import snapshot_download

    with reading(name, "its files"):
        snapshot = Path(snapshot_download(name, revision=revision, allow_patterns=_FILES))
    size = sum(path.stat().st_size for path in snapshot.rglob("*") if path.is_file())
    about = next((model.about for model in RECOMMENDED if model.name == name), found.model_type)
    return KnownModel(name, "cached", about, CHATTING if found.kind == CHAT else CLASSIFYING,
                      licences_of(weights.card(snapshot)), size, default_of(name))


def make_default(pipeline: str, name: str) -> Path:
    """Make a model that is here the default of a pipeline; return the settings file.

    Raises:
        UnknownName: no such pipeline or embedded model.
        ModelNotFound: a path at which there is no model.
        InvalidInput: a model of the hub that is not in the cache.
        OutputError: the settings cannot be written.
    """
    if pipeline not in recipes.recipe_names():
        raise UnknownName("pipeline", pipeline, recipes.recipe_names())
    home = weights.local_path(name)
    if name in weights.embedded_names():
        return settings.set_default_model(pipeline, name)
    if home.is_dir():
        if not is_hub_name(name):
            weights.folder(name)
        return settings.set_default_model(pipeline, str(home.absolute()))
    if not is_hub_name(name):
        weights.folder(name)
    if name not in {model.name for model in cached_models()}:
        raise InvalidInput(f"{name} is not here yet: `mmvideo models get {name} --default` fetches it and makes it the "
                           "default.")
    return settings.set_default_model(pipeline, name)


__all__ = ["CHATTING", "CLASSIFYING", "RECOMMENDED", "KnownModel", "cached_models", "default_of", "embedded_models",
           "fetch_model", "first_sentence", "known_models", "make_default"]
