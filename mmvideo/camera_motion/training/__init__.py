"""How the camera-motion model is trained, and the clips that it is trained on."""
