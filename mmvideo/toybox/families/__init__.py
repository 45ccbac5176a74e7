"""The question families: each file lists its types in KINDS, each type the facts of a scene that it asks for."""
