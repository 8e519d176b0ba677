# Copyright 2026 The astromer_hf developers. MIT licence.
"""How good a model is: scores of reconstruction and classification, calibration."""
