#!/usr/bin/env python3
"""Writes a checkpoint of train.py as models/carryout.onnx, checks that both say the same, and prints the sha256 for the manifest."""

import argparse
import hashlib

import numpy as np
import onnx
import onnxruntime
import torch

from net import CHANNELS, HEIGHT, WIDTH, Net, Shipped, cost

OUTPUTS = ["heat", "box", "points", "seen"]
# Of probabilities, and of lengths in strides: a thousandth of a pixel.
ALIKE = 1e-4


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("out")
    options = parser.parse_args()
    saved = torch.load(options.checkpoint)
    net = Net()
    net.load_state_dict(saved["net"])
    shipped = Shipped(net).eval()
    picture = torch.zeros(1, CHANNELS, HEIGHT, WIDTH)
    names = ["picture", *OUTPUTS]
    torch.onnx.export(
        shipped, (picture,), options.out, input_names=names[:1], output_names=OUTPUTS, opset_version=17, dynamo=False,
        dynamic_axes={name: {0: "n"} for name in names},
    )
    onnx.checker.check_model(options.out)
    session = onnxruntime.InferenceSession(options.out, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    for n in (1, 3):
        # Blurred noise: a picture has large and small things.
        noise = rng.normal(size=(n, CHANNELS, HEIGHT // 16, WIDTH // 16)).repeat(16, 2).repeat(16, 3) + 0.2 * rng.normal(size=(n, CHANNELS, HEIGHT, WIDTH))
        noise = noise.astype(np.float32)
        with torch.no_grad():
            ours = [part.numpy() for part in shipped(torch.from_numpy(noise))]
        theirs = session.run(OUTPUTS, {"picture": noise})
        for name, a, b in zip(OUTPUTS, ours, theirs):
            assert a.shape == b.shape, (name, a.shape, b.shape)
            # Two equal neighbours may each be the peak by a rounding error; where both see one they must agree.
            both = (a > 0) & (b > 0) if name == "heat" else np.ones(a.shape, bool)
            worst = float(np.abs(a - b)[both].max(initial=0.0))
            print(f"{name} {list(a.shape)}: at most {worst:.1e} apart")
            assert worst < ALIKE, (name, worst)
    with open(options.out, "rb") as file:
        content = file.read()
    print(f"{cost(net)[0] / 1e6:.0f} M multiply-adds a picture, {cost(net)[1]} parameters, {len(content)} bytes")
    print({key: value for key, value in saved.items() if key not in ("net", "raw")})
    print(f'sha256 = "{hashlib.sha256(content).hexdigest()}"')


if __name__ == "__main__":
    main()
