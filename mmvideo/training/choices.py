"""Words that options of training take; without torch, so that the command line can show them at once."""

OPTIMIZERS = ("muon", "adamw", "sgd")
PRECISIONS = ("auto", "bf16", "no")

__all__ = ["OPTIMIZERS", "PRECISIONS"]
