"""What was said to models, kept as a file, and answering from it."""
