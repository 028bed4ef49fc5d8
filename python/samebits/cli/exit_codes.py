"""The exit codes of ``samebits``."""

EXIT_OK = 0
EXIT_FAILED = 1  # some file failed
EXIT_USAGE = 2  # the command line is wrong; argparse uses this one too
EXIT_INTERRUPTED = 130  # as shells report a program ended by Ctrl-C
