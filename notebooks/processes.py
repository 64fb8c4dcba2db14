"""The processes of chapter 9. Each of them runs this file from top to bottom.

torchrun --standalone --local-addr=127.0.0.1 --nproc-per-node=2 processes.py FOLDER SEED

Chapter 9 says what to change for 8 GPUs and for 1,000: the command, not this file. Process 0
writes what was measured to FOLDER/results.pt; ``train`` writes its checkpoints to FOLDER.
"""

import os
import sys
from contextlib import nullcontext, suppress
from datetime import timedelta
from pathlib import Path

import psutil
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe
from torch.distributed.tensor import DTensor
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def join() -> tuple[int, int, torch.device]:
    """Meet the other processes: my number, how many we are, and my own device."""
    if torch.cuda.is_available():
        backend, device = "nccl", torch.device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(device)
    else:
        backend, device = "gloo", torch.device("cpu")
    patience = timedelta(minutes=10 if backend == "nccl" else 1)
    dist.init_process_group(backend, timeout=patience)
    return dist.get_rank(), dist.get_world_size(), device


def network(seed: int) -> nn.Sequential:
    """The same network, with the same weights, in every process that is given this seed."""
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    with torch.no_grad():
        for w in net.parameters():
            w.copy_(torch.randn(w.shape, generator=generator) / w.shape[-1] ** 0.5)
    return net.to(device)


def weights(net: nn.Module) -> Tensor:
    """All weights in one row, on the processor."""
    return torch.cat([w.detach().flatten() for w in net.parameters()]).cpu()


def gathered(value):
    """What every process has, as a list in the order of their numbers."""
    values = [None] * processes
    dist.all_gather_object(values, value)
    return values


# ---- Data parallelism: each process has all weights, and its own examples


def by_hand(net, x, y, share=True):
    """Descent: each process sees its own batches, and gradients are averaged."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for k in range(len(x)):
        optimizer.zero_grad()
        mse_loss(net(x[k, rank]), y[k, rank]).backward()
        for w in net.parameters():
            if share:
                dist.all_reduce(w.grad)  # now the sum over all, in each of them
                w.grad /= processes
        optimizer.step()
    return weights(net)


def with_ddp(net, x, y):
    """The same descent as PyTorch writes it: backward() averages."""
    net = DistributedDataParallel(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for k in range(len(x)):
        optimizer.zero_grad()
        mse_loss(net(x[k, rank]), y[k, rank]).backward()
        optimizer.step()
    return weights(net)


def unequal_parts(net, x, y, cure=False):
    """One step where process 0 has 8 examples and every other process 7."""
    size = 8 if rank == 0 else 7
    everyone = 8 + 7 * (processes - 1)
    net = DistributedDataParallel(net)
    loss = mse_loss(net(x[0, rank, :size]), y[0, rank, :size])
    if cure:
        loss = loss * size * processes / everyone
    loss.backward()
    torch.optim.SGD(net.parameters(), lr=0.05).step()
    return weights(net)


def sent() -> int:
    """Bytes that this process has written so far (Linux): to files and to other processes."""
    return psutil.Process().io_counters().write_chars


def bytes_of(action) -> list[int]:
    """What every process sends in one ``action``; a first one warms up."""
    action()
    dist.barrier()
    before = sent()
    action()
    return gathered(sent() - before)


def accumulate(net, x, y, sync_each):
    """Four micro-batches; gradients travel after each, or after the last."""
    net.zero_grad()
    for k in range(4):
        travels = sync_each or k == 3
        with nullcontext() if travels else net.no_sync():
            (mse_loss(net(x[k, rank]), y[k, rank]) / 4).backward()
    return torch.cat([w.grad.flatten() for w in net.parameters()]).cpu()


# ---- Models that do not fit: each process has a part of the numbers


def held(tensors) -> int:
    """Bytes of what lies in this process."""
    parts = [t.to_local() if isinstance(t, DTensor) else t for t in tensors]
    return sum(part.nbytes for part in parts)


def memory(net, optimizer) -> dict[str, int]:
    """Bytes of the weights, of their gradients, and of what the optimiser remembers."""
    averages = [a for s in optimizer.state.values() for a in s.values() if a.dim()]
    grads = [w.grad for w in net.parameters()]
    return {"weights": held(net.parameters()), "grads": held(grads), "adam": held(averages)}


def five_steps(net, optimizer, x, y):
    for k in range(5):
        optimizer.zero_grad()
        mse_loss(net(x[k, rank]), y[k, rank]).backward()
        optimizer.step()


def replicated(net, x, y):
    """DDP with Adam: everything lies in every process."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    five_steps(DistributedDataParallel(net), optimizer, x, y)
    return weights(net), gathered(memory(net, optimizer))


def sharded_optimizer(net, x, y):
    """DDP, but each process has Adam's averages of its tensors only."""
    optimizer = ZeroRedundancyOptimizer(net.parameters(), torch.optim.Adam, lr=0.01)
    five_steps(DistributedDataParallel(net), optimizer, x, y)
    return weights(net), gathered(memory(net, optimizer.optim))


def whole(net: nn.Module) -> Tensor:
    """All weights of a sharded network in one row, in every process."""
    return torch.cat([w.full_tensor().detach().flatten() for w in net.parameters()]).cpu()


def fully_sharded(net, x, y):
    """Each process keeps a p-th of all; a layer is whole while it works."""
    for layer in net:
        if isinstance(layer, nn.Linear):
            fully_shard(layer)
    fully_shard(net)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    five_steps(net, optimizer, x, y)
    return whole(net), gathered(memory(net, optimizer))


def columns_and_rows(x, first, second, share=True):
    """Two layers dealt out by hidden units; one sum brings the parts together."""
    mine = first.tensor_split(processes)[rank].clone().requires_grad_()
    back = second.tensor_split(processes, dim=1)[rank]
    part = torch.tanh(x @ mine.T) @ back.T
    total = part.detach().clone()
    if share:
        dist.all_reduce(total)
    out = part + (total - part.detach())  # value of the sum, slope of the part
    out.square().mean().backward()
    return total.cpu(), torch.cat(gathered(mine.grad.cpu()))


def pipeline(stages, x, y):
    """One stage of the network in each process; four micro-batches walk through."""
    stage = PipelineStage(stages[rank], rank, processes, device)
    schedule = ScheduleGPipe(stage, n_microbatches=4, loss_fn=mse_loss)
    schedule.step(*[x] * stage.is_first, target=y if stage.is_last else None)
    grads = torch.cat([w.grad.flatten() for w in stages[rank].parameters()])
    return torch.cat(gathered(grads.cpu()))


# ---- All of it together: sharded, saved after each epoch, and a sampler that deals the examples


def state_of(net, optimizer):
    """What a checkpoint must hold; each process has its own part of it."""
    model, memory = get_state_dict(net, optimizer)
    return {"model": model, "optimizer": memory}


def train(net, data, epochs, folder, done=0):
    """Train a sharded network from the checkpoint after ``done`` epochs on."""
    fully_shard(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.003)
    sampler = DistributedSampler(data, seed=7)
    if done:
        state = state_of(net, optimizer)
        dcp.load(state, checkpoint_id=folder / f"epoch-{done}")
        set_state_dict(net, optimizer, model_state_dict=state["model"],
                       optim_state_dict=state["optimizer"])  # fmt: skip
    for epoch in range(done, epochs):
        sampler.set_epoch(epoch)  # another order every epoch
        for x, y in DataLoader(data, batch_size=8, sampler=sampler):
            optimizer.zero_grad()
            mse_loss(net(x.to(device)), y.to(device)).backward()
            optimizer.step()
        here = folder / f"epoch-{epoch + 1}"
        dcp.save(state_of(net, optimizer), checkpoint_id=here)
    return whole(net)


def read_alone(checkpoint: Path) -> Tensor:
    """All weights of a checkpoint, read by one process without the others."""
    dcp_to_torch_save(checkpoint, checkpoint / "whole.pt")  # one ordinary file
    state = torch.load(checkpoint / "whole.pt", weights_only=True)
    return torch.cat([w.flatten() for w in state["model"].values()])


# ---- What chapter 9 measures


def examples(generator, *shape):
    """Inputs of 6 numbers and noisy targets of 2, by (step, process, example)."""
    x = torch.randn(*shape, 6, generator=generator)
    y = torch.stack([x.sin().sum(-1), x.cos().sum(-1)], -1)
    return x, y + 0.1 * torch.randn(y.shape, generator=generator)


def one_descent(seed, x, y):
    return {
        "by hand": gathered(by_hand(network(seed), x, y)),
        "ddp": gathered(with_ddp(network(seed), x, y)),
        "alone": gathered(by_hand(network(seed), x, y, share=False)),
        "unequal": unequal_parts(network(seed), x, y),
        "unequal, cured": unequal_parts(network(seed), x, y, cure=True),
    }


def traffic(seed, x, y):
    net = DistributedDataParallel(network(seed))
    found = {"each": accumulate(net, x, y, True), "last": accumulate(net, x, y, False)}
    if device.type == "cuda":
        return found  # what goes between GPUs passes by this counter
    with suppress(AttributeError, psutil.Error):  # only Linux counts, and not everywhere
        message = torch.zeros(500_000, device=device)  # 4 MB
        found["bytes of all_reduce"] = bytes_of(lambda: dist.all_reduce(message))
        found["bytes of broadcast"] = bytes_of(lambda: dist.broadcast(message, 0))
        found["bytes each"] = bytes_of(lambda: accumulate(net, x, y, True))
        found["bytes last"] = bytes_of(lambda: accumulate(net, x, y, False))
    return found


def parts_of_a_model(seed, x, y, first, second, wide):
    stages = [network(seed + n)[2:4] for n in range(processes)]  # 64 numbers in, 64 out
    x4, y4 = x.float(), y.float()
    return {
        "replicated": replicated(network(seed).float(), x4, y4),
        "sharded optimiser": sharded_optimizer(network(seed).float(), x4, y4),
        "fully sharded": fully_sharded(network(seed).float(), x4, y4),
        "columns": columns_and_rows(x[0, 0], first, second),
        "columns, alone": columns_and_rows(x[0, 0], first, second, share=False),
        "stages": torch.cat([weights(stage) for stage in stages]),
        "pipeline": pipeline(stages, wide, wide.cos()),
    }


def stop_and_go_on(seed, x, y, folder):
    """Two epochs in one go; and one, then another from its checkpoint, by a new network."""
    data = TensorDataset(x.flatten(0, 2).cpu(), y.flatten(0, 2).cpu())
    straight = train(network(seed), data, 2, folder / "straight")
    train(network(seed), data, 1, folder / "stopped")
    resumed = train(network(seed + 1), data, 2, folder / "stopped", done=1)
    read = [read_alone(folder / "stopped" / f"epoch-{n}") for n in (1, 2)] if rank == 0 else []
    return {"straight": straight, "resumed": resumed, "read": read}


def main(folder: Path, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = (t.to(device) for t in examples(generator, 50, processes, 8))
    matrices = [torch.randn(*s, generator=generator) for s in ((64, 6), (3, 64), (8, 64))]
    found = {"x": x.cpu(), "y": y.cpu(), "matrices": matrices}
    found["start"] = weights(network(seed))
    found |= one_descent(seed, x, y)
    found |= traffic(seed, x, y)
    found |= parts_of_a_model(seed, x, y, *(m.to(device) for m in matrices))
    found |= stop_and_go_on(seed, x, y, folder)
    if rank == 0:
        torch.save(found, folder / "results.pt")


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    rank, processes, device = join()
    main(Path(sys.argv[1]), int(sys.argv[2]))
    dist.destroy_process_group()
