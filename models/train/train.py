#!/usr/bin/env python3
"""Trains the `carryout` detector. README.md has the commands; `--help` the options.

Weights are averaged over the last steps (Polyak), so a checkpoint is good at any moment. It is written every minute.
"""

import argparse
import copy
import queue
import random
import threading
import time

import numpy as np
import torch

import frames as data
from loss import loss
from net import Net, cost
from shipped import unfolded


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", required=True, action="append", help="folder of `simulate --drawn training --frames`; may be repeated")
    parser.add_argument("--out", required=True, help="checkpoint to write")
    parser.add_argument("--begin", help="checkpoint to begin from, or a shipped .onnx")
    parser.add_argument("--steps", type=int, default=100_000, help="batches")
    parser.add_argument("--minutes", type=float, help="end after this time instead, the learning rate with it")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, nargs=2, default=(384, 320), help="width, height of a lesson's piece of a picture")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true", help="compute in bfloat16, weights in float32: 2.2 times as fast on a processor with AVX-512 BF16")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def gather(roots, seed):
    lessons, rng = [], random.Random(seed)
    for root in roots:
        for folder in data.folders(root):
            # Held-back shops are for measuring, whatever somebody types.
            if "-h-" in folder.name:
                raise SystemExit(f"training on {folder}: its shop is held back; export frames with --drawn training")
            lessons += data.read(folder, rng)
    if not lessons:
        raise SystemExit(f"reading frames: none in {roots}; `carryout simulate --drawn training --frames DIR` writes them")
    return lessons


def ahead(batches, depth=4):
    """The same, made by a thread of its own while the network computes."""
    waiting = queue.Queue(depth)

    def work():
        for batch in batches:
            waiting.put([torch.from_numpy(part) for part in batch])

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield waiting.get()


def rate_at(progress, most):
    """One cycle: up over the first twentieth, then down along a cosine to a hundredth."""
    if progress < 0.05:
        return most * (0.1 + 0.9 * progress / 0.05)
    return most * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * min(1.0, (progress - 0.05) / 0.95))))


def main():
    options = arguments()
    random.seed(options.seed)
    np.random.seed(options.seed)
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    lessons = gather(options.frames, options.seed)
    net = Net()
    print("%.0f M multiply-adds a picture, %d parameters; %d frames" % (cost(net)[0] / 1e6, cost(net)[1], len(lessons)), flush=True)
    if options.begin and options.begin.endswith(".onnx"):
        unfolded(options.begin, net, torch.from_numpy(next(data.batches(lessons, 256, tuple(options.size), options.seed))[0]))
    elif options.begin:
        net.load_state_dict(torch.load(options.begin)["net"])
    net = net.to(memory_format=torch.channels_last).train()
    mean = copy.deepcopy(net).eval()
    decay = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}], lr=options.rate)
    begun = saved = told = time.monotonic()
    sums, count, step, seen = {}, 0, 0, 0
    for batch in ahead(data.batches(lessons, options.batch, tuple(options.size), options.seed)):
        minutes = (time.monotonic() - begun) / 60
        progress = step / options.steps if options.minutes is None else minutes / options.minutes
        ended = progress >= 1
        if not ended:
            for group in optimiser.param_groups:
                group["lr"] = rate_at(progress, options.rate)
            picture, *lesson = batch
            with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
                heat, regressions = net(picture.contiguous(memory_format=torch.channels_last))
            total, parts = loss(heat.float(), regressions.float(), lesson)
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimiser.step()
            step, seen = step + 1, seen + len(picture)
            # Averages over about 150 steps, fewer at the very beginning.
            keep = min(1 - 1 / 150, (1 + step) / (10 + step))
            with torch.no_grad():
                for ours, theirs in zip(mean.state_dict().values(), net.state_dict().values()):
                    ours.lerp_(theirs, 1 - keep) if ours.is_floating_point() else ours.copy_(theirs)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            count += 1
        now = time.monotonic()
        if (now - told > 20 or ended) and count:
            print(f"{minutes:5.1f} min  step {step}  lessons {seen}  " + "  ".join(f"{k} {v / count:.3f}" for k, v in sums.items()), flush=True)
            told, sums, count = now, {}, 0
        if now - saved > 60 or ended:
            torch.save({"net": mean.state_dict(), "raw": net.state_dict(), "step": step, "lessons": seen, "minutes": minutes, "frames": len(lessons)}, options.out)
            saved = now
        if ended:
            break


if __name__ == "__main__":
    main()
