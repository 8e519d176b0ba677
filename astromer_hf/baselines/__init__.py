# Copyright 2026 The astromer_hf developers. MIT licence.
"""What ASTROMER is measured against."""
