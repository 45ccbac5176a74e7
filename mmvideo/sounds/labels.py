"""The events that the audio tagger knows: the classes of ESC-10 and of UrbanSound8K in one list."""

from __future__ import annotations

ESC10 = {"baby_cry": "baby crying", "chainsaw": "chainsaw", "clock_tick": "clock ticking", "dog_bark": "dog bark",
         "fire_crackling": "fire crackling", "helicopter": "helicopter", "person_sneeze": "sneeze", "rain": "rain",
         "rooster": "rooster", "sea_waves": "sea waves"}
"""Folder of ESC-10 -> event."""
URBAN = ("air conditioner", "car horn", "children playing", "dog bark", "drilling", "engine idling", "gunshot",
         "jackhammer", "siren", "music")
"""Class number of UrbanSound8K -> event. Its "street music" is called music: what else is played sounds alike."""
EVENTS = tuple(sorted({*ESC10.values(), *URBAN}))

__all__ = ["ESC10", "EVENTS", "URBAN"]
