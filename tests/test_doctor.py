"""The doctor finds real breakage: packages that import as the broken ones do, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from mmvideo import doctor, weights

CUDA_MISSING = 'raise OSError("libc10_cuda.so: cannot open shared object file: No such file or directory")'
OTHER_CUDA = ('raise RuntimeError("Detected that PyTorch and TorchAudio were compiled with different CUDA versions. '
              'PyTorch has CUDA version 13.0 whereas TorchAudio has CUDA version 12.8.")')


def _install(folder: Path, name: str, code: str, version: str = "9.9.9") -> None:
    """Put a package that runs `code` on import, and its metadata, into a folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(code + "\n")
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def _examine(folder: Path, call: str) -> dict:
    """Run one check of the doctor with a folder in front of the installed packages."""
    code = f"import json\nfrom mmvideo import doctor\nprint(json.dumps(doctor.{call}.to_dict()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                           env={**os.environ, "PYTHONPATH": str(folder)})
    return json.loads(found.stdout)


def test_a_cuda_companion_of_a_cpu_torch_is_recognised(tmp_path: Path) -> None:
    _install(tmp_path, "torchaudio", CUDA_MISSING)
    found = _examine(tmp_path, '_companion("torchaudio", "cpu")')
    assert found["broken"]
    assert "9.9.9 is built for CUDA but this torch is a CPU build (libc10_cuda.so is missing)" in found["state"]
    assert found["mend"] == (
        "pip install --force-reinstall --no-deps torchaudio --index-url https://download.pytorch.org/whl/cpu")


def test_companions_of_two_cuda_versions_are_recognised(tmp_path: Path) -> None:
    _install(tmp_path, "torchaudio", OTHER_CUDA)
    found = _examine(tmp_path, '_companion("torchaudio", "13.0")')
    assert found["broken"]
    assert "built for different CUDA versions" in found["state"]
    assert found["mend"] == 'pip install --force-reinstall "torch>=2.11,<2.15" torchvision torchaudio'


@pytest.mark.parametrize(("code", "state", "mend"), [
    ("import a_package_that_is_nowhere", "it needs a_package_that_is_nowhere", "pip install a_package_that_is_nowhere"),
    ("raise ImportError('undefined symbol: foo')", "does not import: ImportError: undefined symbol", "mend it so"),
    ("", "9.9.9", ""),
])
def test_any_package_is_imported_and_judged(tmp_path: Path, code: str, state: str, mend: str) -> None:
    _install(tmp_path, "some_codec", code)
    found = _examine(tmp_path, '_package("some_codec", "mend it so")[1]')
    assert state in found["state"]
    assert found["mend"] == mend
    assert found["broken"] == bool(mend)


def test_a_package_that_is_not_there_is_named_with_its_line() -> None:
    found = doctor._package("a_package_that_is_nowhere", "pip install it")[1]
    assert (found.state, found.broken, found.mend) == ("not installed", True, "pip install it")


def test_a_broken_torchcodec_is_no_fault_because_it_is_optional(tmp_path: Path) -> None:
    _install(tmp_path, "torchcodec", "raise RuntimeError('Could not load libtorchcodec')")
    found = _examine(tmp_path, "_torchcodec()")
    assert not found["broken"]
    assert "optional: PyAV decodes instead" in found["state"]
    assert found["mend"] == "pip uninstall -y torchcodec"


def test_damaged_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "qa"
    home.mkdir()
    tiny.make_camera(home)
    monkeypatch.setattr(weights, "weights_root", lambda: tmp_path)
    assert [f.broken for f in doctor._models()] == [False]
    damaged = bytearray((home / "model.safetensors").read_bytes())
    damaged[-1] ^= 1
    (home / "model.safetensors").write_bytes(damaged)
    (home / "extra.json").write_text("{}")
    (finding,) = doctor._models()
    assert finding.broken
    assert "qa/model.safetensors: damaged" in finding.state
    assert "qa/extra.json: not in SHA256SUMS" in finding.state


def test_this_installation_is_well_apart_from_what_is_named() -> None:
    findings = {finding.name: finding for finding in doctor.examine()}
    for name in ("python", "torch", "device", "torchvision", "torchaudio", "transformers", "av"):
        assert not findings[name].broken, findings[name]
        assert "ok" in str(findings[name])
    assert findings["torch"].state.startswith("2.")
