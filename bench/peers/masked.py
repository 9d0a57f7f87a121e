"""The paper's method with masks: a unit is removed by its gate, which becomes 0, and the network keeps its size (Molchanov et al. 2019).

A gate z = 1 is a factor behind BatchNormalization, which is never trained; channels that can only be removed together share one. The importance of a unit
is (dE/dz)^2 for the mean loss E of a minibatch, averaged over the minibatches between two removals, then with 0.9 of the past over removals.
"""

import json

import torch
from torch.nn import functional as F

from learning import read_net, read_samples, sgd


class MaskedPruning:
    """One step is what lies between two removals: some minibatches of learning, then the removal."""

    past = 0.9

    def __init__(self, case):
        self.net = read_net(case).train()
        self.optimiser = sgd(self.net, case["learningRate"])
        x, y = read_samples(case)
        self.batches = list(zip(x.split(case["batch"]), y.split(case["batch"])))
        self.every = case["every"]
        # Where the other side splits minibatches, statistics are those of parts: here too, so that both compute the same.
        self.parts = case.get("workers", 1)
        self.seen = 0
        self.average = self.first = None
        with open(case["groups"]) as file:
            groups = json.load(file)
        self.names = [group["name"] for group in groups]
        self.group_of = [i for i, group in enumerate(groups) for _ in group["units"]]
        self.sizes = [len(group["units"]) for group in groups]
        self.left = list(self.sizes)
        self.gates = torch.ones(len(self.group_of), requires_grad=True)
        self.add_gates([places for group in groups for places in group["units"]])

    def add_gates(self, units):
        """Multiplies what BatchNormalizations put out by the gates of units, each a list of (BatchNormalization, channel)."""
        modules = dict(self.net.named_modules())
        gate_of = {name: [None] * modules[name].num_features for places in units for name, _ in places}
        for unit, places in enumerate(units):
            for name, channel in places:
                gate_of[name][channel] = unit
        for name, of in gate_of.items():
            if None in of:
                raise ValueError(f"channel {of.index(None)} of {name} belongs to no unit")

            def gate(_, __, output, index=torch.tensor(of)):
                return output * self.gates[index].view(1, -1, 1, 1)

            modules[name].register_forward_hook(gate)

    def step(self, remove):
        samples = torch.zeros(len(self.gates), dtype=torch.float64)
        total = 0
        for _ in range(self.every):
            x, y = self.batches[self.seen % len(self.batches)]
            self.seen += 1
            self.optimiser.zero_grad(set_to_none=True)
            self.gates.grad = None
            for part_x, part_y in zip(x.chunk(self.parts), y.chunk(self.parts)):
                loss = F.cross_entropy(self.net(part_x), part_y) / self.parts
                loss.backward()
                total += loss.item()
            self.optimiser.step()
            sample = self.gates.grad.double() ** 2
            if self.first is None:
                self.first = sample
            samples += sample
        now = samples / self.every
        self.average = now if self.average is None else self.past * self.average + (1 - self.past) * now
        return {"loss": total / self.every, "removed": self.remove(remove)}

    def remove(self, count):
        """Masks the least important units of the whole net; one unit of every group stays."""
        removed = []
        with torch.no_grad():
            for unit in self.average.argsort().tolist():
                group = self.group_of[unit]
                if len(removed) == count:
                    break
                if self.gates[unit] == 0 or self.left[group] == 1:
                    continue
                self.gates[unit] = 0
                self.left[group] -= 1
                removed.append(unit)
        return sorted(removed)

    def results(self):
        """The importances that the first minibatch gave, by group."""
        return dict(zip(self.names, self.first.split(self.sizes)))
