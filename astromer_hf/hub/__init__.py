# Copyright 2026 The astromer_hf developers. MIT licence.
"""Checkpoints on the Hub and on disk: found, loaded, checked, shared, described by a card, converted from TensorFlow."""
