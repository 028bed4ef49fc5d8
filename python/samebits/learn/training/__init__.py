"""Training of picture models."""
