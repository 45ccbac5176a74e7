"""Models of the Hugging Face hub, by name or folder, through transformers' Auto classes."""
