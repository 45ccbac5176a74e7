"""How the audio tagger is trained: its recordings, what is done to them, and its trainer."""
