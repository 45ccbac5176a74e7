"""When something happens, and who does it: spans of time and tracks of boxes with labels and scores."""
