"""Frames of the synthetic shop (`carryout simulate --frames`) as lessons: pictures, and what the network should have said.

A lesson is a piece of a picture, turned into a variant of it: nearer or farther, mirrored, darker, noisier, blurred, with a
piece missing. Whoever is hardly to be seen is neither taught nor punished.

Beside each picture goes what differs in it from the shop without people, learned from the frames before it as the program learns it from a
camera's (`src/perception/background.rs`).
"""

import io
import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from net import CHANGE_STD, CHANNELS, KEYPOINTS, MEAN, STD, STRIDE

K = len(KEYPOINTS)
# Somebody of whom less than this share shows, or whose visible part is smaller than this many pixels either way, is
# not asked for.
LEAST_VISIBLE, LEAST_SIDE = 0.15, 9.0
# Width of a middle's bell in the heat map, in sizes of the visible part; in cells, at least and at most.
BELL, BELL_LEAST, BELL_MOST = 0.12, 0.6, 2.2
# Cells whose bell is above this also learn where the body is: the peak may be a cell off.
TAUGHT = 0.3
# The program looks this often while something moves; each look brings the shop without people a level nearer to the picture, and
# where somebody is found one in so many looks does.
LOOKS_A_SECOND, SLOWER = (4, 10), 128
# Of those who are to be seen so many are found, each edge of their boxes up to this share of a side off: where it stood must not be
# read from what has changed.
FOUND, OFF = 0.85, 0.12
# What differs where nothing is known of the shop: everything.
UNKNOWN = 255


@dataclass
class Person:
    whole: np.ndarray  # x0, y0, x1, y1 of the whole body, pixels
    shown: np.ndarray | None  # of what is visible of it
    visible: float  # share of the body's own pixels
    points: np.ndarray  # [K, 2] pixels
    seen: np.ndarray  # [K] bool
    floor_m: tuple = (0.0, 0.0)
    head_m: tuple = (0.0, 0.0, 0.0)


@dataclass
class Frame:
    luma: np.ndarray  # [height, width] u8
    change: np.ndarray  # [height / 2, width / 2] u8: luma and both colours together, levels apart from the shop without people
    people: list = field(default_factory=list)
    camera: dict | None = None  # of cameras.json: projection, lens
    shop: str = ""
    number: int = 0


def corners(box):
    x, y, w, h = box
    return np.array([x, y, x + w, y + h], np.float32)


def person(label):
    spots = [label[name] for name in KEYPOINTS]
    return Person(
        corners(label["box"]),
        corners(label["visible_box"]) if label["visible_box"] else None,
        label["visible"],
        np.array([s[:2] for s in spots], np.float32),
        np.array([s[2] for s in spots], bool),
        tuple(label["floor_m"]),
        tuple(label["head_m"]),
    )


class Background:
    """The shop without people as one camera sees it, at half the picture's size, as the program's own: for frames seconds apart."""

    def __init__(self, pictures, people, rng):
        """`pictures`: `[n, 3, height / 2, width / 2] u8`, Y, U and V; `people`: who is in each. Half of all cameras begin to look at an empty
        shop, the others at the first picture, whoever is in it."""
        self.rng, self.then = rng, None
        self.looks = rng.uniform(*LOOKS_A_SECOND)
        self.levels = pictures[0].astype(np.float32)
        if rng.random() < 0.5:
            unknown = np.ones(self.levels.shape[1:], bool)
            for picture, those in zip(pictures, people):
                free = unknown & ~self.covered([p.whole for p in those])
                self.levels[:, free] = picture[:, free]
                unknown &= ~free

    def covered(self, boxes):
        """Which pixels lie in one of them; pixels of the whole picture."""
        within = np.zeros(self.levels.shape[1:], bool)
        for box in boxes:
            x0, y0, x1, y1 = (max(0, int(round(v / 2))) for v in box)
            within[y0:y1, x0:x1] = True
        return within

    def found(self, p):
        """Somebody's box as a detector would tell it; None if it misses them."""
        if p.shown is None or p.visible < LEAST_VISIBLE or self.rng.random() > FOUND:
            return None
        sides = (p.whole[2:] - p.whole[:2])[[0, 1, 0, 1]]
        return p.whole + sides * [self.rng.uniform(-OFF, OFF) for _ in range(4)]

    def look(self, picture, people, seconds):
        """What differs in the picture taken at `seconds`, and on to the next."""
        steps = 0 if self.then is None else (seconds - self.then) * self.looks
        self.then = seconds
        change = np.minimum(np.abs(picture - np.round(self.levels)).sum(0), 255).astype(np.uint8)
        found = [box for box in map(self.found, people) if box is not None]
        most = np.where(self.covered(found), steps / SLOWER, steps)
        self.levels += np.clip(picture - self.levels, -most, most)
        return change


def halved(i420, height, width):
    """Y, U and V `[3, height / 2, width / 2]` of a picture `[height * 3 / 2, width]`."""
    u, v = i420[height:].reshape(2, height // 2, width // 2)
    return np.stack([i420[:height:2, ::2], u, v])


def read(folder, rng):
    """All frames of one shop: one folder of `simulate --frames`. Chance (`random.Random`) decides what its cameras knew when they began."""
    folder = Path(folder)
    cameras = {c["camera"]: c for c in json.loads((folder / "cameras.json").read_text())}
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    frames = []
    for name, camera in cameras.items():
        told = [label for label in labels if label["camera"] == name]
        if not told:
            continue
        width, height = told[0]["size"]
        pictures = np.fromfile(folder / f"{name}.i420", np.uint8).reshape(-1, height * 3 // 2, width)
        pictures = [pictures[label["frame"]] for label in told]
        small = [halved(picture, height, width) for picture in pictures]
        people = [[person(p) for p in label["people"]] for label in told]
        background = Background(small, people, rng)
        for label, picture, little, those in zip(told, pictures, small, people):
            change = background.look(little, those, label["t_us"] / 1e6)
            frames.append(Frame(picture[:height].copy(), change, those, camera, folder.name, label["frame"]))
    return frames


def folders(root):
    return sorted(p.parent for p in Path(root).glob("*/labels.jsonl"))


def variant(frame, size, rng):
    """A piece of a picture, `size` = width, height, as network input `[CHANNELS, height, width] f32`, and its people."""
    width, height = size
    tall, wide = frame.luma.shape
    scale = float(np.exp(rng.uniform(np.log(0.7), np.log(1.45))))
    full = (wide * scale, tall * scale)
    # Where the piece begins, in pixels of the scaled picture: around somebody, or anywhere; sometimes over its edges,
    # because the shipped network sees 24 rows of padding below every picture.
    around = [p for p in frame.people if p.shown is not None and p.visible >= LEAST_VISIBLE]
    origin = []
    target = rng.choice(around).shown * scale if around and rng.random() < 0.7 else None
    for axis, (length, piece) in enumerate(zip(full, size)):
        least, most = min(0.0, length - piece), max(0.0, length - piece + (24 if axis else 0))
        if target is not None:
            middle = (target[axis] + target[axis + 2]) / 2
            least, most = max(least, middle - piece * 0.9), min(most, middle - piece * 0.1)
        at = rng.uniform(least, most) if most > least else least
        # A third of the pieces have the picture's own corner, as the shipped network always has.
        origin.append(max(0.0, min(least, most)) if target is None and rng.random() < 0.33 else at)
    ox, oy = origin
    flip = rng.random() < 0.5
    # Piece pixel -> picture pixel.
    a, c = 1 / scale, ox / scale
    if flip:
        a, c = -a, (width + ox) / scale
    image = Image.fromarray(frame.luma)
    # PIL samples at pixel middles; labels have (0, 0) at the corner of the first pixel, so both agree.
    place = (a, 0, c, 0, 1 / scale, oy / scale)
    image = image.transform(size, Image.Transform.AFFINE, place, Image.Resampling.BILINEAR, fillcolor=0)
    halves = tuple(part / 2 for part in place)
    change = Image.fromarray(frame.change).transform(size, Image.Transform.AFFINE, halves, Image.Resampling.BILINEAR, fillcolor=0)
    inside = np.zeros((height, width), bool)
    x0, x1 = sorted(((0 - c) / a, (wide - c) / a))
    y0, y1 = -oy, tall * scale - oy
    rows = slice(max(0, int(np.ceil(y0))), max(0, min(height, int(y1))))
    columns = slice(max(0, int(np.ceil(x0))), max(0, min(width, int(x1))))
    inside[rows, columns] = True
    people = [moved(p, scale, (ox, oy), width if flip else None) for p in frame.people]
    return spoiled(image, change, inside, rng), people


def moved(p, scale, origin, mirror):
    shift = np.array(origin, np.float32)

    def box(b):
        b = b * scale - np.concatenate([shift, shift])
        return b if mirror is None else np.array([mirror - b[2], b[1], mirror - b[0], b[3]], np.float32)

    points, seen = p.points * scale - shift, p.seen
    if mirror is not None:
        # The left hand becomes a right one.
        order = [0, 2, 1, 3]
        points = np.stack([mirror - points[:, 0], points[:, 1]], 1)[order]
        seen = seen[order]
    return Person(box(p.whole), None if p.shown is None else box(p.shown), p.visible, points, seen)


def spoiled(image, change, inside, rng):
    """Other light, another lens, another sensor, other things that were moved. Padding stays what it is."""
    if rng.random() < 0.25:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.3)))
    if rng.random() < 0.15:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=rng.randint(25, 80))
        image = Image.open(file)
    luma = np.asarray(image, np.float32)
    change = np.asarray(change, np.float32) * np.exp(rng.uniform(-0.4, 0.3))
    # Gamma, contrast and brightness go through one table.
    level = np.arange(256, dtype=np.float32) / 255
    level = level ** np.exp(rng.uniform(-0.4, 0.4)) * np.exp(rng.uniform(-0.35, 0.25)) + rng.uniform(-0.1, 0.1)
    luma = (level * 255)[luma.astype(np.uint8)]
    noise = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.5:
        luma = luma + noise.standard_normal(luma.shape, np.float32) * rng.uniform(1, 9)
    # Somebody has switched a light on; the encoder of a cheap camera is at work.
    if rng.random() < 0.06:
        change = change + rng.uniform(5, 40)
    if rng.random() < 0.3:
        change = change + np.abs(noise.standard_normal(change.shape, np.float32)) * rng.uniform(1, 9)
    tall, wide = luma.shape

    def somewhere():
        w, h = rng.randint(10, 60), rng.randint(10, 60)
        x, y = rng.randrange(wide), rng.randrange(tall)
        return slice(y, y + h), slice(x, x + w)

    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        place = somewhere()
        luma[place] = rng.uniform(20, 235)
        # Something that has always hung there, or has just been put there.
        change[place] = rng.uniform(0, 6) if rng.random() < 0.5 else rng.uniform(10, 200)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        place = somewhere()
        change[place] = np.maximum(change[place], rng.uniform(20, 150))
    if rng.random() < 0.1:
        change[:] = UNKNOWN
    return np.where(inside, planes(luma, change), 0.0).astype(np.float32)


def planes(luma, change):
    """Network input of pixels `[height, width]` and what differs in them: `[CHANNELS, height, width]`."""
    return np.stack([(np.clip(luma, 0, 255) - MEAN) / STD, np.clip(change, 0, 255) / CHANGE_STD])[:CHANNELS]


def doubled(change, size):
    """`change` at the picture's size (width, height), as the program scales it: bilinear, pixels' middles where they were."""
    return np.asarray(Image.fromarray(change).resize(size, Image.Resampling.BILINEAR))


def asked(p, size):
    """The part of `p` that shows within a piece of `size`, and whether the network is asked for them."""
    if p.shown is None:
        return np.clip(p.whole, 0, [*size, *size]), False
    shown = np.clip(p.shown, 0, [*size, *size])
    w, h = shown[2] - shown[0], shown[3] - shown[1]
    whole = (p.shown[2] - p.shown[0]) * (p.shown[3] - p.shown[1])
    return shown, p.visible >= LEAST_VISIBLE and min(w, h) >= LEAST_SIDE and w * h >= 0.15 * whole


def targets(people, size):
    """What should be said of a piece: `heat` and `care` `[h, w]`, `weight` `[h, w]` of the regressions, `edges` `[4, h, w]`,
    `points` `[2 K, h, w]`, `sure` `[K, h, w]` (how much each point counts) and `seen` `[K, h, w]`; lengths in strides."""
    w, h = size[0] // STRIDE, size[1] // STRIDE
    heat, care, weight = np.zeros((h, w), np.float32), np.ones((h, w), np.float32), np.zeros((h, w), np.float32)
    edges, points = np.zeros((4, h, w), np.float32), np.zeros((2 * K, h, w), np.float32)
    sure, seen = np.zeros((K, h, w), np.float32), np.zeros((K, h, w), np.float32)
    xs, ys = np.arange(w, dtype=np.float32) + 0.5, np.arange(h, dtype=np.float32) + 0.5
    for p in people:
        shown, wanted = asked(p, size)
        x0, y0, x1, y1 = shown / STRIDE
        if x1 <= x0 or y1 <= y0:
            continue
        if not wanted:
            care[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = 0
            continue
        column, row = min(w - 1, int((x0 + x1) / 2)), min(h - 1, int((y0 + y1) / 2))
        sx, sy = (np.clip(BELL * side, BELL_LEAST, BELL_MOST) for side in (x1 - x0, y1 - y0))
        bell = np.exp(-0.5 * (((ys - ys[row]) / sy)[:, None] ** 2 + ((xs - xs[column]) / sx)[None] ** 2)).astype(np.float32)
        heat = np.maximum(heat, bell)
        # Where two people's bells meet, the cell speaks of the nearer one.
        mine = (bell > TAUGHT) & (bell > weight)
        weight[mine] = bell[mine]
        gx, gy = np.broadcast_to(xs[None], (h, w))[mine], np.broadcast_to(ys[:, None], (h, w))[mine]
        left, top, right, bottom = p.whole / STRIDE
        edges[:, mine] = np.maximum(np.stack([gx - left, gy - top, right - gx, bottom - gy]), 0)
        for k in range(K):
            x, y = p.points[k] / STRIDE
            points[2 * k : 2 * k + 2, mine] = np.stack([x - gx, y - gy])
            within = 0 <= x <= w and 0 <= y <= h
            # A hidden point is a guess, one beyond the picture a wilder one.
            sure[k, mine] = 1.0 if p.seen[k] and within else 0.4 if within else 0.1
            seen[k, mine] = float(p.seen[k] and within)
    care = np.maximum(care, (heat > TAUGHT).astype(np.float32))
    return heat, care, weight, edges, points, sure, seen


def batches(frames, count, size, seed):
    """Endless batches of numpy arrays: `[count, CHANNELS, height, width]` and what `targets` gives, stacked."""
    rng = random.Random(seed)
    order = []
    while True:
        lessons = []
        while len(lessons) < count:
            if not order:
                order = list(range(len(frames)))
                rng.shuffle(order)
            frame = frames[order.pop()]
            # Half of all empty pictures are passed over: one is much like another.
            if not frame.people and rng.random() < 0.5:
                continue
            picture, people = variant(frame, size, rng)
            lessons.append((picture, *targets(people, size)))
        yield tuple(np.stack(part) for part in zip(*lessons))
