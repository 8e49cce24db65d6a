"""Tempo: ablation studies for TEMPO, a flow-free video-frame-interpolation network."""

__version__ = "0.1.0"
