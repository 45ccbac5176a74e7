"""Benchmarks of video models: classes that read annotations, ask and score; a job does the rest."""
