"""What is measured on the toybox."""
