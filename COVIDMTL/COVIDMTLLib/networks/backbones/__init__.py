"""Backbones of networks on volumes."""
