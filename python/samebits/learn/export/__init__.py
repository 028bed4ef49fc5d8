"""From a trained float model to the integer weights file that the native code runs."""
