"""Every kind of error of the core arrives as its class; all of them are a SamebitsError."""

import pytest

import samebits
from samebits import _core, errors


def test_classes():
    for name in ("CorruptStream", "UnsupportedVersion", "ModelMismatch", "LimitExceeded"):
        assert issubclass(getattr(errors, name), errors.SamebitsError)
        assert getattr(samebits, name) is getattr(errors, name)
    assert issubclass(errors.Truncated, errors.CorruptStream)
    assert issubclass(errors.InvalidArgument, ValueError)


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (b"", errors.Truncated),
        (b"\xf5\x53", errors.Truncated),
        (b"GIF89a and more", errors.CorruptStream),
        (b"\xf5\x53\x07" + bytes(30), errors.UnsupportedVersion),
    ],
)
def test_the_core_throws_the_public_classes(stream, error):
    with pytest.raises(error) as caught:
        _core.parse_stream(stream)
    assert caught.type is error


def test_other_kinds():
    with pytest.raises(errors.InvalidArgument, match="model_id has 2 bytes"):
        _core.Header(model_id=b"ab", quality=1, schedule=_core.ScheduleSpec(), width=1, height=1)
