"""Separating voices by the faces that speak: networks and losses, the voices that come of it, training and measures."""
