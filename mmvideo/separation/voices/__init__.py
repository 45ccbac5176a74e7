"""What comes of separating the voices of a clip: who, when, and what each of them says."""

from mmvideo.separation.voices.result import SeparatedVoices
from mmvideo.separation.voices.speakers import SpeakerTurn
from mmvideo.separation.voices.tracks import Sound, SoundSync, Voice

__all__ = ["SeparatedVoices", "Sound", "SoundSync", "SpeakerTurn", "Voice"]
