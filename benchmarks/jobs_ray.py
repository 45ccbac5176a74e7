"""A batch job on a real Ray cluster of two nodes, one of which is killed in the middle: the rows of the local engine.

    python benchmarks/jobs_ray.py
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import ray
import torch
from jobs_kill import make_clips, rows_of
from ray.cluster_utils import Cluster

from mmvideo.jobs import JobOptions, run_job, status
from mmvideo.pipeline import Pipeline


def main() -> None:
    """Run the test and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=120)
    given = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = Pipeline("video-captioning", model="toybox-qa", device="cpu", caption={"max_new_tokens": 12})
    with tempfile.TemporaryDirectory() as home:
        clips = make_clips(Path(home, "clips"), given.clips)
        run_job(pipeline, clips, Path(home, "local"), JobOptions(thumbnails=0))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 300_000_000})
        second = cluster.add_node(num_cpus=2, object_store_memory=300_000_000)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        print(f"nodes: {sum(node['Alive'] for node in ray.nodes())}", flush=True)
        killed: list[int] = []

        def kill_in_the_middle() -> None:
            while (done := _done(Path(home, "ray"))) < given.clips // 4:
                time.sleep(0.1)
            cluster.remove_node(second, allow_graceful=False)
            killed.append(done)
            print(f"node killed after {done} of {given.clips}", flush=True)

        threading.Thread(target=kill_in_the_middle, daemon=True).start()
        begin = time.monotonic()
        summary = run_job(pipeline, clips, Path(home, "ray"), JobOptions(
            engine="ray", workers=2, processes=2, thumbnails=0))
        alive = sum(node["Alive"] for node in ray.nodes())
        same = rows_of(Path(home, "ray")) == rows_of(Path(home, "local"))
        print(f"{json.dumps(summary.counts)} in {time.monotonic() - begin:.0f} s, nodes alive at the end: {alive}; "
              f"rows identical to the local engine: {same}")
        ray.shutdown()
        cluster.shutdown()
        sys.exit(not (same and killed and alive == 1))


def _done(folder: Path) -> int:
    return status(folder)["counts"]["done"] if (folder / "run.json").exists() else 0


if __name__ == "__main__":
    main()
