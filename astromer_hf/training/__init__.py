# Copyright 2026 The astromer_hf developers. MIT licence.
"""From prepared datasets to trained models: collators, training, few-shot learning, classifiers of tables."""
