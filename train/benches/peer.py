"""The notebook's network trained by PyTorch eager, data in memory: prints
beats per second. Usage: peer.py BEATS BATCH THREADS"""

import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

beats, batch, threads = map(int, sys.argv[1:4])
torch.manual_seed(0)
torch.set_num_threads(threads)


class Block(nn.Module):
    def __init__(self, inputs, outputs, pool):
        super().__init__()
        self.conv1 = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.norm1 = nn.BatchNorm1d(outputs)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.norm2 = nn.BatchNorm1d(outputs)
        self.shortcut = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv1d(inputs, outputs, 1), nn.BatchNorm1d(outputs))
        self.pool = nn.MaxPool1d(2) if pool else nn.Identity()

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.pool(F.relu(y + self.shortcut(x)))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(
            Block(1, 32, True), Block(32, 64, True), Block(64, 128, True), Block(128, 128, False)
        )
        self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 5))

    def forward(self, x):
        return self.head(self.blocks(x).mean(-1))


def focal(logits, labels):
    log_p = F.log_softmax(logits, -1)
    own = log_p.gather(1, labels[:, None]).squeeze(1)
    return (-own * (1 - own.exp()) ** 2).mean()


network = Network()
assert sum(p.numel() for p in network.parameters()) == 215_269
optimiser = torch.optim.Adam(network.parameters(), 1e-3)
windows, labels = torch.rand(beats, 1, 187), torch.randint(0, 5, (beats,))


def epoch():
    for rows in torch.randperm(beats).split(batch):
        optimiser.zero_grad()
        focal(network(windows[rows]), labels[rows]).backward()
        optimiser.step()


for rows in torch.randperm(batch * 4).split(batch):  # warm-up
    focal(network(windows[rows]), labels[rows]).backward()
start = time.perf_counter()
epoch()
print(beats / (time.perf_counter() - start))
