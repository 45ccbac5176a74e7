"""Real footage: facts with evidence about a video that a person has, and the small language model that tells them."""
