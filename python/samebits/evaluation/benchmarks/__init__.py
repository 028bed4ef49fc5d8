"""Samebits' kernels and range coder timed beside other libraries, in one process and one run."""
