"""Progress of one picture's refinement: a bar with bits, PSNR and gain; Ctrl-C ends it."""

import argparse
import sys

from samebits.refinement import MS_SSIM_SCALE, RefineStep, plan_of


class RefineProgress:
    """Hears of the steps of a search by gradients, within a ``with`` block.

    There is a bar where one file is coded at a time and stderr is a terminal.
    """

    def __init__(self, name: str, pixels: int, *, arguments: argparse.Namespace) -> None:
        self.steps: list[RefineStep] = []
        self.interrupted = arguments.interrupted
        self.pixels = pixels
        self.distortion = arguments.distortion
        self.keep = arguments.plot is not None
        self.bar = None
        planned = plan_of(arguments.refine).steps
        if planned > 0 and arguments.jobs == 1 and not arguments.quiet:
            from tqdm import tqdm

            # disable=None: no bar where stderr is no terminal.
            self.bar = tqdm(total=planned, desc=name, unit="step", disable=None, file=sys.stderr)

    def __enter__(self) -> "RefineProgress":
        return self

    def __exit__(self, *_error) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, step: RefineStep) -> None:
        """One more step, or a look at rounded latents."""
        if self.interrupted.is_set():
            raise KeyboardInterrupt
        if self.keep:
            self.steps.append(step)
        if self.bar is None:
            return
        if not step.rounded:
            self.bar.update()
            return
        self.bar.total = step.planned
        if self.distortion == "mse":
            from samebits.evaluation.metrics import psnr_db

            distortion = {"psnr": f"{psnr_db(step.distortion):.2f}"}
        else:
            distortion = {self.distortion: f"{1 - step.distortion / MS_SSIM_SCALE:.5f}"}
        self.bar.set_postfix(
            bpp=f"{step.bits / self.pixels:.4f}",
            **distortion,
            gain=f"{100 * (1 - step.loss / step.first_loss):.1f} %",
        )
