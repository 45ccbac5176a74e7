"""Objects in video: a detector, and a tracker that follows what it finds."""
