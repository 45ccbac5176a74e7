"""Training of models of verbs and nouns."""
