"""Find clips again: an index of a folder as a batch job, searched by words or by another clip; near-duplicates."""
