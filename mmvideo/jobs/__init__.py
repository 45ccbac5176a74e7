"""Batch jobs over many clips that survive anything: durable per item, resumed by default, the same rows everywhere."""

from mmvideo.jobs.inputs import Item, read_inputs
from mmvideo.jobs.options import JobOptions
from mmvideo.jobs.plan import JobPlan
from mmvideo.jobs.runner import JobSummary, run_job
from mmvideo.jobs.status import status

__all__ = ["Item", "JobOptions", "JobPlan", "JobSummary", "read_inputs", "run_job", "status"]
