"""What is heard: sound events, and whether someone speaks."""
