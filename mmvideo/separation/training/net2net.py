"""A trained separator made wider or deeper, that gives what it gave: where to go on when the small one is full.

Deeper: blocks are added behind those of the trunk, and at first add nothing to the residual; so do exchanges between
faces.

Wider: every channel of the residual is doubled. Two equal channels leave LayerNorm's mean and variance as they were, so
all that reads the residual takes part of its weight from each of the two. The parts differ at random, their sum does
not: the twins learn different things from the first step on (Net2Net, Chen et al. 2016, arXiv:1511.05641).
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmvideo.errors import WeightsError
from mmvideo.separation.mouth_mask import MouthMask

_APART = 0.5
"""How far the twins' parts differ, in standard deviations of half of a weight."""


def grown_separator(small: MouthMask, config: dict) -> MouthMask:
    """Return a separator of `config`, wider or deeper or both, with the outputs of `small`.

    Raises:
        WeightsError: `config` differs in more than `dim`, `dilations` and `exchange`, or these do not continue the old
            ones.
    """
    talks, config = config.get("exchange"), {k: v for k, v in config.items() if k != "exchange"}
    if config["dim"] != small.config["dim"]:
        small = widened(small, {**config, "dilations": small.config["dilations"]})
    grown = deepened(small, config) if config["dilations"] != small.config["dilations"] else small
    if not talks:
        return grown
    talking = MouthMask.from_config({**config, "exchange": talks})
    talking.load_state_dict({**talking.state_dict(), **grown.state_dict()}, strict=True)
    return talking


@torch.no_grad()
def deepened(shallow: MouthMask, config: dict, *, seed: int = 0) -> MouthMask:
    """Return a separator of `config`, whose trunk goes on after that of `shallow`, with the outputs of `shallow`.

    Raises:
        WeightsError: `config` differs in more than `dilations`, or its first ones are not those of `shallow`.
    """
    old, new = shallow.config["dilations"], config["dilations"]
    if new[:len(old)] != old or {**config, "dilations": old} != shallow.config:
        raise WeightsError(f"A separator of {shallow.config} deepens to one that differs in nothing but dilations, "
                           f"which begin with {old}; {config} was asked for.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        deep = MouthMask.from_config(config)
    for block in deep.trunk["blocks"][len(old):]:
        block.out.weight.zero_()
        block.out.bias.zero_()
    deep.load_state_dict({**deep.state_dict(), **shallow.state_dict()}, strict=True)
    return deep


@torch.no_grad()
def widened(narrow: MouthMask, config: dict, *, seed: int = 0) -> MouthMask:
    """Return a separator of `config`, whose residual is a multiple as wide, with the outputs of `narrow`.

    Raises:
        WeightsError: `config` differs from the narrow one in more than `dim`, or its `dim` is no multiple.
    """
    old, new = narrow.config["dim"], config["dim"]
    if new % old or {**config, "dim": old} != narrow.config:
        raise WeightsError(f"A separator of {narrow.config} widens to one that differs in nothing but dim, a multiple "
                           f"of {old}; {config} was asked for.")
    times, generator = new // old, torch.Generator().manual_seed(seed)

    def shared_out(weight: Tensor) -> Tensor:
        """Share the columns that read the residual among the copies of a channel."""
        parts = torch.randn(times, *weight.shape, generator=generator) * weight.std() * _APART / times
        return torch.cat(list(weight / times + parts - parts.mean(0)), 1)

    wide = MouthMask.from_config(config)
    state = {}
    for name, x in narrow.state_dict().items():
        block, _, part = name.rpartition(".blocks.")
        if block == "lips" or name.startswith("lips."):
            state[name] = x
        elif (part.endswith("into.weight") and block) or name == "mask.weight":
            state[name] = shared_out(x)
        elif name == "join.weight":
            state[name] = torch.cat([shared_out(x[:, :old]), x[:, old:]], 1).repeat(times, 1)
        elif name == "mask.bias" or (part.endswith(("taps", "into.bias")) and block) or ".hidden_norm." in name:
            state[name] = x
        else:
            state[name] = torch.cat([x] * times)
    wide.load_state_dict(state, strict=True)
    return wide


__all__ = ["deepened", "grown_separator", "widened"]
