"""Learned groups of latent channels (E4): found, compared in bits, kept in a file."""
