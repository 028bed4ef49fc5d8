"""Measuring codecs: quality metrics, rate-distortion curves, timings and the pages that show them.

`metrics` has the picture distances, `codecs` the codecs behind one interface, `measure` takes
real files through them, `curves` and `bd_rate` compare the results, `anchors` holds published
curves. Plots and BD-rates need the extra ``samebits[eval]``; nothing here needs torch.
"""
