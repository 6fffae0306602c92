//! One change or several? Cuts the time between two known levels into plateaus.
//!
//! Two people take from neighbouring plates within a second: when everything is calm again only the sum is left. But in
//! between the plates stood on a third level for a while. We look for that plateau by least squares over all plates
//! together, and believe it only if it is flat, long enough and clearly away from both ends: ringing (+-20 g, 2 s), the
//! push before a take and the slow lift of a heavy item all look a little like a plateau.

/// A change of some plates at one time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Piece {
    /// Index of the first bin after the change.
    pub at: usize,
    /// Grams by plate (of the rows given), before and after.
    pub from: Vec<f64>,
    pub to: Vec<f64>,
}

impl Piece {
    pub fn delta_g(&self) -> f64 {
        self.from.iter().zip(&self.to).map(|(from, to)| to - from).sum()
    }
}

pub(super) struct Rules {
    pub bin_s: f64,
    /// Shortest plateau, bins.
    pub apart_bins: usize,
    /// Smallest piece, grams.
    pub step_g: f64,
}

/// Plateaus shorter than this are too easily a push or a swing to allow opposite signs on the same plates.
const OPPOSITE_S: f64 = 0.8;
/// Time over which ringing repeats itself, so that means over a plateau gain from every such stretch, seconds.
const RING_S: f64 = 0.25;
/// Most changes tried in one movement. More hands than that at one spot within seconds are told by sum only.
const MOST: usize = 5;

/// `rows[plate][bin]`, NaN where nothing was read; `before`, `after`: settled levels on either side, grams.
pub(super) fn pieces(rows: &[Vec<f32>], before: &[f64], after: &[f64], rules: &Rules) -> Vec<Piece> {
    let sums = Sums::of(rows, before);
    let change: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    let mut changes = sums.stairs(&change, rules.apart_bins);
    // Take away one change after the other until every plateau between two is believable.
    while changes.len() > 1 {
        let levels = sums.levels(&changes, &change);
        let size_g = |i: usize| -> f64 { levels[i].iter().zip(&levels[i + 1]).map(|(a, b)| (b - a).abs()).sum() };
        let doubtful = (0..changes.len() - 1)
            .filter(|i| !sums.believable(changes[*i], changes[*i + 1], &levels[*i], &levels[*i + 2], rules))
            .flat_map(|i| [i, i + 1])
            .min_by(|a, b| size_g(*a).total_cmp(&size_g(*b)));
        match doubtful {
            Some(change) => changes.remove(change),
            None => break,
        };
    }
    if changes.len() == 1 {
        changes[0] = sums.single(&change);
    }
    let mut levels = sums.levels(&changes, &change);
    for level in &mut levels {
        level.iter_mut().zip(before).for_each(|(grams, base)| *grams += base);
    }
    let piece = |(i, at): (usize, &usize)| Piece { at: *at, from: levels[i].clone(), to: levels[i + 1].clone() };
    changes.iter().enumerate().map(piece).collect()
}

/// Running sums of readings relative to the level before, so that the squares stay small.
struct Sums {
    bins: usize,
    /// `[plate][bin]`: how many, their sum, the sum of their squares, of all bins before this one.
    n: Vec<Vec<f64>>,
    sum: Vec<Vec<f64>>,
    square: Vec<Vec<f64>>,
}

impl Sums {
    fn of(rows: &[Vec<f32>], before: &[f64]) -> Sums {
        let bins = rows.first().map_or(0, Vec::len);
        let mut sums = Sums { bins, n: Vec::new(), sum: Vec::new(), square: Vec::new() };
        for (row, base) in rows.iter().zip(before) {
            let (mut n, mut sum, mut square) = (vec![0.0], vec![0.0], vec![0.0]);
            let (mut n_so_far, mut sum_so_far, mut square_so_far) = (0.0, 0.0, 0.0);
            for &grams in row {
                if grams.is_finite() {
                    let off = f64::from(grams) - base;
                    n_so_far += 1.0;
                    sum_so_far += off;
                    square_so_far += off * off;
                }
                n.push(n_so_far);
                sum.push(sum_so_far);
                square.push(square_so_far);
            }
            sums.n.push(n);
            sums.sum.push(sum);
            sums.square.push(square);
        }
        sums
    }

    fn n(&self, plate: usize, from: usize, to: usize) -> f64 {
        self.n[plate][to] - self.n[plate][from]
    }

    fn mean(&self, plate: usize, from: usize, to: usize) -> Option<f64> {
        let n = self.n(plate, from, to);
        (n > 0.0).then(|| (self.sum[plate][to] - self.sum[plate][from]) / n)
    }

    /// Squared distance of the bins from a level.
    fn miss(&self, plate: usize, from: usize, to: usize, level: f64) -> f64 {
        let sum = self.sum[plate][to] - self.sum[plate][from];
        let square = self.square[plate][to] - self.square[plate][from];
        square - 2.0 * level * sum + self.n(plate, from, to) * level * level
    }

    /// The same around their own mean.
    fn scatter(&self, plate: usize, from: usize, to: usize) -> f64 {
        self.mean(plate, from, to).map_or(0.0, |mean| self.miss(plate, from, to, mean).max(0.0))
    }

    fn misses(&self, from: usize, to: usize, levels: &[f64]) -> f64 {
        levels.iter().enumerate().map(|(plate, level)| self.miss(plate, from, to, *level)).sum()
    }

    /// First bins after each of `MOST` changes, by dynamic programming: the least scatter around plateaus of at least
    /// `apart` bins. Fewer when the time is too short for so many.
    fn stairs(&self, change: &[f64], apart: usize) -> Vec<usize> {
        let bins = self.bins;
        let zero = vec![0.0; change.len()];
        let scatter: Vec<Vec<f64>> = (0..=bins)
            .map(|from| {
                (from + apart..=bins)
                    .map(|to| (0..change.len()).map(|plate| self.scatter(plate, from, to)).sum())
                    .collect()
            })
            .collect();
        // Cost of the best way that has made k changes, the last one at each bin; and the change before that.
        let mut cost: Vec<f64> = (0..=bins).map(|at| self.misses(0, at, &zero)).collect();
        let rest: Vec<f64> = (0..=bins).map(|at| self.misses(at, bins, change)).collect();
        let mut came_from: Vec<Vec<usize>> = Vec::new();
        let ends = |cost: &[f64]| (0..=bins).min_by(|a, b| (cost[*a] + rest[*a]).total_cmp(&(cost[*b] + rest[*b])));
        let mut end = ends(&cost).unwrap_or(0);
        for _ in 1..MOST {
            let mut next = vec![f64::INFINITY; bins + 1];
            let mut from = vec![0; bins + 1];
            for at in apart..=bins {
                for before in 0..=at - apart {
                    let total = cost[before] + scatter[before][at - apart - before];
                    if total < next[at] {
                        (next[at], from[at]) = (total, before);
                    }
                }
            }
            match ends(&next) {
                Some(best) if next[best].is_finite() => end = best,
                _ => break,
            }
            came_from.push(from);
            cost = next;
        }
        let mut changes = vec![end];
        for from in came_from.iter().rev() {
            changes.push(from[changes[changes.len() - 1]]);
        }
        changes.reverse();
        changes
    }

    /// Levels between changes, those before the first and after the last included.
    fn levels(&self, changes: &[usize], change: &[f64]) -> Vec<Vec<f64>> {
        let mut levels = vec![vec![0.0; change.len()]];
        for pair in changes.windows(2) {
            levels.push((0..change.len()).map(|plate| self.level(plate, pair[0], pair[1]).unwrap_or(0.0)).collect());
        }
        levels.push(change.to_vec());
        levels
    }

    /// Where a single change fits best.
    fn single(&self, change: &[f64]) -> usize {
        let zero = vec![0.0; change.len()];
        let miss = |at: usize| self.misses(0, at, &zero) + self.misses(at, self.bins, change);
        (0..=self.bins)
            .map(|at| (at, miss(at)))
            .fold((0, f64::INFINITY), |best, at| if at.1 < best.1 { at } else { best })
            .0
    }

    /// A plateau's level, its first bin left out where it has bins to spare: a change is 0.1 s wide.
    fn level(&self, plate: usize, first: usize, second: usize) -> Option<f64> {
        let skip = usize::from(second - first > 4);
        self.mean(plate, first + skip, second - skip).or_else(|| self.mean(plate, first, second))
    }

    fn believable(&self, first: usize, second: usize, low: &[f64], high: &[f64], rules: &Rules) -> bool {
        let plates = low.len();
        let long_s = (second - first) as f64 * rules.bin_s;
        let (mut rise, mut fall, mut error) = (vec![0.0; plates], vec![0.0; plates], vec![0.0; plates]);
        let third = ((second - first) / 3).max(1);
        let mut tilt = 0.0;
        for plate in 0..plates {
            let Some(level) = self.level(plate, first, second) else { return false };
            rise[plate] = level - low[plate];
            fall[plate] = high[plate] - level;
            let n = self.n(plate, first, second);
            if n < 0.7 * (second - first) as f64 {
                return false; // mostly lost: nobody saw a plateau
            }
            let std = (self.scatter(plate, first, second) / n).sqrt();
            // Means of ringing are good to one swing in so many.
            error[plate] = std / (long_s / RING_S).max(1.0).sqrt();
            if let (Some(early), Some(late)) =
                (self.mean(plate, first + 1, first + 1 + third), self.mean(plate, second - third, second))
            {
                tilt += late - early;
            }
        }
        let (rise_g, fall_g): (f64, f64) = (rise.iter().sum(), fall.iter().sum());
        let (small_g, large_g) = (rise_g.abs().min(fall_g.abs()), rise_g.abs().max(fall_g.abs()));
        // On other plates the settled levels already say that there was a second change; only its time is in question.
        let same_plates = likeness(&rise, &fall);
        let (errors, spare_g, least_g) =
            if same_plates < 0.6 { (2.5, 4.0, rules.step_g) } else { (4.0, 6.0, rules.step_g.max(15.0)) };
        let sure = |change: &[f64]| (0..plates).any(|plate| change[plate].abs() > errors * error[plate] + spare_g);
        if small_g < least_g || !sure(&rise) || !sure(&fall) {
            return false;
        }
        // A slow lift is a slope, not a stair: from third to third it does two thirds of a stair.
        if tilt.abs() > 0.4 * small_g + 5.0 {
            return false;
        }
        if same_plates > 0.8 {
            // A swing past the level (4 % of a heavy item) or the push before a take (10-30 g, more with a heavy hand)
            // is no second step.
            if rise_g * fall_g < 0.0 {
                return long_s >= OPPOSITE_S && small_g >= 40.0 && small_g >= 0.3 * large_g;
            }
            return small_g >= 0.12 * large_g;
        }
        true
    }
}

/// Whether two changes happened on the same plates: 1 the same shape, 0 disjoint plates.
fn likeness(a: &[f64], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| (a * b).abs()).sum();
    let size = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let sizes = size(a) * size(b);
    if sizes > 0.0 { dot / sizes } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { bin_s: 0.05, apart_bins: 8, step_g: 12.0 };

    /// `(bins, grams)` stretches of one plate.
    fn row(stretches: &[(usize, f32)]) -> Vec<f32> {
        stretches.iter().flat_map(|&(bins, grams)| std::iter::repeat_n(grams, bins)).collect()
    }

    #[test]
    fn changes_are_told_apart_by_their_plateaus() {
        let ramp: Vec<f32> =
            (0..60).map(|i| if i < 10 { 0.0 } else { (-6.0 * (i as f32 - 10.0)).max(-240.0) }).collect();
        for (story, rows, want) in [
            ("one take", vec![row(&[(10, 0.0), (40, -300.0)])], vec![-300.0]),
            (
                "two takes 1.2 s apart from one plate",
                vec![row(&[(10, 0.0), (24, -100.0), (20, -200.0)])],
                vec![-100.0, -100.0],
            ),
            (
                "two plates 0.6 s apart",
                vec![row(&[(10, 0.0), (40, -100.0)]), row(&[(22, 0.0), (28, -50.0)])],
                vec![-100.0, -50.0],
            ),
            ("a push, then the take", vec![row(&[(10, 0.0), (8, 25.0), (30, -300.0)])], vec![-300.0]),
            ("a swing past the level", vec![row(&[(10, 0.0), (12, -584.0), (30, -562.0)])], vec![-562.0]),
            (
                "put one back, then take another",
                vec![row(&[(10, 0.0), (24, 200.0), (30, -150.0)])],
                vec![200.0, -350.0],
            ),
            ("a slow lift", vec![ramp], vec![-240.0]),
            (
                "three takes a second apart",
                vec![row(&[(10, 0.0), (20, -60.0), (20, -120.0), (20, -180.0)])],
                vec![-60.0; 3],
            ),
        ] {
            let after: Vec<f64> = rows.iter().map(|row| f64::from(*row.last().unwrap())).collect();
            let got: Vec<f64> =
                pieces(&rows, &vec![0.0; rows.len()], &after, &RULES).iter().map(Piece::delta_g).collect();
            let close = got.len() == want.len() && got.iter().zip(&want).all(|(got, want)| (got - want).abs() < 8.0);
            assert!(close, "{story}: {got:?}, not {want:?}");
        }
    }
}
