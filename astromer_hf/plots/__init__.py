# Copyright 2026 The astromer_hf developers. MIT licence.
"""Figures."""
