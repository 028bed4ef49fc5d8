"""The optimizer SOAP."""

import pytest

torch = pytest.importorskip("torch")

from samebits.learn.training.soap import BASIS_EVERY, LARGEST_SIDE, Soap  # noqa: E402

STEPS = 2 * BASIS_EVERY + 3


def run(weight, gradients, *, lr=1e-2, optimizer=Soap, **options):
    weight = torch.nn.Parameter(weight.clone())
    chosen = optimizer([weight], lr=lr, **options)
    for gradient in gradients:
        weight.grad = gradient.clone()
        chosen.step()
    return weight.detach()


def random_gradients(*shape):
    torch.manual_seed(1)
    scale = torch.rand(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) + 0.1
    return [torch.randn(shape) * scale + 0.3 for _ in range(STEPS)]


@pytest.mark.parametrize("shape", [(7,), (), (8, 1, 3, 3)])
def test_anything_but_a_dense_convolution_is_updated_as_by_adam(shape):
    torch.manual_seed(1)
    gradients = [torch.randn(shape) for _ in range(STEPS)]
    start = torch.zeros(shape)
    adam = run(start, gradients, optimizer=torch.optim.Adam, betas=(0.95, 0.95))
    assert torch.allclose(run(start, gradients), adam, atol=1e-6)


def test_what_is_learned_does_not_depend_on_the_basis():
    """Rotated gradients give rotated weights; Adam's would be others."""
    gradients = random_gradients(6, 5, 1, 1)
    u = torch.linalg.qr(torch.randn(6, 6))[0]
    v = torch.linalg.qr(torch.randn(5, 5))[0]

    def turned(weight):
        return (u @ weight[:, :, 0, 0] @ v)[:, :, None, None]

    start = torch.zeros(6, 5, 1, 1)
    here = turned(run(start, gradients))
    there = run(start, [turned(g) for g in gradients])
    assert torch.allclose(here, there, atol=2e-3)
    adam = turned(run(start, gradients, optimizer=torch.optim.Adam))
    assert not torch.allclose(
        adam, run(start, [turned(g) for g in gradients], optimizer=torch.optim.Adam), atol=2e-2
    )


def test_a_badly_scaled_quadratic_is_learned_faster_than_by_adam():
    torch.manual_seed(2)
    inputs = torch.randn(256, 12) @ torch.diag(torch.logspace(0, -2, 12))
    inputs = inputs @ torch.linalg.qr(torch.randn(12, 12))[0]
    wanted = inputs @ torch.randn(12, 4)
    losses = {}
    for optimizer in (Soap, torch.optim.Adam):
        weight = torch.nn.Parameter(torch.zeros(4, 12, 1, 1))
        chosen = optimizer([weight], lr=3e-2)
        for _ in range(300):
            loss = (inputs @ weight[:, :, 0, 0].T - wanted).square().mean()
            chosen.zero_grad()
            loss.backward()
            chosen.step()
        losses[optimizer] = loss.item()
    assert losses[Soap] < 0.5 * losses[torch.optim.Adam]


def test_a_long_side_has_no_basis():
    weight = torch.nn.Parameter(torch.zeros(4, LARGEST_SIDE + 1, 1, 1))
    optimizer = Soap([weight], lr=1e-3)
    weight.grad = torch.randn(weight.shape)
    optimizer.step()
    assert [basis is None for basis in optimizer.state[weight]["bases"]] == [False, True]
    before = weight.detach().clone()
    optimizer.step()
    assert not torch.equal(weight, before)
