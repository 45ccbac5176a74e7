"""The procedural world that the embedded models learn in, and a diagnostic benchmark."""
