# Copyright 2026 The astromer_hf developers. MIT licence.
"""From a file, a folder or tables in memory to clean light curves, in bands, of surveys, split by star."""
