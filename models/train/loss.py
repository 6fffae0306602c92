"""How wrong an answer is: focal loss on the heat map (Zhou et al., "Objects as Points", 2019), overlap on boxes (Rezatofighi
et al., "Generalized Intersection over Union", 2019), distance on points, cross entropy on their being seen."""

import torch
from torch.nn import functional as F

from net import KEYPOINTS, edges_of, points_of

K = len(KEYPOINTS)
# Shares of the whole; heat is of order 1, a point a stride off costs POINTS.
BOX, EDGES, POINTS, SEEN = 1.0, 0.05, 0.15, 0.2


def heat_loss(logits, wanted, care):
    """Per person. Cells near a middle are punished less the nearer they are."""
    middle = (wanted > 0.999).float()
    p = torch.sigmoid(logits)
    hit = -F.logsigmoid(logits) * (1 - p) ** 2 * middle
    miss = -F.logsigmoid(-logits) * p**2 * (1 - wanted) ** 4 * (1 - middle) * care
    return (hit.sum() + miss.sum()) / middle.sum().clamp(min=1)


def overlap_loss(told, wanted):
    """1 - GIoU of boxes that share a cell: left, top, right, bottom from it, `[m, 4]`."""
    least, most = torch.minimum(told, wanted), torch.maximum(told, wanted)
    area = lambda e: (e[:, 0] + e[:, 2]) * (e[:, 1] + e[:, 3])
    both, hull = area(least), area(most)
    either = area(told) + area(wanted) - both
    return 1 - both / either.clamp(min=1e-3) + (hull - either) / hull.clamp(min=1e-3)


def loss(heat, rest, lesson):
    """The sum to go down, and its parts."""
    wanted, care, weight, edges, points, sure, seen = lesson
    parts = {"heat": heat_loss(heat[:, 0], wanted, care)}
    n, row, column = torch.nonzero(weight > 0, as_tuple=True)
    if len(n):
        at = lambda planes: planes[n, :, row, column]
        share = weight[n, row, column]
        share = share / share.sum()
        told, due = at(edges_of(rest)), at(edges)
        parts["box"] = BOX * (overlap_loss(told, due) * share).sum()
        parts["edges"] = EDGES * (F.smooth_l1_loss(told, due, reduction="none").mean(1) * share).sum()
        off = F.smooth_l1_loss(at(points_of(rest)), at(points), reduction="none", beta=0.25).view(-1, K, 2).sum(2)
        parts["points"] = POINTS * ((off * at(sure)).sum(1) * share).sum()
        doubt = F.binary_cross_entropy_with_logits(at(rest[:, 4 + 2 * K :]), at(seen), reduction="none")
        parts["seen"] = SEEN * (doubt.sum(1) * share).sum()
    return sum(parts.values()), {name: float(value.detach()) for name, value in parts.items()}
