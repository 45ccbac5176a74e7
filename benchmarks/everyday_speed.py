"""What the everyday model costs: a clip of 10 s in 720p, the shell, memory over an hour, and a job of short clips.

    python benchmarks/everyday_speed.py                    # everything
    python benchmarks/everyday_speed.py --only parts job

Clips are made from the bundled one. CPU seconds are those of the process (and its children); they say more than seconds
where other programs run beside it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmvideo.weights import weights_root

SOURCE = weights_root() / "demo" / "nasa.mp4"
QUESTION = "how many people are there?"


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg quietly."""
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True)


def clip_720p(home: Path) -> Path:
    """Make 10 s of 1280x720."""
    path = home / "720p.mp4"
    ffmpeg("-stream_loop", "-1", "-i", SOURCE, "-t", "10", "-vf", "scale=1280:720", "-c:v", "libx264", "-preset",
           "veryfast", "-crf", "23", "-c:a", "aac", path)
    return path


def parts(home: Path) -> None:
    """Print the time of each part for 10 s of 720p, loaded."""
    import torch

    from mmvideo import Pipeline
    from mmvideo.everyday import conversation, observer

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    spent: dict[str, list[float]] = {}
    on = False

    def timed(place: Any, name: str) -> None:
        whole: Callable[..., Any] = getattr(place, name)

        def run(*args: Any, **more: Any) -> Any:
            start, busy = time.perf_counter(), time.process_time()
            result = whole(*args, **more)
            if on:
                seen = spent.setdefault(name, [0.0, 0.0])
                seen[0] += time.perf_counter() - start
                seen[1] += time.process_time() - busy
            return result

        setattr(place, name, staticmethod(run) if name == "look" else run)

    for place, name in ((observer.Observer, "look"), (observer.Observer, "_pictures"), (observer, "follow_many"),
                        (observer.Observer, "_camera"), (observer, "events_of"), (observer, "speech_spans_of"),
                        (observer, "repeated_movement"), (conversation.EmbeddingConversation, "replies"),
                        (conversation, "prefix_of")):
        timed(place, name)
    path = clip_720p(home)
    pipeline = Pipeline("video-captioning", model="everyday", device="cpu")
    pipeline(path)
    on = True
    rounds = 3
    start, busy = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        pipeline(path)
    print(f"10 s of 720p, loaded, {torch.get_num_threads()} thread(s): {(time.perf_counter() - start) / rounds:.2f} s, "
          f"{(time.process_time() - busy) / rounds:.2f} CPU-s")
    for name, (seconds, cpu) in sorted(spent.items(), key=lambda one: -one[1][1]):
        print(f"  {name.strip('_'):20} {seconds / rounds:.3f} s  {cpu / rounds:.3f} CPU-s", flush=True)


def measured(*command: str | Path) -> tuple[float, float, float]:
    """Run a command; return seconds, CPU seconds and peak MiB of it and its children."""
    probe = ("import resource,subprocess,sys;code=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL).returncode;"
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss/1024);sys.exit(code)")
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    told = subprocess.run([sys.executable, "-c", probe, *map(str, command)], check=True, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, float(told.stdout.split()[-1])


def shell(home: Path) -> None:
    """Print what a question from the shell takes beside importing torch."""
    path = clip_720p(home)
    for name, command in (("import torch", ("-c", "import torch")),
                          ("mmvideo ask", ("-m", "mmvideo", "ask", path, QUESTION))):
        runs = [measured(sys.executable, *command) for _ in range(3)]
        seconds, cpu = (min(run[i] for run in runs) for i in range(2))
        print(f"{name:14} {seconds:.2f} s, {cpu:.2f} CPU-s (least of 3)", flush=True)


def memory(home: Path) -> None:
    """Print the peak memory for files of 1, 10 and 60 minutes."""
    minute = home / "minute.mp4"
    ffmpeg("-stream_loop", "-1", "-i", SOURCE, "-t", "60", "-vf", "scale=320:180,fps=10", "-c:v", "libx264", "-preset",
           "ultrafast", "-c:a", "aac", "-b:a", "48k", minute)
    for minutes in (1, 10, 60):
        path = home / f"{minutes}.mp4"
        ffmpeg("-stream_loop", minutes - 1, "-i", minute, "-c", "copy", path)
        seconds, cpu, peak = measured(sys.executable, "-m", "mmvideo", "ask", path, QUESTION)
        print(f"{minutes:3} min: peak {peak:.0f} MiB, {seconds:.1f} s, {cpu:.1f} CPU-s", flush=True)


def job(home: Path, count: int = 60) -> None:
    """Print videos a second of a caption job over clips of 5 s."""
    folder = home / "clips"
    folder.mkdir()
    long = home / "long.mp4"
    ffmpeg("-stream_loop", "1", "-i", SOURCE, "-t", "24", "-vf", "scale=320:240,fps=25", "-c:v", "libx264", "-preset",
           "ultrafast", "-c:a", "aac", long)
    for number in range(count):
        ffmpeg("-ss", f"{number * 18 / count:.2f}", "-i", long, "-t", "5", "-c:v", "libx264", "-preset", "ultrafast",
               "-c:a", "aac", folder / f"{number:03}.mp4")
    seconds, cpu, peak = measured(sys.executable, "-m", "mmvideo", "caption", folder, "--out", home / "out")
    print(f"job of {count} clips, start included: {count / seconds:.2f} videos/s, {cpu / count:.2f} CPU-s a video, "
          f"largest process {peak:.0f} MiB", flush=True)


def main() -> None:
    """Run what was asked for."""
    tasks: dict[str, Callable[[Path], None]] = {"parts": parts, "shell": shell, "memory": memory, "job": job}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="*", choices=tasks, default=list(tasks))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name in parser.parse_args().only:
        with tempfile.TemporaryDirectory() as home:
            tasks[name](Path(home))


if __name__ == "__main__":
    main()
