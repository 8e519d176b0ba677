# Copyright 2026 The astromer_hf developers. MIT licence.
"""The command line `astromer-hf`: `main.py` is the app, every verb has a file of its own.

A verb's file declares its arguments, an example and the function that runs it. Only the body of that function imports torch,
transformers or the rooms below, so that help and usage errors appear at once.
"""
