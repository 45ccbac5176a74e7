"""Training on labelled clips of your own: `mmvideo train DATA --encoder X`."""
