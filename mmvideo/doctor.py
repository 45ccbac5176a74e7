"""What is installed, what is broken, and the exact line that mends it."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

PYTHON = (3, 11)
TORCH_RANGE = "torch>=2.11,<2.15"
CPU_INDEX = "--index-url https://download.pytorch.org/whl/cpu"
IMPORT_ERRORS = (ImportError, OSError, RuntimeError, AttributeError)
"""What a broken binary package raises on import: a missing library is an OSError, a refused torch a RuntimeError."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: str
    """Version, or what is wrong."""
    broken: bool = False
    mend: str = ""
    """The line to type; empty if nothing is to be done."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    def __str__(self) -> str:
        line = f"{'BROKEN ' if self.broken else 'ok     '}{self.name:15} {self.state}"
        return f"{line}\n       mend with: {self.mend}" if self.mend else line


def examine() -> list[Finding]:
    """Look at everything mmvideo needs; slow (it imports every package)."""
    findings = [_python()]
    torch, found = _package("torch", f'pip install "{TORCH_RANGE}" torchvision torchaudio')
    findings.append(found)
    if torch is not None:
        findings.append(_gpu(torch))
    build = _cuda_of(torch)
    findings += [_companion(name, build) for name in ("torchvision", "torchaudio")]
    findings += [_package(name, f"pip install --force-reinstall {pin}")[1] for name, pin in (
        ("transformers", '"transformers>=5.0"'), ("av", '"av>=16"'), ("safetensors", "safetensors"),
        ("cv2", "opencv-python-headless"), ("matplotlib", "matplotlib"), ("yaml", "pyyaml"))]
    findings.append(_torchcodec())
    return findings + _models() + _parts() + [_settings()]


def _python() -> Finding:
    state = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if sys.version_info < PYTHON:
        return Finding("python", f"{state}; mmvideo needs 3.11 or newer", True, "python3.11 -m venv .venv")
    return Finding("python", state)


def version(name: str) -> str:
    """Return the installed version of a distribution, or an empty text."""
    distribution = {"cv2": "opencv-python-headless", "yaml": "pyyaml"}.get(name, name)
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _package(name: str, mend: str, explain: Callable[[BaseException], tuple[str, str]] | None = None,
             ) -> tuple[ModuleType | None, Finding]:
    """Import a package; say what goes wrong, and how `explain` or `mend` puts it right."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None, Finding(name, "not installed", True, mend)
        return None, Finding(name, f"installed, but it needs {error.name}", True, f"pip install {error.name}")
    except IMPORT_ERRORS as error:
        reason, line = explain(error) if explain else ("", "")
        return None, Finding(name, f"{version(name)} {reason or _one_line(error)}".strip(), True, line or mend)
    return module, Finding(name, version(name) or str(getattr(module, "__version__", "?")))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"does not import: {type(error).__name__}: {text[:160]}"


def _cuda_of(torch: ModuleType | None) -> str:
    """Return the CUDA version that torch was built for: "13.0", "cpu", or an empty text without torch."""
    return "" if torch is None else (torch.version.cuda or "cpu")


def _gpu(torch: ModuleType) -> Finding:
    build = f"torch built for {'CPU only' if torch.version.cuda is None else 'CUDA ' + torch.version.cuda}"
    if torch.cuda.is_available():
        return Finding("device", f"{torch.cuda.get_device_name(0)} ({torch.cuda.device_count()} GPU); {build}")
    return Finding("device", f"CPU, {torch.get_num_threads()} threads; {build}, no GPU in use")


def mend_companion(name: str, torch_build: str) -> str:
    """Return the line that installs torchvision or torchaudio for the torch that is there.

    Args:
        torch_build: "cpu", a CUDA version such as "13.0", or an empty text.
    """
    if torch_build == "cpu":
        return f"pip install --force-reinstall --no-deps {name} {CPU_INDEX}"
    return f'pip install --force-reinstall "{TORCH_RANGE}" torchvision torchaudio'


def _companion(name: str, torch_build: str) -> Finding:
    """Import torchvision or torchaudio, whose binaries must fit torch's."""
    def explain(error: BaseException) -> tuple[str, str]:
        text = str(error)
        if "libc10_cuda" in text or "libcudart" in text or "libtorch_cuda" in text:
            library = next(word for word in ("libc10_cuda", "libcudart", "libtorch_cuda") if word in text)
            return (f"is built for CUDA but this torch is a CPU build ({library}.so is missing); "
                    "transformers breaks with it", mend_companion(name, "cpu"))
        if "CUDA version" in text or "compiled with different CUDA" in text:
            return (f"and torch are built for different CUDA versions: {' '.join(text.split())[:140]}",
                    mend_companion(name, torch_build))
        if "undefined symbol" in text or "torchvision::nms" in text:
            return f"does not fit this torch: {' '.join(text.split())[:140]}", mend_companion(name, torch_build)
        return "", ""

    return _package(name, mend_companion(name, torch_build), explain)[1]


def _torchcodec() -> Finding:
    """Look at the optional decoder; its absence is no fault."""
    if not version("torchcodec"):
        return Finding("torchcodec", "not installed (optional; PyAV decodes)")
    found = _package("torchcodec", "pip uninstall -y torchcodec")[1]
    return found if not found.broken else Finding(
        "torchcodec", f"{found.state} (optional: PyAV decodes instead)", False, "pip uninstall -y torchcodec")


def _models() -> list[Finding]:
    """Compare the embedded models with their checksums."""
    try:
        from mmvideo import weights
    except IMPORT_ERRORS as error:
        return [Finding("models", _one_line(error), True, "pip install --force-reinstall safetensors")]
    names = weights.embedded_names()
    if not names:
        return [Finding("models", "none are embedded here", True, "pip install --force-reinstall mmvideo")]
    findings = []
    for name in names:
        home = weights.weights_root() / name
        wrong = weights.verify(home)
        size = sum(path.stat().st_size for path in home.rglob("*.safetensors")) / 1e6
        mend = "pip install --force-reinstall mmvideo" if wrong else ""
        findings.append(Finding(name, "; ".join(wrong) or f"{size:.1f} MB, checksums match", bool(wrong), mend))
    return findings


def _parts() -> list[Finding]:
    """Import every registered part, those of other packages one by one."""
    from mmvideo import registry
    from mmvideo.errors import MmvideoError, PluginError

    def finding(name: str, what: str, error: MmvideoError) -> Finding:
        if isinstance(error, PluginError):
            return Finding(name, f"{what}{error.reason}", True, error.mend)
        return Finding(name, f"{what}{error}", True, "pip install --upgrade --force-reinstall mmvideo")

    faults = []
    for kind, own in registry.PARTS.items():
        for name in own:
            try:
                registry.find(kind, name)
            except MmvideoError as error:
                faults.append(finding(name, "", error))
    findings = faults or [Finding("parts", f"all {sum(map(len, registry.PARTS.values()))} of mmvideo can be imported")]
    for plugin in registry.plugins():
        what = f"{plugin.kind.removesuffix('s')} of the package {plugin.package}"
        out = f"pip uninstall {plugin.package}"
        if plugin.ignored:
            findings.append(Finding(plugin.name, f"{what} is never used: {plugin.ignored}", True, out))
        elif plugin.error is not None:
            findings.append(finding(plugin.name, f"{what} (`{out}` takes it out): ", plugin.error))
        else:
            findings.append(Finding(plugin.name, what))
    return findings + [Finding(package, why, True, f"pip install --upgrade --force-reinstall {package}")
                       for package, why in registry.damaged()]


def _settings() -> Finding:
    names = ("HF_HUB_OFFLINE", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    return Finding("settings", ", ".join(f"{n}={os.environ[n]}" for n in names if n in os.environ) or "defaults")


__all__ = ["Finding", "examine", "mend_companion", "version"]
