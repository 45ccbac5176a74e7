"""The process that times one preset: `python -m mmvideo.evaluation.bench JOB`, started by `mmvideo.evaluation.profile`.

It builds the preset, runs it once, says that it is ready and how long that took, and then does what it reads: `run`
(gives seconds, of the clock and of the processor), `memory` (gives bytes). One line of JSON each.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mmvideo.encoders import zoo
from mmvideo.evaluation.profile import input_of, kind_of
from mmvideo.nn.costs import shapes_only


def peak_bytes() -> int:
    """Return the largest size that this process has had."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss would begin at the size of the process that started this one
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _say(**values: Any) -> None:
    """Answer with one line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def timed(run: Callable[[], object], device: torch.device) -> dict[str, float]:
    """Run once; return seconds and the seconds of all threads on the CPU."""
    start, start_cpu = time.perf_counter(), time.process_time()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - start_cpu}


def _main(job: dict[str, Any]) -> None:
    """Serve one preset until the input ends."""
    if job["threads"] is not None:
        torch.set_num_threads(job["threads"])
    device = torch.device(job["device"])
    kind = kind_of(job["name"])
    with shapes_only():  # imports all that the network needs before memory is compared
        zoo.create(job["name"], kind)
    before = peak_bytes()
    try:
        network: Any = zoo.create(job["name"], kind).eval().to(device)
        given = input_of(zoo.preset_of(job["name"], kind), batch=job["batch"], device=job["device"])
        scores = getattr(network, "num_classes", 0) and hasattr(network, "logits")
        run = network.logits if scores else network
        with torch.inference_mode():
            _say(ready=True, **timed(lambda: run(given), device))
            for line in sys.stdin:
                if line.strip() == "memory":
                    cuda = device.type == "cuda"
                    _say(bytes=torch.cuda.max_memory_allocated(device) if cuda else peak_bytes() - before)
                    continue
                _say(**timed(lambda: run(given), device))
    except (MemoryError, torch.OutOfMemoryError) as error:
        _say(error=f"not enough memory: {error}")
    except RuntimeError as error:
        if "alloc" not in str(error):
            raise
        _say(error=f"not enough memory: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
