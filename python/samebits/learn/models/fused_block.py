"""Which precisions of products the processor has kernels for."""


def precisions() -> tuple[str, ...]:
    """Names, ``fp32`` first."""
    return ("fp32",)
