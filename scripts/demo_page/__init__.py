# Copyright 2026 The astromer_hf developers. MIT licence.
"""The parts of the demo page, which `scripts/demo_app.py` starts; only `page.py` needs Gradio, only `pictures.py` plotly."""
