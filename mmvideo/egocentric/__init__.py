"""Egocentric video: what the hands of the person with the camera do, as a verb and a noun."""
