"""How well actions of real films are found: streams of joined clips, and who does what."""
