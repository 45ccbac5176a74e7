"""Camera motion, as the shipped model knows it: its encoder, what stands still, its data and its trainer."""
