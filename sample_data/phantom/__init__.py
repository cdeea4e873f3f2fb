"""The parts that a synthetic patient is made of; `make_brats_like.py` puts them together."""
