#!/usr/bin/env python3
"""Writes models/disc.onnx: finds bodies seen from above as bright discs on a darker floor.

Nothing in it is trained. It is one matched filter a size (mean of a disc minus mean of the ring around it), thinned to
local peaks, written down as an ONNX graph. It needs no package beyond Python itself and always writes the same bytes:

    python3 models/make_disc.py && sha256sum models/disc.onnx

Input `luma` [1, 1, 120, 160] float32, grey levels 0..255. Output `score` [1, sizes, 120, 160] float32 in 0..1: the score
that a disc of that size has its middle in that pixel, 0 wherever a better one is near.
"""

import os
import struct

WIDTH, HEIGHT = 160, 120
# Pixels of the 160 x 120 input. A body of 0.25 m radius is 7 pixels under a camera as in the demo shop; the sizes
# around it serve bodies off the middle of the picture and cameras a metre higher or lower.
RADII = [5.0, 7.0, 9.5]
# The ring reaches to 1.5 radii: wider rings would touch the neighbour of somebody who stands in a group.
RING = 1.5
HALF = 15  # kernels are 31 x 31: the largest ring and a pixel around it
# A disc that is 128 grey levels brighter than its ring scores 1.
FULL = 128.0
# Peaks are thinned within this many pixels: half a body, so that shoulders rubbing stay two people.
THIN = 4
FINE = 8  # sub-samples a pixel edge when a disc's rim crosses a pixel: whole numbers, so the same on any machine


def coverage(radius):
    """Share of every kernel pixel, in FINE * FINE-ths, that lies within `radius` of the middle."""
    rows = []
    for y in range(-HALF, HALF + 1):
        for x in range(-HALF, HALF + 1):
            inside = 0
            for j in range(FINE):
                for i in range(FINE):
                    # Twice FINE times the offset: whole numbers all the way.
                    dx = 2 * FINE * x + 2 * i + 1 - FINE
                    dy = 2 * FINE * y + 2 * j + 1 - FINE
                    inside += dx * dx + dy * dy <= (2 * FINE * radius) ** 2
            rows.append(inside)
    return rows


def kernel(radius):
    disc, whole = coverage(radius), coverage(radius * RING)
    ring = [w - d for w, d in zip(whole, disc)]
    return [(d / sum(disc) - r / sum(ring)) / FULL for d, r in zip(disc, ring)]


# --- protobuf, as much of it as a model needs: https://protobuf.dev/programming-guides/encoding ---

def varint(n):
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def nested(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


# --- ONNX messages; field numbers of onnx.proto3 ---

FLOAT, INT64 = 1, 7


def tensor(name, dims, data_type, raw):
    return b"".join(number(1, d) for d in dims) + number(2, data_type) + nested(8, name) + nested(9, raw)


def floats(name, dims, values):
    return tensor(name, dims, FLOAT, struct.pack(f"<{len(values)}f", *values))


def whole(name, values):
    return tensor(name, [len(values)], INT64, struct.pack(f"<{len(values)}q", *values))


def attribute_ints(name, values):
    return nested(5, nested(1, name) + b"".join(number(8, v) for v in values) + number(20, 7))


def attribute_int(name, value):
    return nested(5, nested(1, name) + number(3, value) + number(20, 2))


def attribute_text(name, value):
    return nested(5, nested(1, name) + nested(4, value) + number(20, 3))


def node(kind, inputs, output, *attributes):
    text = b"".join(nested(1, i) for i in inputs) + nested(2, output) + nested(3, output) + nested(4, kind)
    return nested(1, text + b"".join(attributes))


def value(name, dims):
    shape = b"".join(nested(1, number(1, d)) for d in dims)
    return nested(1, name) + nested(2, nested(1, number(1, FLOAT) + nested(2, shape)))


def graph():
    sizes = len(RADII)
    side = 2 * HALF + 1
    weights = [w for radius in RADII for w in kernel(radius)]
    thin = 2 * THIN + 1
    nodes = [
        # The floor goes on beyond the edge of the picture: a dark border would look like a ring.
        node("Pad", ["luma", "border"], "padded", attribute_text("mode", "edge")),
        node("Conv", ["padded", "kernels"], "contrast", attribute_ints("kernel_shape", [side, side])),
        node("Clip", ["contrast", "zero", "one"], "all"),
        # A pixel stays if it is the best of its neighbourhood in its own size and the best size there.
        node("MaxPool", ["all"], "near", attribute_ints("kernel_shape", [thin, thin]),
             attribute_ints("pads", [THIN] * 4), attribute_ints("strides", [1, 1])),
        node("ReduceMax", ["near"], "best", attribute_ints("axes", [1]), attribute_int("keepdims", 1)),
        node("Equal", ["all", "best"], "peak"),
        node("Where", ["peak", "all", "zero"], "score"),
    ]
    initializers = [
        whole("border", [0, 0, HALF, HALF, 0, 0, HALF, HALF]),
        floats("kernels", [sizes, 1, side, side], weights),
        floats("zero", [], [0.0]),
        floats("one", [], [1.0]),
    ]
    return (b"".join(nodes) + nested(2, "disc") + b"".join(nested(5, i) for i in initializers)
            + nested(11, value("luma", [1, 1, HEIGHT, WIDTH])) + nested(12, value("score", [1, sizes, HEIGHT, WIDTH])))


def model():
    # IR version 8 and operator set 13: any ONNX Runtime of the last years.
    return (number(1, 8) + nested(2, "carryout models/make_disc.py") + nested(7, graph())
            + nested(8, nested(1, "") + number(2, 13)))


if __name__ == "__main__":
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "disc.onnx")
    with open(path, "wb") as file:
        file.write(model())
