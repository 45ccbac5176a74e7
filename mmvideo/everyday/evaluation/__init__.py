"""What the everyday model is worth on photographs and clips that it has never seen, beside what needs no video."""
