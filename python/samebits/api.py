"""The public functions: encode, decode, open, info, verify."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from samebits import _core, gpu, model_store
from samebits.arguments import as_integer
from samebits.encoder import PictureEncoder
from samebits.errors import InvalidArgument, LimitExceeded, ModelMismatch
from samebits.float_synthesis import (
    FloatDecoder,
    Synthesis,
    check_float_pixels,
    precision_of,
    synthesis_for_encoding,
    with_float_pixels,
)
from samebits.io.alpha import pack_alpha, unpack_alpha
from samebits.io.source import SourcePicture, read_source
from samebits.limits import MAX_BYTES, MAX_PIXELS
from samebits.orders import Groups, schedule_of
from samebits.refinement import Refine, RefineStep, error_weights, plan_of
from samebits.stability import Precision
from samebits.stream_info import (
    ALPHA,
    EXIF,
    FLOAT_SYNTHESIS,
    ICC_PROFILE,
    XMP,
    StreamInfo,
    describe_stream,
)
from samebits.targets import meet_target, target_of

if TYPE_CHECKING:
    from PIL.Image import Image

DEFAULT_QUALITY = 50
DISTRIBUTIONS = ("parametric", "values")

Model = str | PathLike | _core.Model | None


@dataclass(frozen=True)
class Encoded:
    """A stream, and what the encoder knows about its making.

    Attributes
    ----------
    stream : bytes
        The whole file.
    y_bits, z_bits : float
        The entropy model's own estimate for latents and hyper-latents, in bits.
    steps : int
        Steps of the entropy model.
    """

    stream: bytes
    y_bits: float
    z_bits: float
    steps: int


@dataclass(frozen=True)
class Decoded:
    """A decoded picture with everything that came beside it.

    Attributes
    ----------
    samples : uint8 array (H, W) or (H, W, 3)
    alpha : uint8 array (H, W) or None
    icc_profile, exif, xmp : bytes
        Empty where there is none; Exif without its "Exif\\0\\0".
    info : StreamInfo
    """

    samples: np.ndarray
    alpha: np.ndarray | None
    icc_profile: bytes
    exif: bytes
    xmp: bytes
    info: StreamInfo


def encode(
    picture,
    *,
    quality: int | None = None,
    model: Model = None,
    preset: str | None = None,
    mode: int | None = None,
    phases: int | str | None = None,
    groups: Groups = None,
    first: int | None = None,
    distribution: str = "parametric",
    refine: Refine = None,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    distortion: str = "mse",
    weights: np.ndarray | None = None,
    on_step: Callable[[RefineStep], None] | None = None,
    float_synthesis: Synthesis = None,
    precision: float | Precision | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> bytes:
    """Code a picture.

    Parameters
    ----------
    picture : uint8 array (H, W), (H, W, 3) or (H, W, 4), or PIL image
        Grey, RGB, or RGB and alpha. Alpha is kept without loss. Of a PIL image the ICC profile,
        Exif and XMP are kept too, and the Exif orientation is applied.
    quality : int, optional
        0 (smallest file) ... 100 (best picture); 50 when not given.
    model : path of a weights file, optional
        The installed model when not given.
    preset : "fast", "balanced" or "small", optional
        The order in which latents are coded: fewest steps, the default, smallest file. Or give the
        order itself (bitstream.md 2, requirement E3):
    mode : int, optional
        Channel-dependency mode, 0 ... 6; default 2.
    phases : str or int, optional
        "none", "checkerboard", "2x2" or "diagonal", or their numbers 0 ... 3. Diagonal goes with
        mode 2 and two or four groups, and is the default there; elsewhere "none" is.
    groups : int or sequence of int, optional
        Number of even channel groups, or their sizes; the model's own when not given.
    first : int, optional
        Modes 5 and 6: how many of the groups are in the first part.
    distribution : str
        How probabilities are given: ``"parametric"`` (mean and scale), or ``"values"``, a
        probability per value (arithmetic.md 9, requirement E5), for models that have a head for
        it. Decoded pixels are the same.
    refine : "fast", "medium", "slow", int or RefinePlan, optional
        Spend time on a better file (requirements R1, R5): latents are searched for which bits and
        squared error together cost least. Decoding is not affected, and no file is worse than
        without. ``"fast"`` takes about forty times as long as plain encoding; the others search by
        that many gradient steps (150, 1500) before, and need ``samebits[torch]``.
    target_bytes, target_bpp, target_psnr : number, optional
        Instead of a quality: the largest file of at most so many bytes, or bits per pixel (of the
        whole file); or the file nearest to this PSNR in dB. Several files are tried.
    distortion : "mse" or "ms-ssim"
        What a refinement by gradients weighs against bits. ``"ms-ssim"`` needs pictures of at
        least 161 x 161.
    weights : uint8 array (H, W), optional
        With ``refine``: how much the error of each pixel counts, 255 for as much as can be and 0
        for nothing at all; their mean does not matter. For regions of interest.
    on_step : callable, optional
        Hears of every gradient step of a refinement, as a :class:`samebits.refinement.RefineStep`.
    float_synthesis : True, path or FloatSynthesis, optional
        Also fix the pixels of a floating-point synthesis of the same latents, so that
        ``decode(float_synthesis=...)`` gives them on every machine (docs/stability.md). True: with
        the model's own weights; or another weights file or checkpoint; or an object as of
        :class:`samebits.float_synthesis.FloatSynthesis`. The first two need ``samebits[torch]``.
        The file still decodes without it.
    precision : float or Precision, optional
        With ``float_synthesis``: how far other machines' outputs may lie from this one's, in steps
        of 8 bits; what the synthesis says when not given (2^-20 in double precision). The larger,
        the more bytes.
    max_pixels, max_bytes : int
        Refuse pictures that have more pixels, or need more memory, than this.

    Returns
    -------
    bytes
        The content of a ``.same`` file.

    Warns
    -----
    UserWarning
        The target is out of reach; the nearest file is returned.

    Raises
    ------
    InvalidArgument
        The picture or an argument is not what it should be.
    LimitExceeded
        The picture is larger than the limits allow.
    """
    return encode_picture(
        picture,
        quality=quality,
        model=model,
        preset=preset,
        mode=mode,
        phases=phases,
        groups=groups,
        first=first,
        distribution=distribution,
        refine=refine,
        target_bytes=target_bytes,
        target_bpp=target_bpp,
        target_psnr=target_psnr,
        distortion=distortion,
        weights=weights,
        on_step=on_step,
        float_synthesis=float_synthesis,
        precision=precision,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
    ).stream


def encode_picture(
    picture,
    *,
    quality: int | None = None,
    model: Model = None,
    preset: str | None = None,
    mode: int | None = None,
    phases: int | str | None = None,
    groups: Groups = None,
    first: int | None = None,
    distribution: str = "parametric",
    refine: Refine = None,
    target_bytes: int | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    distortion: str = "mse",
    weights: np.ndarray | None = None,
    on_step: Callable[[RefineStep], None] | None = None,
    float_synthesis: Synthesis = None,
    precision: float | Precision | None = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Encoded:
    """Like :func:`encode`, and tell what the encoder knows about the stream."""
    schedule = schedule_of(preset=preset, mode=mode, phases=phases, groups=groups, first=first)
    values = uses_values(distribution)
    plan = plan_of(refine, distortion)
    source = read_source(picture)
    height, width = source.rgb.shape[:2]
    target = target_of(
        target_bytes=target_bytes,
        target_bpp=target_bpp,
        target_psnr=target_psnr,
        pixels=height * width,
    )
    if target is not None and quality is not None:
        raise InvalidArgument("quality and a target are given; the target finds the quality")
    if float_synthesis and target is not None:
        raise InvalidArgument("float_synthesis does not go with a target; give a quality")
    if not float_synthesis and precision is not None:
        raise InvalidArgument("precision is given, but no float_synthesis that it is for")
    synthesis = synthesis_for_encoding(float_synthesis, model=model)
    limits = {"max_pixels": max_pixels, "max_bytes": max_bytes}
    encoder = PictureEncoder(
        source=source,
        model=model_store.model_for_encoding(model),
        weights=model_store.path_for_encoding(model) if plan.steps > 0 else None,
        plan=plan,
        schedule=schedule,
        options={"values": values, "chunks": make_chunks(source)},
        limits=limits,
        error_weights=error_weights(weights, shape=(height, width), plan=plan),
        on_step=on_step,
    )
    if target is None:
        coded = encoder.code(as_quality(DEFAULT_QUALITY if quality is None else quality))
    else:
        psnr = target.kind == "psnr"
        coded = meet_target(
            target,
            partial(encoder.try_plainly, psnr=psnr),
            partial(encoder.try_finally, psnr=psnr),
        ).coded
    stream = coded.stream
    if synthesis is not None:
        stream = with_float_pixels(
            stream,
            synthesis,
            model=encoder.model,
            precision=precision_of(precision, synthesis),
            **limits,
        )
    return Encoded(stream=stream, y_bits=coded.y_bits, z_bits=coded.z_bits, steps=coded.steps)


def as_quality(quality) -> int:
    """The quality, checked."""
    return as_integer(quality, name="quality", low=0, high=100)


def uses_values(distribution: str) -> bool:
    """Whether a distribution is that of a probability per value, checked."""
    if distribution not in DISTRIBUTIONS:
        names = " or ".join(repr(name) for name in DISTRIBUTIONS)
        raise InvalidArgument(f"distribution is {distribution!r}, must be {names}")
    return distribution == "values"


def decode(
    stream: bytes,
    *,
    model: Model = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    float_synthesis: Synthesis = None,
    device: str = "cpu",
    cuda_stream=None,
) -> "np.ndarray | _core.DeviceArray":
    """Decode a stream to samples, the same bits on every machine.

    Parameters
    ----------
    stream : bytes
        The content of a ``.same`` file.
    model : path of a weights file, optional
        For streams whose model is not installed.
    max_pixels, max_bytes : int
        Refuse pictures that have more pixels, or need more memory, than this. On a CUDA device
        ``max_bytes`` counts the device's memory.
    float_synthesis : True, path or FloatSynthesis, optional
        Decode to the pixels of the floating-point synthesis that the stream was encoded with
        (:func:`encode`): exactly the encoder's, or an error. ``device`` has to be "cpu".
    device : str
        ``"cpu"``, ``"cuda"`` (the current CUDA device), ``"cuda:N"``, or ``"auto"``: the current
        CUDA device if that can be used, otherwise the CPU, with a warning that says why.
    cuda_stream : int or object with an attribute ``cuda_stream``, optional
        The CUDA stream to work on. When not given, the current stream of torch if the program
        uses torch with CUDA, otherwise a stream of its own. The samples are complete on return.

    Returns
    -------
    uint8 array (H, W), (H, W, 3) or (H, W, 4)
        Grey, RGB, or RGB and alpha; a grey picture with alpha comes as RGB and alpha. From a CUDA
        device: an object with ``shape``, ``dtype``, ``to_numpy()`` and the DLPack protocol, whose
        samples stay on the device. Alpha, modes 4 to 6 and a probability per value are only decoded
        on the CPU.

    Raises
    ------
    CorruptStream, Truncated, UnsupportedVersion, ModelMismatch, LimitExceeded, NeedsSeries
        See :mod:`samebits.errors`. No other error comes out of foreign bytes.
    InvalidArgument
        An argument does not go with the stream: a float synthesis that it has nothing about, a
        device that does not decode it.
    DeviceError
        CUDA was asked for and cannot be used, or the device is full or has failed.
    """
    if device != "cpu":
        if float_synthesis:
            raise InvalidArgument("float_synthesis goes with device='cpu' only")
        on_device = _decode_on_device(
            stream,
            model=model,
            device=device,
            cuda_stream=cuda_stream,
            max_pixels=max_pixels,
            max_bytes=max_bytes,
        )
        if on_device is not None:
            return on_device
    elif cuda_stream is not None:
        raise InvalidArgument("cuda_stream is given, but device is 'cpu'; use device='cuda'")
    decoded = decode_picture(
        stream,
        model=model,
        float_synthesis=float_synthesis,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
    )
    return with_alpha(decoded)


def with_alpha(decoded: Decoded) -> np.ndarray:
    """The samples, and alpha as the fourth channel if there is alpha."""
    if decoded.alpha is None:
        return decoded.samples
    rgba = np.empty((*decoded.alpha.shape, 4), np.uint8)
    rgba[:, :, :3] = decoded.samples if decoded.samples.ndim == 3 else decoded.samples[:, :, None]
    rgba[:, :, 3] = decoded.alpha
    return rgba


def _decode_on_device(
    stream, *, model: Model, device: str, **options
) -> "_core.DeviceArray | None":
    """The decoded samples on a CUDA device; None if ``device`` is "auto" and the CPU must do it."""
    content = as_bytes(stream)
    parsed = _core.parse_stream(content)
    if ALPHA in dict(parsed.chunks):
        reason = "the picture has alpha, which is only decoded on the CPU"
        if device != "auto":
            raise InvalidArgument(f"{reason}; use device='cpu'")
        gpu.warn_of_cpu(reason)
        return None
    loaded = model_store.model_for_decoding(parsed.header.model_id, model)
    if device == "auto":
        return gpu.decode_if_possible(content, loaded, **options)
    return gpu.decode_on_gpu(content, loaded, device=device, **options)


def decode_picture(
    stream: bytes,
    *,
    model: Model = None,
    float_synthesis: Synthesis = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Decoded:
    """Like :func:`decode`, with alpha apart and with the metadata."""
    core = FloatDecoder(float_synthesis, model) if float_synthesis else _core.decode_picture
    return decode_by(core, stream, model=model, max_pixels=max_pixels, max_bytes=max_bytes)


def decode_by(
    core: Callable, stream: bytes, *, model: Model, max_pixels: int, max_bytes: int
) -> Decoded:
    """Like :func:`decode_picture`; ``core(model, stream, *, max_pixels, max_bytes)`` gives the
    samples without alpha."""
    content = as_bytes(stream)
    parsed = _core.parse_stream(content)
    header = parsed.header
    pixels = header.width * header.height
    if pixels > max_pixels:
        raise LimitExceeded(
            f"the picture has {pixels} pixels ({header.width} x {header.height}), the limit is "
            f"{max_pixels}; raise max_pixels if you trust the stream"
        )
    chunks = dict(parsed.chunks)
    # The alpha plane and the RGBA array it ends in live beside the decoder's own memory.
    alpha_bytes = 5 * pixels if ALPHA in chunks else 0
    if alpha_bytes > max_bytes:
        raise LimitExceeded(
            f"the alpha plane of {header.width} x {header.height} pixels needs {alpha_bytes} "
            f"bytes of memory, the limit is {max_bytes}; raise max_bytes if you trust the stream"
        )
    loaded = model_store.model_for_decoding(header.model_id, model)
    rgb = core(loaded, content, max_pixels=max_pixels, max_bytes=max_bytes - alpha_bytes)
    alpha = None
    if ALPHA in chunks:
        alpha = unpack_alpha(chunks[ALPHA], width=header.width, height=header.height)
    return Decoded(
        samples=rgb,
        alpha=alpha,
        icc_profile=chunks.get(ICC_PROFILE, b""),
        exif=chunks.get(EXIF, b""),
        xmp=chunks.get(XMP, b""),
        info=describe_stream(parsed, size_bytes=len(content), model=loaded),
    )


def open(
    path: str | PathLike,
    *,
    model: Model = None,
    float_synthesis: Synthesis = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> "Image":
    """Decode a ``.same`` file to a PIL image of mode L, LA, RGB or RGBA.

    The ICC profile, Exif and XMP are in its ``info``, where PIL puts those of other files.
    """
    from samebits.io.images import to_image

    stream = Path(path).read_bytes()
    decoded = decode_picture(
        stream,
        model=model,
        float_synthesis=float_synthesis,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
    )
    return to_image(decoded)


def info(stream: bytes, *, model: Model = None) -> StreamInfo:
    """What a stream says about itself. The picture is not decoded, the checksum is checked.

    The model need not be installed; without it the groups that the stream leaves to the model,
    and the number of steps, are None.
    """
    content = as_bytes(stream)
    parsed = _core.parse_stream(content)
    try:
        loaded = model_store.model_for_decoding(parsed.header.model_id, model)
    except ModelMismatch:
        if model is not None:
            raise
        loaded = None
    return describe_stream(parsed, size_bytes=len(content), model=loaded)


def verify(
    stream: bytes,
    *,
    model: Model = None,
    float_synthesis: Synthesis = None,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> StreamInfo:
    """Decode a stream and check everything that can be: the file's checksum, every field, the end
    of the coded symbols, the checksum of the latents, the alpha plane, and what fixes the pixels of
    a float synthesis.

    Parameters
    ----------
    float_synthesis : as of :func:`decode`, optional
        Its pixels have to be checked. When not given they are if they can be: if the stream's own
        weights make them and torch is installed; the result says so.

    Returns
    -------
    StreamInfo
        If all is well; an error as of :func:`decode` otherwise.
    """
    info = decode_picture(stream, model=model, max_pixels=max_pixels, max_bytes=max_bytes).info
    if not float_synthesis and all(chunk.type != FLOAT_SYNTHESIS for chunk in info.chunks):
        return info
    reason = check_float_pixels(
        as_bytes(stream),
        model=model,
        wanted=float_synthesis,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
    )
    assert info.float_synthesis is not None
    checked = replace(info.float_synthesis, checked=not reason, not_checked_because=reason)
    return replace(info, float_synthesis=checked)


def make_chunks(source: SourcePicture) -> list[tuple[int, bytes]]:
    contents = [
        (ICC_PROFILE, source.icc_profile),
        (EXIF, source.exif),
        (XMP, source.xmp),
        (ALPHA, b"" if source.alpha is None else pack_alpha(source.alpha)),
    ]
    return [(kind, content) for kind, content in contents if content]


def as_bytes(stream) -> bytes:
    if isinstance(stream, bytes):
        return stream
    if isinstance(stream, bytearray | memoryview):
        return bytes(stream)
    hint = ""
    if isinstance(stream, str | PathLike):
        hint = "; for files there is samebits.open(path)"
    raise InvalidArgument(f"a stream is bytes, not {type(stream).__name__}{hint}")
