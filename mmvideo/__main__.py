"""`python -m mmvideo` is the command `mmvideo`."""

from mmvideo.cli import main

main()
