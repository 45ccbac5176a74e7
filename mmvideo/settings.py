"""What a user has chosen once for all: the default model of a pipeline, in a small file or in environment variables.

The file is `settings.json` in the user's configuration folder (`XDG_CONFIG_HOME/mmvideo`, `~/.config/mmvideo`; Windows:
`%APPDATA%/mmvideo`; macOS: `~/Library/Application Support/mmvideo`). Only `mmvideo models` writes it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mmvideo.errors import InvalidInput, OutputError, shown

_MODELS = "models"


@dataclass(frozen=True)
class DefaultModel:
    """A model that stands in for the recipe's own."""

    name: str
    where: str
    """What names it: an environment variable, or the settings file."""


def settings_file() -> Path:
    """Return the path of the settings file, which need not exist."""
    if given := os.environ.get("XDG_CONFIG_HOME"):
        base = Path(given)
    elif sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path.home() / ".config"
    return base / "mmvideo" / "settings.json"


def model_variable(pipeline: str) -> str:
    """Return the environment variable that names a pipeline's default model, as MMVIDEO_MODEL_VIDEO_QA."""
    return "MMVIDEO_MODEL_" + pipeline.upper().replace("-", "_")


def default_model(pipeline: str) -> DefaultModel | None:
    """Return the model that a user has chosen for a pipeline: the environment's, else the file's; None without one.

    Raises:
        InvalidInput: the settings file cannot be read.
    """
    variable = model_variable(pipeline)
    if name := os.environ.get(variable, "").strip():
        return DefaultModel(name, variable)
    chosen = default_models().get(pipeline)
    return DefaultModel(chosen, str(settings_file())) if chosen else None


def default_models() -> dict[str, str]:
    """Return pipeline -> default model, as the settings file has them.

    Raises:
        InvalidInput: the file is there, but holds no settings.
    """
    path = settings_file()
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} cannot be read ({error}); mend it, or run `mmvideo models default --reset`."
                           ) from error
    models = given.get(_MODELS, {}) if isinstance(given, dict) else None
    if not isinstance(models, dict) or not all(isinstance(name, str) for name in models.values()):
        raise InvalidInput(f"{path} holds {shown(given, 60)}, which are no settings of mmvideo; run `mmvideo models "
                           "default --reset`.")
    return models


def set_default_model(pipeline: str, name: str) -> Path:
    """Make a model the default of a pipeline; return the settings file.

    Raises:
        InvalidInput: the settings file that is there cannot be read.
        OutputError: it cannot be written.
    """
    return _write({**default_models(), pipeline: name})


def reset_default_models(pipeline: str | None = None) -> Path:
    """Forget the default model of a pipeline, or of all; return the settings file.

    Raises:
        InvalidInput: one is to be forgotten, and the settings file cannot be read.
        OutputError: it cannot be written.
    """
    models = {} if pipeline is None else default_models()
    models.pop(pipeline or "", None)
    return _write(models)


def _write(models: dict[str, str]) -> Path:
    """Write the file whole or not at all."""
    path = settings_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
            file.write(json.dumps({_MODELS: models}, indent=1) + "\n")
        os.replace(file.name, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


__all__ = ["DefaultModel", "default_model", "default_models", "model_variable", "reset_default_models",
           "set_default_model", "settings_file"]
