"""What is said, by whom and when: speech recognition with models of transformers, and subtitles that are there."""
