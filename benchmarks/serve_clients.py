"""`mmvideo serve` under clients for a while: answers, errors, and the memory of the server.

    python benchmarks/serve_clients.py MODEL --clients 16 --minutes 10 --videos 500 [--max-queue 8]

MODEL is an embedded model ("everyday") or a folder of a chat model. Every client asks about one video after the other,
without pause, until the minutes are over and every video was asked about once; a refusal for lack of room (status 429)
must name a Retry-After, and is asked again after it. One request in ten is streamed, one holds two videos. `--every 15`
lets all clients ask at the same moment, every 15 s, instead of one question right after the other.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmvideo.media import write_video


def make_clips(home: Path, count: int) -> list[Path]:
    """Write clips of two seconds, no two alike."""
    home.mkdir(parents=True)
    paths = []
    for number in range(count):
        torch.manual_seed(number)
        start = torch.randint(0, 255, (1, 3, 4, 4), dtype=torch.uint8).repeat_interleave(24, 2).repeat_interleave(24, 3)
        frames = torch.cat([torch.roll(start, 2 * step, 3) for step in range(16)])
        paths.append(home / f"{number:04}.mp4")
        write_video(paths[-1], frames, fps=8)
    return paths


def ask(port: int, paths: list[Path], stream: bool, most: int | None) -> tuple[int, float]:
    """Ask about videos; return the status, 200 only for an answer that has come whole, and the Retry-After or 0."""
    content = [{"type": "video_url", "video_url": {"url": str(path)}} for path in paths]
    body = {"messages": [{"role": "user", "content": [*content, {"type": "text", "text": "What happens?"}]}],
            "stream": stream, **({"max_tokens": most} if most else {})}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        line.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        answer = line.getresponse()
        text = answer.read().decode()
        whole = "[DONE]" in text if stream else answer.status == 200 and bool(json.loads(text)["choices"])
        return (answer.status if whole or answer.status != 200 else -1), float(answer.getheader("Retry-After") or 0)
    except (OSError, http.client.HTTPException):
        return -2, 0.0
    finally:
        line.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--max-queue", type=int, default=16, help="of the server")
    parser.add_argument("--max-tokens", type=int, help="of a reply; embedded models take no fewer than their own")
    parser.add_argument("--every", type=float, default=0, help="seconds between the moments at which all ask")
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp())
    clips = make_clips(home / "clips", given.videos)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = home / "log"
    with log.open("w") as file:
        server = subprocess.Popen([sys.executable, "-m", "mmvideo", "serve", "--model", given.model, "--allow",
                                   str(home / "clips"), "--port", str(port), "--max-queue",
                                   str(given.max_queue)], stdout=file, stderr=file,
                                  env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not re.search(" answers at ", log.read_text()):
        assert server.poll() is None, log.read_text()
        time.sleep(0.5)
    statuses: Counter[int] = Counter()
    order, lock, began = itertools.count(), threading.Lock(), time.monotonic()
    asked: set[int] = set()
    waits: list[float] = []
    silent: list[bool] = []

    def client() -> None:
        while time.monotonic() - began < 60 * given.minutes or len(asked) < given.videos:
            if given.every:
                time.sleep(given.every - (time.monotonic() - began) % given.every)
            with lock:
                number = next(order)
            paths = [clips[number % given.videos]]
            if number % 10 == 5:
                paths.append(clips[(number + 1) % given.videos])
            since = time.monotonic()
            while True:
                status, later = ask(port, paths, number % 10 == 7, given.max_tokens)
                if status != 429:
                    break
                with lock:
                    statuses[429] += 1
                    silent.append(later <= 0)
                time.sleep(later or 0.5)
            with lock:
                statuses[status] += 1
                waits.append(time.monotonic() - since)
                asked.add(number % given.videos)

    threads = [threading.Thread(target=client, daemon=True) for _ in range(given.clients)]
    for thread in threads:
        thread.start()
    process, held = psutil.Process(server.pid), []
    while any(thread.is_alive() for thread in threads):
        time.sleep(5)
        with lock:
            held.append((statuses[200], process.memory_info().rss / 2**20))
            if len(held) % 12 == 0:
                print(f"{(time.monotonic() - began) / 60:.1f} min: {dict(statuses)}, {len(asked)} videos, "
                      f"{held[-1][1]:.0f} MiB", flush=True)
    minutes = (time.monotonic() - began) / 60
    quarter = next(size for count, size in held if count >= statuses[200] / 4)
    waits.sort()
    print(f"{given.clients} clients, {minutes:.1f} min, {len(asked)} of {given.videos} videos, "
          f"{len(waits)} requests, {len(waits) / minutes / 60:.2f} a second: {dict(statuses)} by status, "
          f"{sum(silent)} refusals without Retry-After; memory at the first answers {held[0][1]:.0f} MiB, after a "
          f"quarter of them {quarter:.0f} MiB, at the end {held[-1][1]:.0f} MiB, most "
          f"{max(size for _, size in held):.0f} MiB; wait p50 {waits[len(waits) // 2]:.1f} s, p95 "
          f"{waits[int(len(waits) * 0.95)]:.1f} s, longest {waits[-1]:.1f} s; "
          f"{process.cpu_times().user:.0f} s of processor")
    server.terminate()
    server.wait(30)


if __name__ == "__main__":
    main()
