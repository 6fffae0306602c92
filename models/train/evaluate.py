#!/usr/bin/env python3
"""Measures a `carryout` .onnx on frames of held-back shops: the figures of models/carryout.md.

The answer is read as `src/perception/decode/carryout.rs` and the merging of boxes after it read it.
"""

import argparse
import random
import time

import numpy as np
import onnxruntime

import frames as data
from net import HEIGHT, KEYPOINTS, STRIDE, WIDTH

OUTPUTS = ["heat", "box", "points", "seen"]
# Asked for: whoever shows at least this share of their pixels, and of whose box at least this share is in the picture.
VISIBLE, WITHIN = 0.3, 0.3
HIT = 0.5  # overlap of whole boxes that is a hit
ABOUT = 0.3  # a box that covers somebody not asked for this much is no false alarm


def overlap(a, b):
    """Intersection over union, `[len(a), len(b)]`; boxes x0, y0, x1, y1."""
    a, b = np.asarray(a, float).reshape(-1, 1, 4), np.asarray(b, float).reshape(1, -1, 4)
    side = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    both = side.clip(0).prod(-1)
    area = lambda r: (r[..., 2:] - r[..., :2]).prod(-1)
    return both / np.maximum(area(a) + area(b) - both, 1e-9)


def merged(boxes, scores, most):
    """Greedy: of boxes that overlap more than `most` the surest stays."""
    order, kept = list(np.argsort(-scores, kind="stable")), []
    while order:
        best = order.pop(0)
        kept.append(best)
        if order:
            near = overlap(boxes[best], boxes[order])[0] > most
            order = [i for i, gone in zip(order, near) if not gone]
    return kept


def detections(session, frame, least, most):
    """Boxes `[m, 4]`, scores `[m]`, points `[m, K, 2]`, seen `[m, K]`; pixels."""
    tall, wide = frame.luma.shape
    taken = session.get_inputs()[0]
    picture = np.zeros((1, taken.shape[1], HEIGHT, WIDTH), np.float32)
    # A file from before it was told what differs takes the first plane alone.
    picture[0, :, :tall, :wide] = data.planes(frame.luma.astype(np.float32), data.doubled(frame.change, (wide, tall)))[: taken.shape[1]]
    began = time.perf_counter()
    heat, edges, points, seen = session.run(OUTPUTS, {taken.name: picture})
    spent = time.perf_counter() - began
    row, column = np.nonzero(heat[0, 0] >= least)
    score = heat[0, 0, row, column]
    middle = np.stack([column + 0.5, row + 0.5], 1) * STRIDE
    e = edges[0, :, row, column] * STRIDE
    boxes = np.concatenate([middle - e[:, :2], middle + e[:, 2:]], 1)
    spots = middle[:, None] + points[0, :, row, column].reshape(-1, len(KEYPOINTS), 2) * STRIDE
    kept = merged(boxes, score, most)
    return boxes[kept], score[kept], spots[kept], seen[0, :, row, column][kept], spent


def bend(lens, x, y):
    r2 = x * x + y * y
    radial = 1 + r2 * (lens["k1"] + r2 * (lens["k2"] + r2 * lens["k3"]))
    p1, p2 = lens["p1"], lens["p2"]
    return x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y


def on_floor(camera, spot, z=0.0):
    """The point at height `z` that the camera shows at pixel `spot`, metres; None above the horizon."""
    lens = camera["lens"]
    x0, y0 = (spot[0] - lens["cx"]) / lens["fx"], (spot[1] - lens["cy"]) / lens["fy"]
    x, y = x0, y0
    for _ in range(20):
        bx, by = bend(lens, x, y)
        x, y = x + x0 - bx, y + y0 - by
    u, v = x * lens["fx"] + lens["cx"], y * lens["fy"] + lens["cy"]
    p = np.array(camera["projection"])
    # (p0 - u p2) . (X, Y, z, 1) = 0 and the same for v: two lines on the plane.
    a = np.stack([p[0] - u * p[2], p[1] - v * p[2]])
    try:
        place = np.linalg.solve(a[:, :2], -(a[:, 2] * z + a[:, 3]))
    except np.linalg.LinAlgError:
        return None
    ahead = p[2] @ np.array([*place, z, 1.0]) > 0
    return place if ahead else None


def asked_for(p, size):
    if p.shown is None or p.visible < VISIBLE:
        return False
    w, h = size
    inside = (min(p.whole[2], w) - max(p.whole[0], 0)) * (min(p.whole[3], h) - max(p.whole[1], 0))
    return inside >= WITHIN * (p.whole[2] - p.whole[0]) * (p.whole[3] - p.whole[1])


def pairs(boxes, scores, people, least=HIT):
    """Greedy by score: index of a person for each box, or -1."""
    got, taken = np.full(len(boxes), -1), set()
    if len(people) and len(boxes):
        table = overlap(boxes, [p.whole for p in people])
        for i in np.argsort(-scores, kind="stable"):
            for j in np.argsort(-table[i]):
                if table[i, j] < least:
                    break
                if j not in taken:
                    got[i] = j
                    taken.add(j)
                    break
    return got


def measure(seen, threshold):
    """Hits, asked for, false alarms, and what the hits say, over `(frame, detections)`."""
    hits = asked = false = extra = 0
    errors = {name: [] for name in KEYPOINTS}
    hidden = {name: [] for name in KEYPOINTS}
    floor, head, known, swapped, hands, shares = [], [], [], [], [], {}
    for frame, (boxes, scores, spots, sure, _) in seen:
        tall, wide = frame.luma.shape
        sure_enough = scores >= threshold
        boxes, scores, spots, sure = boxes[sure_enough], scores[sure_enough], spots[sure_enough], sure[sure_enough]
        wanted = [p for p in frame.people if asked_for(p, (wide, tall))]
        others = [p for p in frame.people if not asked_for(p, (wide, tall))]
        got = pairs(boxes, scores, wanted)
        asked += len(wanted)
        for j, p in enumerate(wanted):
            key = ("alone", "few", "crowd")[(len(wanted) > 2) + (len(wanted) > 6)]
            found, of = shares.get(key, (0, 0))
            shares[key] = (found + int(j in got), of + 1)
            key = "half hidden" if p.visible < 0.6 else "well seen"
            found, of = shares.get(key, (0, 0))
            shares[key] = (found + int(j in got), of + 1)
        for i, j in enumerate(got):
            if j < 0:
                near = len(others) and overlap(np.clip(boxes[i], 0, [wide, tall] * 2), [np.clip(p.whole, 0, [wide, tall] * 2) for p in others]).max() >= ABOUT
                extra, false = extra + bool(near), false + (not near)
                continue
            hits += 1
            p = wanted[j]
            off = np.hypot(*(spots[i] - p.points).T)
            for k, name in enumerate(KEYPOINTS):
                inside = 0 <= p.points[k, 0] < wide and 0 <= p.points[k, 1] < tall
                (errors if p.seen[k] else hidden)[name].append(off[k]) if p.seen[k] or inside else None
                known.append(((sure[i, k] >= 0.5) == p.seen[k]))
            if p.seen[1] and p.seen[2]:
                other = np.hypot(*(spots[i, [2, 1]] - p.points[1:3]).T)
                swapped.append(other.sum() < off[1:3].sum())
                hands.extend(other if swapped[-1] else off[1:3])
            place = on_floor(frame.camera, spots[i, 3])
            if place is not None and 0 <= p.points[3, 0] < wide and 0 <= p.points[3, 1] < tall:
                floor.append((float(np.hypot(*(place - p.floor_m))), bool(p.seen[3])))
            if p.seen[0]:
                place = on_floor(frame.camera, spots[i, 0], p.head_m[2])
                if place is not None:
                    head.append(float(np.hypot(*(place - p.head_m[:2]))))
    return dict(hits=hits, asked=asked, false=false, extra=extra, errors=errors, hidden=hidden, floor=floor, head=head, known=known, swapped=swapped, hands=hands, shares=shares)


def middle(values):
    v = np.asarray(values, float)
    return "none" if not len(v) else f"median {np.median(v):.2f}, 90 % within {np.percentile(v, 90):.2f} ({len(v)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--frames", required=True, help="folder of `simulate --drawn held-back --frames`")
    parser.add_argument("--overlap", type=float, default=0.6, help="boxes that overlap more than this are one person")
    parser.add_argument("--threshold", type=float, help="of the score; the one with the best F1 otherwise")
    parser.add_argument("--every", type=int, default=1, help="only each n-th frame: a quick look")
    options = parser.parse_args()
    setup = onnxruntime.SessionOptions()
    setup.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(options.model, setup, providers=["CPUExecutionProvider"])
    seen, kinds = [], set()
    for folder in data.folders(options.frames):
        kinds.add(folder.name.split("-", 1)[1].rsplit("-", 2)[0])
        for frame in data.read(folder, random.Random(1))[:: options.every]:
            seen.append((frame, detections(session, frame, 0.05, options.overlap)))
    spent = sorted(d[-1] for _, d in seen)
    print(f"{len(seen)} pictures of {', '.join(sorted(kinds))}; {1e3 * spent[len(spent) // 2]:.1f} ms a picture on one core (median; fastest tenth {1e3 * spent[len(spent) // 10]:.1f})")
    best = None
    for threshold in [options.threshold] if options.threshold else np.arange(0.1, 0.71, 0.05):
        m = measure(seen, threshold)
        recall, precision = m["hits"] / max(1, m["asked"]), m["hits"] / max(1, m["hits"] + m["false"])
        f1 = 2 * recall * precision / max(1e-9, recall + precision)
        print(f"score >= {threshold:.2f}: recall {recall:.3f}, precision {precision:.3f}, F1 {f1:.3f}")
        if best is None or f1 > best[0]:
            best = (f1, threshold, m, recall, precision)
    _, threshold, m, recall, precision = best
    print(f"\nscore >= {threshold:.2f}, of people of whom >= {VISIBLE:.0%} of the pixels show and >= {WITHIN:.0%} of the box is in the picture:")
    print(f"  found {m['hits']} of {m['asked']} ({recall:.1%}), false alarms {m['false']} ({precision:.1%} right), boxes of people not asked for {m['extra']}")
    for key, (found, of) in sorted(m["shares"].items()):
        print(f"  found of {key}: {found} of {of} ({found / of:.1%})")
    for name in KEYPOINTS:
        print(f"  {name} seen, px: {middle(m['errors'][name])}; hidden: {middle(m['hidden'][name])}")
    print(f"  floor point seen, m: {middle([e for e, s in m['floor'] if s])}; hidden: {middle([e for e, s in m['floor'] if not s])}")
    print(f"  head seen, at its true height, m: {middle(m['head'])}")
    print(f"  seen or not, told rightly: {np.mean(m['known']):.1%}")
    print(f"  left and right hand, both seen, told the wrong way round: {np.mean(m['swapped']):.1%} ({len(m['swapped'])})")
    print(f"  hands, both seen, whichever is which, px: {middle(m['hands'])}")
    size_of = lambda frame: frame.luma.shape[::-1]
    near = share(seen, threshold, lambda frame, p: asked_for(p, size_of(frame)), ABOUT)
    print(f"  found if a box that overlaps by {ABOUT} is a hit: {near}")
    slivers = share(seen, threshold, lambda frame, p: p.shown is not None and p.visible >= VISIBLE, HIT)
    print(f"  found if slivers of people at the picture's edges count too (only visible >= {VISIBLE:.0%} asked): {slivers}")


def share(seen, threshold, wanted, least):
    """How many of the people for whom `wanted(frame, person)` holds have a box that overlaps theirs by `least`."""
    hits = asked = 0
    for frame, (boxes, scores, *_) in seen:
        keep, people = scores >= threshold, [p for p in frame.people if wanted(frame, p)]
        hits += int((pairs(boxes[keep], scores[keep], people, least) >= 0).sum())
        asked += len(people)
    return f"{hits} of {asked} ({hits / max(1, asked):.1%})"


if __name__ == "__main__":
    main()
