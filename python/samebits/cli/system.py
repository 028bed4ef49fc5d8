"""What ``samebits info --system`` tells: nothing about how a picture is coded stays hidden."""

import platform


def describe_system() -> dict:
    """Version, machine, targets, threads and models, ready for :mod:`json`."""
    import numpy
    import PIL

    import samebits
    from samebits import _core, kernels, model_store

    return {
        "version": samebits.__version__,
        "format": _core.FORMAT_VERSION,
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {platform.system()}",
        "target": kernels.target(),
        "targets": list(kernels.targets()),
        "threads": _core.thread_count(),
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "models": [
            {
                "id": model_store.sha256_of(path)[: 2 * model_store.ID_BYTES],
                "file": path.name,
                "sha256": model_store.sha256_of(path),
                "bytes": path.stat().st_size,
            }
            for path in model_store.installed_models()
        ],
    }
