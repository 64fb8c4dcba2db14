"""The checks of chapter 9: right answers in several styles, and wrong ones."""

import math
import time

import numpy as np
import pytest
import torch

from gdlib import checks
from gdlib.checks import judging
from tests.exercises import said


def endless(*args):
    exec("while True: 1")


def steps_by(reach, delay, beta):
    """From the last weights to the next ones: a matrix."""
    size = max(delay, 1) + 1
    step = np.eye(size, k=-1)
    step[0, :2] += [1 + beta, -beta]
    step[0, delay] -= reach
    return step


def longest(curvature, delay, beta, radius=lambda step: np.abs(np.linalg.eigvals(step)).max()):
    low, high = 0.0, 4.0
    for _ in range(40):
        middle = (low + high) / 2
        stable = radius(steps_by(middle, delay, beta)) < 1
        low, high = (middle, high) if stable else (low, middle)
    return low / curvature


def by_roots(curvature, delay, beta):
    def radius(step):
        return np.abs(np.roots([1, *-step[0]])).max()

    return longest(curvature, delay, beta, radius)


def by_powers(curvature, delay, beta):
    def radius(step):
        with np.errstate(over="ignore", invalid="ignore"):
            return np.nan_to_num(np.linalg.norm(np.linalg.matrix_power(step, 2**17)), nan=9) / 9

    return longest(curvature, delay, beta, radius)


def by_angle(curvature, delay, beta):
    """Where a root e^{iφ} first crosses the circle: (z - 1)(z - β) z^{τ - 1} is then real."""
    angles = torch.linspace(1e-4, math.pi, 400_001, dtype=torch.float64)
    z = torch.polar(torch.ones_like(angles), angles)
    value = -(z - 1) * (z - beta) * z ** (delay - 1)
    crossings = (value.imag[1:] * value.imag[:-1] <= 1e-12) & (value.real[1:] > 0)
    return value.real[1:][crossings].min() / curvature


def without_momentum(h, delay, beta):
    return 2 * math.sin(math.pi / (2 * (2 * delay + 1))) / h


def by_descent(curvature, delay, beta):
    """Try rates, and see what becomes of the weight."""
    low, high = 0.0, 4 / curvature
    for _ in range(20):
        lr, path, v = (low + high) / 2, [1.0] * (delay + 1), 0.0
        for _ in range(6000):
            v = beta * v + curvature * path[-1 - delay]
            path.append(path[-1] - lr * v)
            if abs(path[-1]) > 1e9:
                break
        grown = abs(path[-1]) > 1e9 or max(map(abs, path[-999:])) > max(map(abs, path[999:1998]))
        low, high = (low, lr) if grown else (lr, high)
    return low


@pytest.mark.parametrize(
    "answer",
    [
        longest,
        by_roots,
        by_powers,
        by_angle,
        by_descent,
        lambda *given: np.float32(longest(*given)),
        lambda *given: torch.tensor([longest(*given)]),
    ],
)
def test_the_longest_delayed_step_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_delayed_lr, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (without_momentum, "delay 1, β = 0.9: at 0.98 times your learning rate 1 the weight"),
        (lambda h, delay, beta: 2 * (1 + beta) / h, "the weight should shrink"),
        (lambda h, delay, beta: (1 + beta) * without_momentum(h, delay, 0), "should shrink"),
        (lambda h, delay, beta: (1 - beta) * without_momentum(h, delay, 0), "β = 0.5"),
        (lambda h, delay, beta: (1 - beta**2) * without_momentum(h, delay, 0), "should shrink"),
        (lambda h, delay, beta: longest(1, delay, beta), "curvature 4"),
        (lambda h, delay, beta: longest(h, delay + 1, beta), "should grow"),
        (lambda h, delay, beta: longest(h, delay, 0.9), "β = 0.5"),
        (lambda h, delay, beta: longest(h, 1, beta), "delay 5"),
        (lambda h, delay, beta: longest(h, max(delay, 1), beta), "delay 0"),
        (lambda h, delay, beta: longest(h, delay, beta) if beta else 2 / h, "β = 0:"),
        (lambda h, delay, beta: 1.02 * longest(h, delay, beta), "the weight should shrink"),
        (lambda h, delay, beta: 0.98 * longest(h, delay, beta), "the weight should grow"),
        (lambda h, delay, beta: longest(h, delay, beta) if delay < 20 else 0.1, "delay 20"),
        (lambda h, delay, beta: 1e-9, "within 40,000 steps it does neither"),
        (lambda h, delay, beta: 1e308, "within 1 steps it grows a thousandfold"),
        (lambda h, delay, beta: -1.0, "must be positive"),
        (lambda h, delay, beta: 0, "must be positive"),
        (lambda h, delay, beta: math.nan, "expected one finite number"),
        (lambda h, delay, beta: [longest(h, delay, beta)] * 2, "expected one finite number"),
        (lambda h, delay, beta: "0.3", "expected one finite number"),
        (lambda h, delay, beta: None, "returned None"),
        (lambda h, delay, beta: longest(h, delay, beta) * delay / delay, "ZeroDivisionError"),
        (lambda h, delay: longest(h, delay, 0), "stopped with TypeError"),
        (endless, "no answer within"),
    ],
)
def test_delayed_rates_are_judged_by_descending(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_delayed_lr, answer)
    assert text.startswith("Not yet.") and reason in text


def test_without_momentum_the_longest_step_is_the_text_s():
    for delay in (0, 1, 2, 5, 10, 20):
        assert longest(2.0, delay, 0.0) == pytest.approx(without_momentum(2.0, delay, 0.0))


def ring(vectors, pass_on, cut=torch.tensor_split, first=0, add=lambda old, new: old + new):
    """Chunk r - k starts from rank r in round k, collects, and goes round once more, complete."""
    p = len(vectors)
    parts = [list(cut(vector, p)) for vector in vectors]
    for k in range(p - 1):
        received = pass_on([parts[r][(first + r - k) % p] for r in range(p)])
        for r in range(p):
            i = (first + r - k - 1) % p
            parts[r][i] = add(parts[r][i], received[r])
    for k in range(p - 1):
        received = pass_on([parts[r][(first + r - k + 1) % p] for r in range(p)])
        for r in range(p):
            parts[r][(first + r - k) % p] = received[r]
    return [torch.cat(part) for part in parts]


def ring_in_place(vectors, pass_on):
    p = len(vectors)
    views = [vector.tensor_split(p) for vector in vectors]
    for k in range(2 * (p - 1)):
        received = pass_on([views[r][(r - k) % p] for r in range(p)])
        for r, new in enumerate(received):
            old = views[r][(r - k - 1) % p]
            old.copy_(old + new if k < p - 1 else new)
    return vectors


def ring_by_numpy(vectors, pass_on):
    p = len(vectors)
    parts = [np.array_split(vector.numpy(), p) for vector in vectors]
    for k in range(2 * (p - 1)):
        received = pass_on([parts[r][(r - k) % p] for r in range(p)])
        for r, new in enumerate(received):
            i = (r - k - 1) % p
            parts[r][i] = parts[r][i] + new.numpy() if k < p - 1 else new.numpy()
    return np.stack([np.concatenate(part) for part in parts])


def ring_padded(vectors, pass_on):
    p, n = len(vectors), len(vectors[0])
    padded = [torch.nn.functional.pad(vector, (0, -n % p)) for vector in vectors]
    return (vector[:n] for vector in ring(padded, pass_on))


def ring_of_lists(vectors, pass_on):
    """Only the sums are tensors' work."""
    return [row.tolist() for row in ring(vectors, pass_on)]


@pytest.mark.parametrize(
    "answer",
    [
        ring,
        ring_in_place,
        ring_by_numpy,
        ring_padded,
        ring_of_lists,
        lambda vectors, pass_on: ring(vectors, pass_on, first=1),
        lambda vectors, pass_on: torch.stack(ring(vectors, pass_on)).float(),
    ],
)
def test_a_ring_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_ring, answer).startswith("Right.")


def whole_vectors(vectors, pass_on):
    sums, travelling = [vector.clone() for vector in vectors], vectors
    for _ in range(len(vectors) - 1):
        travelling = pass_on(travelling)
        sums = [a + b for a, b in zip(sums, travelling, strict=True)]
    return sums


def there_and_back(vectors, pass_on):
    """Rank 0's sum collects on one way round, and is told on the next."""
    p, empty, sums = len(vectors), vectors[0][:0], [vector.clone() for vector in vectors]
    for k in range(2 * (p - 1)):
        received = pass_on([sums[r] if r == k % p else empty for r in range(p)])
        r = (k + 1) % p
        sums[r] = received[r] + (sums[r] if k < p - 1 else 0)
    return sums


def no_second_half(vectors, pass_on):
    p = len(vectors)
    parts = [list(torch.tensor_split(vector, p)) for vector in vectors]
    for k in range(p - 1):
        received = pass_on([parts[r][(r - k) % p] for r in range(p)])
        for r in range(p):
            parts[r][(r - k - 1) % p] = parts[r][(r - k - 1) % p] + received[r]
    return [torch.cat(part) for part in parts]


def no_passing(vectors, pass_on):
    return [sum(vectors)] * len(vectors)


def passing_for_show(vectors, pass_on):
    p = len(vectors)
    for _ in range(2 * (p - 1)):
        pass_on([vector[: -(-len(vector) // p)] for vector in vectors])
    return no_passing(vectors, pass_on)


def one_number_at_a_time(vectors, pass_on):
    columns = [ring([v[i : i + 1] for v in vectors], pass_on) for i in range(len(vectors[0]))]
    return [torch.cat([column[r] for column in columns]) for r in range(len(vectors))]


def of_four(vectors, pass_on):
    """Right for four ranks only."""
    return ring(vectors, pass_on) if len(vectors) == 4 else whole_vectors(vectors, pass_on)


def short_tail(vectors, pass_on):
    """Forgets what is left when the numbers do not divide by the ranks."""
    p, n = len(vectors), len(vectors[0])
    kept = n // p * p
    rows = ring([vector[:kept] for vector in vectors], pass_on)
    return [torch.cat([row, vector[kept:]]) for row, vector in zip(rows, vectors, strict=True)]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (whole_vectors, "the sums are right. In 3 rounds a rank sent 36 numbers; 18 in 6 rounds"),
        (there_and_back, "a rank sent 24 numbers; 18 in 6 rounds"),
        (no_second_half, "the sum over the ranks is"),
        (no_passing, "do not come from what was passed on (0 numbers in all)"),
        (passing_for_show, "do not come from what was passed on (72 numbers in all)"),
        (one_number_at_a_time, "4 ranks, 12 numbers each"),
        (of_four, "3 ranks"),
        (short_tail, "5 ranks, 17 numbers each: rank"),
        (lambda v, wire: ring(v, wire, add=lambda old, new: new), "the sum over the ranks is"),
        (lambda v, wire: ring(v, wire, add=lambda old, new: (old + new) / 2), "the sum over"),
        (lambda v, wire: [row / len(v) for row in ring(v, wire)], "the sum over the ranks is"),
        (lambda v, wire: ring(v[::-1], wire)[:-1], "expected 4 vectors, one for each rank"),
        (lambda v, wire: v, "rank "),
        (lambda v, wire: ring(v, wire, torch.chunk), "4 ranks, 9 numbers each: your code stopped"),
        (lambda v, wire: ring(v, wire)[0], "expected 4 vectors"),
        (lambda v, wire: [row[:3] for row in ring(v, wire)], "expected finite numbers of shape"),
        (lambda v, wire: [row * math.nan for row in ring(v, wire)], "expected finite numbers"),
        (lambda v, wire: wire(v[:2]), "pass_on needs 4 messages, one a rank, got 2"),
        (lambda v, wire: wire([None] * 4), "your code stopped with"),
        (lambda v, wire: ring(v, lambda m: wire(m) and wire(m)), "4 ranks"),
        (lambda v, wire: dict(enumerate(ring(v, wire))), "expected 4 vectors"),
        (lambda v, wire: "sums", "expected 4 vectors"),
        (lambda v, wire: None, "expected 4 vectors"),
        (lambda v, wire: ring(v, wire, first=1 / 0), "stopped with ZeroDivisionError"),
        (endless, "no answer within"),
    ],
)
def test_a_ring_is_judged_by_its_sums_and_by_what_it_sends(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_ring, answer)
    assert text.startswith("Not yet.") and reason in text


def by_turns(w, gradient, order, lr, batch_size, ranks, cut=lambda batch, p: batch.tensor_split(p)):
    """Each step's examples dealt to the ranks, whose gradients are averaged."""
    for batch in order.split(ranks * batch_size):
        shares = cut(batch, ranks)
        w = w - lr * sum(gradient(r, w, share) for r, share in enumerate(shares)) / ranks
    return w


def by_sampler(w, gradient, order, lr, batch_size, ranks):
    """As DistributedSampler deals: every rank-th of the epoch, then batches of them."""
    mine = [order[rank::ranks].split(batch_size) for rank in range(ranks)]
    for shares in zip(*mine, strict=True):
        grads = [gradient(rank, w, share) for rank, share in enumerate(shares)]
        w -= lr * torch.stack(grads).mean(0)
    return w


def by_lists(w, gradient, order, lr, batch_size, ranks):
    order, size = order.tolist(), ranks * batch_size
    for k in range(0, len(order), size):
        now = order[k : k + size]
        grads = [gradient(r, w, now[r::ranks]).numpy() for r in reversed(range(ranks))]
        w = torch.from_numpy(w.numpy() - lr * np.mean(grads, axis=0))
    return w.tolist()


def by_a_loop_over_ranks(w, gradient, order, lr, batch_size, ranks):
    for batch in order.split(ranks * batch_size):
        total = torch.zeros_like(w)
        for rank in range(ranks):
            total += gradient(rank, w, batch[rank::ranks])
        w = w - lr / ranks * total
    return w


@pytest.mark.parametrize("answer", [by_turns, by_sampler, by_lists, by_a_loop_over_ranks])
def test_ranks_that_share_are_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_ranks, answer).startswith("Right.")


def everything(w, gradient, order, lr, batch_size, ranks):
    for batch in order.split(batch_size):
        grads = [gradient(rank, w, batch) for rank in range(ranks)]
        w = w - lr * torch.stack(grads).mean(0)
    return w


def large_batches_for_all(w, gradient, order, lr, batch_size, ranks):
    return everything(w, gradient, order, lr, ranks * batch_size, ranks)


def one_rank_works(w, gradient, order, lr, batch_size, ranks):
    for batch in order.split(ranks * batch_size):
        w = w - lr * gradient(0, w, batch)
    return w


def takes_turns(w, gradient, order, lr, batch_size, ranks):
    """One rank after the other: every example once, but each step sees one rank's."""
    for k, batch in enumerate(order.split(batch_size)):
        w = w - lr * gradient(k % ranks, w, batch)
    return w


def nobody_tells(w, gradient, order, lr, batch_size, ranks):
    """Each rank goes its own way; the ends are averaged."""
    ends = []
    for rank in range(ranks):
        own = w
        for share in order[rank::ranks].split(batch_size):
            own = own - lr * gradient(rank, own, share)
        ends.append(own)
    return torch.stack(ends).mean(0)


def only_rank_0_counts(w, gradient, order, lr, batch_size, ranks):
    for batch in order.split(ranks * batch_size):
        grads = [gradient(r, w, share) for r, share in enumerate(batch.tensor_split(ranks))]
        w = w - lr * grads[0]
    return w


def stretches(w, gradient, order, lr, batch_size, ranks):
    """A quarter of the epoch for each: shares, but a step's examples are not those of one."""
    mine = [part.split(batch_size) for part in order.chunk(ranks)]
    for shares in zip(*mine, strict=True):
        grads = [gradient(rank, w, share) for rank, share in enumerate(shares)]
        w = w - lr * torch.stack(grads).mean(0)
    return w


def same_share(w, gradient, order, lr, batch_size, ranks):
    for batch in order.split(ranks * batch_size):
        grads = [gradient(rank, w, batch[::ranks]) for rank in range(ranks)]
        w = w - lr * torch.stack(grads).mean(0)
    return w


def drops_the_tail(w, gradient, order, lr, batch_size, ranks):
    kept = len(order) // (ranks * batch_size) * ranks * batch_size
    return by_turns(w, gradient, order[:kept], lr, batch_size, ranks)


def unequal_tail(w, gradient, order, lr, batch_size, ranks):
    for batch in order.split(ranks * batch_size):
        shares = batch.split(batch_size)
        w = w - lr * sum(gradient(r, w, share) for r, share in enumerate(shares)) / ranks
    return w


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (everything, "the ranks computed 96, 96, 96, 96 gradients, 384 in all; the epoch has 96"),
        (large_batches_for_all, "384 in all"),
        (one_rank_works, "the ranks computed 96, 0, 0, 0 gradients"),
        (takes_turns, "one process with batches of 32 ends at"),
        (nobody_tells, "one process with batches of 32 ends at"),
        (only_rank_0_counts, "one process with batches of 32 ends at"),
        (stretches, "one process with batches of 32 ends at"),
        (same_share, "one process with batches of 32 ends at"),
        (drops_the_tail, "4 ranks, 72 examples"),
        (unequal_tail, "4 ranks, 72 examples"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o, lr * p, b, p), "batches of 32 ends at"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o, lr / p, b, p), "batches of 32 ends at"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o.sort().values, lr, b, p), "ends at"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o, lr, b, 4), "2 ranks, 64 examples"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o, lr, 8, p), "batches of 32 ends at"),
        (lambda w, g, o, lr, b, p: w, "the ranks computed 0, 0, 0, 0 gradients"),
        (lambda w, g, o, lr, b, p: [by_turns(w, g, o, lr, b, p)] * p, "numbers of shape (3,)"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o, lr, b, p) * math.nan, "finite numbers"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o, lr, b, p + 1), "stopped with IndexError"),
        (lambda w, g, o, lr, b, p: by_turns(w, g, o, lr, b, p) and None, "your code stopped"),
        (lambda w, g, o, lr, b, p: None, "returned None"),
        (endless, "no answer within"),
    ],
)
def test_ranks_are_judged_by_their_work_and_their_weights(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_ranks, answer)
    assert text.startswith("Not yet.") and reason in text


def test_checks_are_quick(capsys):
    began = time.process_time()
    said(capsys, checks.check_delayed_lr, longest)
    said(capsys, checks.check_ring, ring)
    said(capsys, checks.check_ranks, by_turns)
    assert time.process_time() - began < 5
