# Copyright 2026 The astromer_hf developers. MIT licence.
"""What travels to the Hub with the weights: configuration, feature extractor, model, heads, losses and pipelines.

A push copies these files flat beside the weights: they import torch, numpy, transformers, huggingface_hub and each other alone.
"""
