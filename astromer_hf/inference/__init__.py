# Copyright 2026 The astromer_hf developers. MIT licence.
"""Windows through a model: embeddings, classes, catalogues, neighbours, ONNX."""
