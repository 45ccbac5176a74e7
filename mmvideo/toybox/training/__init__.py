"""Trainers of the models that know the toybox."""
