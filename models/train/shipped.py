"""A network that goes on from a shipped .onnx: `train.py --begin FILE.onnx`.

The file has every convolution with the normalisation behind it folded in. Here both are taken apart again: weights as large as fresh ones
would be, and statistics measured on lessons, so that the network says what the file says and learns as if it had never been folded.
"""

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from net import CHANNELS


def unfolded(path, net, lessons):
    """Fills `net` with what `path` says. `lessons`: pictures `[n, CHANNELS, height, width]`, some hundreds, as training shows them."""
    graph = onnx.load(path).graph
    saved = {part.name: torch.tensor(numpy_helper.to_array(part)) for part in graph.initializer}
    told = [[saved[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    rows = [list(part) for part in net.modules() if isinstance(part, nn.Sequential)]
    norms = {row[0]: row[1] for row in rows if isinstance(row[1], nn.BatchNorm2d)}
    ran = []
    with watching(net, nn.Conv2d, lambda module, _: ran.append(module)), torch.no_grad():
        # The file lists convolutions as they run.
        net.eval()(lessons[:1])
        # A file that looks at fewer planes than the network does: the others say nothing yet.
        weight, bias = told[0]
        told[0] = torch.cat([weight, weight.new_zeros(len(weight), max(0, CHANNELS - weight.shape[1]), *weight.shape[2:])], 1), bias
        if [part.weight.shape for part in ran] != [weight.shape for weight, _ in told]:
            raise SystemExit(f"beginning from {path}: it holds another network than net.py describes")
        for part, (weight, bias) in zip(ran, told):
            norm = norms.get(part)
            if norm is None:
                part.weight.copy_(weight), part.bias.copy_(bias)
                continue
            rms = weight.flatten(1).pow(2).mean(1).sqrt().clamp(min=1e-6)
            scale = weight[0].numel() ** -0.5 / rms
            part.weight.copy_(weight * scale[:, None, None, None])
            norm.running_mean.zero_(), norm.running_var.fill_(1 - norm.eps)
            norm.weight.copy_(1 / scale), norm.bias.copy_(bias)

    sums = {}

    def measure(norm, ins):
        n, mean, square = sums.get(norm, (0, 0.0, 0.0))
        sums[norm] = n + 1, mean + ins[0].mean((0, 2, 3)), square + ins[0].pow(2).mean((0, 2, 3))

    with watching(net, nn.BatchNorm2d, measure), torch.no_grad():
        for some in lessons.split(16):
            net(some)
        for norm, (n, mean, square) in sums.items():
            mean, variance = mean / n, (square / n - (mean / n) ** 2).clamp(min=1e-6)
            norm.bias += norm.weight * mean
            norm.weight *= (variance + norm.eps).sqrt()
            norm.running_mean.copy_(mean), norm.running_var.copy_(variance)


class watching:
    """Calls `see(module, inputs)` before every module of a kind runs."""

    def __init__(self, net, kind, see):
        self.hooks = [part.register_forward_pre_hook(see) for part in net.modules() if isinstance(part, kind)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()
