"""Compare a segmentation with a reference."""
