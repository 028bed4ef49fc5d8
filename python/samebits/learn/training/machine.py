"""What a run is trained on, for its log: numbers travel with their machine."""

from __future__ import annotations

from datetime import datetime, timezone

import torch

from samebits.evaluation.machine import this_machine


def machine_row(device: torch.device) -> dict[str, str | int]:
    """Processor, device, threads, and the time (UTC): no host name, no path."""
    machine = this_machine()
    return {
        "cpu": machine.cpu,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M"),
    }
