"""Measures of models of verbs and nouns."""
