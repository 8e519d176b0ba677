# Copyright 2026 The astromer_hf developers. MIT licence.
"""Baselines that ASTROMER is compared with."""
