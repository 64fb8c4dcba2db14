"""Trains a small network on the table that lies beside this file: python training.py"""

import csv
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

DATA = "data.csv"  # a line of names, then numbers; the last column is the target
CLASSES = True  # the target is a class, 0, 1, 2 …; False: it is a quantity
CODES = 0  # the other columns hold codes below this number; 0: they hold quantities
IN_TIME = False  # the last rows are the test; False: rows drawn at random
SEED, LR, BATCH_SIZE, EPOCHS, PATIENCE = 0, 0.1, 16, 60, 12
torch.set_default_dtype(torch.float64)  # as in the chapter, so that the digits agree
torch.set_num_threads(1)


def make_network(inputs, outputs, codes=0):
    return nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs))


def standardised(x, training):
    spread = training.std(0, correction=0)
    return (x - training.mean(0)) / (spread + (spread == 0))


def metric(outputs, y):  # R² of a quantity, AUC of two classes, accuracy of more
    if not CLASSES:
        return 1 - ((outputs - y).square().sum() / y.square().sum()).item()
    if outputs.shape[1] > 2:
        return (outputs.argmax(1) == y).double().mean().item()
    score = outputs[:, 1] - outputs[:, 0]
    ones, zeros = score[y == 1], score[y == 0].sort().values
    below = torch.searchsorted(zeros, ones) + torch.searchsorted(zeros, ones, right=True)
    return (below.double().mean() / 2 / len(zeros)).item()


with (Path(__file__).parent / DATA).open(newline="", encoding="utf-8") as file:
    table = torch.tensor([[float(value) for value in row] for row in list(csv.reader(file))[1:]])
features, target = table[:, :-1], table[:, -1:]
share = torch.arange(len(table)) / len(table)  # 0.6 train, 0.2 validate, 0.2 test
if not IN_TIME:  # at random, each class by itself
    dealing = torch.Generator().manual_seed(SEED)
    groups = target[:, 0] if CLASSES else torch.zeros(len(table))
    for group in groups.unique():
        rows = (groups == group).nonzero()[:, 0]
        share[rows] = torch.randperm(len(rows), generator=dealing) / len(rows)
parts = share < 0.6, (share >= 0.6) & (share < 0.8), share >= 0.8
x = features.long() if CODES else standardised(features, features[parts[0]])
y = target[:, 0].long() if CLASSES else standardised(target, target[parts[0]])
train, valid, test = ((x[part], y[part]) for part in parts)
torch.manual_seed(SEED)
kinds = int(target.max()) + 1 if CLASSES else 1
network = make_network(features.shape[1], kinds, *([CODES] if CODES else []))
criterion = nn.CrossEntropyLoss() if CLASSES else nn.MSELoss()
dealing = torch.Generator().manual_seed(SEED)
loader = DataLoader(TensorDataset(*train), BATCH_SIZE, shuffle=True, generator=dealing)
optimizer = torch.optim.SGD(network.parameters(), lr=LR, momentum=0.9)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
best, best_epoch, kept = float("inf"), 0, network.state_dict()
for epoch in range(1, EPOCHS + 1):
    for batch_x, batch_y in loader:
        loss = criterion(network(batch_x), batch_y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule.step()
    with torch.no_grad():
        held_out = criterion(network(valid[0]), valid[1]).item()
    if held_out < best:
        best, best_epoch = held_out, epoch
        kept = {name: w.clone() for name, w in network.state_dict().items()}
    if epoch - best_epoch == PATIENCE:
        break
network.load_state_dict(kept)
score = metric(network(test[0]), test[1])
print(f"best epoch {best_epoch}, validation loss {best:.6f}, test score {score:.6f}")
