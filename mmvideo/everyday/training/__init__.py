"""Training of the everyday model: what is asked and said about photographs and clips."""
