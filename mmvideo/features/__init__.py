"""Features of frozen encoders: computed once a clip, kept by content and configuration, and probed."""
