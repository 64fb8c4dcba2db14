import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR, ReduceLROnPlateau
from torch.utils.data import DataLoader, TensorDataset

from gdlib.data import noisy_parabola
from gdlib.training import train


def parts(seed=0, batch_size=16, lr=0.1):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()
    loader = DataLoader(
        TensorDataset(*noisy_parabola()), batch_size, shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    return model, loader, torch.optim.SGD(model.parameters(), lr=lr)


def test_train_is_the_loop_written_out():
    model, loader, optimizer = parts()
    history = train(model, loader, optimizer, nn.functional.mse_loss, epochs=3, progress=False)

    twin, loader, optimizer = parts()
    losses = []
    for _ in range(3):
        for x, y in loader:
            loss = nn.functional.mse_loss(twin(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert history.loss.tolist() == losses and not history.interrupted
    assert history.examples.tolist()[:8] == [16, 32, 48, 64, 80, 96, 100, 116]
    assert (history.seconds.diff() > 0).all() and (history.lr == 0.1).all()


def test_a_scheduler_is_stepped_per_epoch_or_per_step():
    model, loader, optimizer = parts()
    history = train(
        model, loader, optimizer, nn.functional.mse_loss, 3,
        scheduler=ExponentialLR(optimizer, 0.5), progress=False,
    )  # fmt: skip
    assert history.lr.tolist() == [0.1] * 7 + [0.05] * 7 + [0.025] * 7

    model, loader, optimizer = parts()
    scheduler = OneCycleLR(optimizer, max_lr=0.2, total_steps=21)
    history = train(
        model, loader, optimizer, nn.functional.mse_loss, 3,
        scheduler=scheduler, schedule_per="step", progress=False,
    )  # fmt: skip
    assert history.lr.unique().numel() == 21 and history.lr.max() == pytest.approx(0.2, rel=0.05)


def test_the_plateau_scheduler_sees_the_mean_batch_loss_of_every_epoch():
    model, _, optimizer = parts(
        lr=0.0
    )  # nothing moves, so every epoch after the first is a plateau
    in_order = DataLoader(TensorDataset(*noisy_parabola()), 16)
    scheduler = ReduceLROnPlateau(optimizer, patience=5)
    train(
        model, in_order, optimizer, nn.functional.mse_loss, 3, scheduler=scheduler, progress=False
    )
    with torch.no_grad():
        batches = [nn.functional.mse_loss(model(x), y) for x, y in in_order]
    assert scheduler.best == pytest.approx(float(torch.stack(batches).mean()), rel=1e-12)
    assert scheduler.last_epoch == 3 and scheduler.num_bad_epochs == 2


def test_an_interrupt_returns_what_was_trained_so_far():
    model, loader, optimizer = parts()

    def interrupted():
        for k, batch in enumerate(loader):
            if k == 3:
                raise KeyboardInterrupt
            yield batch

    history = train(model, interrupted(), optimizer, nn.functional.mse_loss, 5, progress=False)
    assert history.interrupted and len(history.loss) == 3 and history.examples[-1] == 48


def test_no_epochs_change_nothing():
    model, loader, optimizer = parts()
    before = [p.clone() for p in model.parameters()]
    history = train(model, loader, optimizer, nn.functional.mse_loss, 0, progress=False)
    assert len(history.loss) == 0
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_progress_can_be_silent(capsys):
    model, loader, optimizer = parts()
    train(model, loader, optimizer, nn.functional.mse_loss, 1, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("bad", [-1, 1.5, "3"])
def test_epochs_that_are_no_count_are_refused(bad):
    model, loader, optimizer = parts()
    with pytest.raises(ValueError, match=f"epochs must be .* got {bad!r}"):
        train(model, loader, optimizer, nn.functional.mse_loss, bad, progress=False)


def test_what_cannot_be_scheduled_or_loaded_is_refused():
    model, loader, optimizer = parts()
    with pytest.raises(ValueError, match="at least one batch, got none"):
        train(model, [], optimizer, nn.functional.mse_loss, 1, progress=False)
    with pytest.raises(ValueError, match="'epoch' or 'step', got 'batch'"):
        train(model, loader, optimizer, nn.functional.mse_loss, 1, schedule_per="batch")
    with pytest.raises(ValueError, match="whole epochs"):
        train(
            model, loader, optimizer, nn.functional.mse_loss, 1,
            scheduler=ReduceLROnPlateau(optimizer), schedule_per="step",
        )  # fmt: skip
