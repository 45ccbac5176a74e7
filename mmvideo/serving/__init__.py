"""A pipeline behind an HTTP address that OpenAI's clients can talk to."""
