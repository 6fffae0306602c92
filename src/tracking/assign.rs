//! Who goes with what, exactly: the pairing of rows with columns whose costs sum to the least.
//!
//! The shortest augmenting path method (Jonker & Volgenant, "A shortest augmenting path algorithm for dense and sparse
//! linear assignment problems", 1987) in O(rows² x columns): 50 x 50 takes well under a millisecond. Equal costs are settled by
//! order, so that the same costs give the same pairs on every machine.

/// The column of each row, or `None` where leaving the row alone is cheaper: it costs `alone`, and so a pair that costs
/// more than that is never made. `cost(row, column)` is asked once a pair; infinite or NaN means impossible.
pub fn assign(rows: usize, columns: usize, alone: f64, cost: impl Fn(usize, usize) -> f64) -> Vec<Option<usize>> {
    // Every row gets a column of its own for being alone; so there always is an answer.
    let width = columns + rows;
    let mut costs = vec![f64::INFINITY; rows * width];
    for row in 0..rows {
        for column in 0..columns {
            let here = cost(row, column);
            if here <= alone {
                costs[row * width + column] = here;
            }
        }
        costs[row * width + columns + row] = alone;
    }
    let owner = augment(rows, width, &costs);
    let mut pairs = vec![None; rows];
    for (column, row) in owner.into_iter().take(columns).enumerate() {
        if let Some(row) = row {
            pairs[row] = Some(column);
        }
    }
    pairs
}

/// The row that owns each column once every row has one. Rows come in one after the other; each takes the cheapest way
/// through columns whose owners can be moved on (Dijkstra over reduced costs, which the potentials keep from being negative).
fn augment(rows: usize, width: usize, costs: &[f64]) -> Vec<Option<usize>> {
    let mut owner: Vec<Option<usize>> = vec![None; width];
    let (mut of_row, mut of_column) = (vec![0.0; rows], vec![0.0; width]);
    for newcomer in 0..rows {
        let mut far = vec![f64::INFINITY; width];
        let mut before: Vec<Option<usize>> = vec![None; width];
        let mut done = vec![false; width];
        // The row whose columns are looked at, and the column it was reached by.
        let (mut row, mut via) = (newcomer, None);
        let free = loop {
            let mut best: Option<usize> = None;
            let so_far = via.map_or(0.0, |column: usize| far[column]);
            for column in (0..width).filter(|&column| !done[column]) {
                let here = so_far + costs[row * width + column] - of_row[row] - of_column[column];
                if here < far[column] {
                    far[column] = here;
                    before[column] = via;
                }
                if far[column] < f64::INFINITY && best.is_none_or(|best| far[column] < far[best]) {
                    best = Some(column);
                }
            }
            let column = best.expect("every row has a column for being alone");
            done[column] = true;
            match owner[column] {
                None => break column,
                Some(next) => (row, via) = (next, Some(column)),
            }
        };
        let length = far[free];
        of_row[newcomer] += length;
        for column in (0..width).filter(|&column| done[column] && column != free) {
            let slack = length - far[column];
            of_column[column] -= slack;
            of_row[owner[column].expect("passed through")] += slack;
        }
        let mut column = free;
        while let Some(previous) = before[column] {
            owner[column] = owner[previous];
            column = previous;
        }
        owner[column] = Some(newcomer);
    }
    owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_sum_wins_not_the_cheapest_pair() {
        let far = f64::INFINITY;
        /// A story, costs, what being alone costs, and the pairs.
        type Row<'a> = (&'a str, &'a [&'a [f64]], f64, &'a [Option<usize>]);
        let rows: &[Row] = &[
            ("greedy would pay 1 + 9", &[&[1.0, 2.0], &[2.0, 9.0]], 10.0, &[Some(1), Some(0)]),
            ("nobody pays more than being alone", &[&[1.0, 2.0], &[2.0, 9.0]], 1.5, &[Some(0), None]),
            ("more rows than columns", &[&[3.0], &[1.0], &[2.0]], 5.0, &[None, Some(0), None]),
            ("more columns than rows", &[&[3.0, 1.0, 2.0]], 5.0, &[Some(1)]),
            ("impossible pairs", &[&[far, 1.0], &[far, 2.0]], 5.0, &[Some(1), None]),
            ("not a number is impossible", &[&[f64::NAN, 4.0]], 5.0, &[Some(1)]),
            ("equal costs: the first column to the first row", &[&[1.0, 1.0], &[1.0, 1.0]], 5.0, &[Some(0), Some(1)]),
            ("negative costs", &[&[-1.0, -3.0], &[-2.0, -3.5]], 0.0, &[Some(1), Some(0)]),
            ("nothing", &[], 1.0, &[]),
        ];
        for (story, costs, alone, expected) in rows {
            let columns = costs.first().map_or(0, |row| row.len());
            let pairs = assign(costs.len(), columns, *alone, |row, column| costs[row][column]);
            assert_eq!(pairs, *expected, "{story}");
        }
    }

    #[test]
    fn no_pairing_is_cheaper_than_the_one_found() {
        // All pairings of up to 5 x 5 tried by hand, costs from a congruential generator.
        fn cheapest(costs: &[Vec<f64>], row: usize, taken: &mut Vec<bool>, alone: f64) -> f64 {
            if row == costs.len() {
                return 0.0;
            }
            let mut best = alone + cheapest(costs, row + 1, taken, alone);
            for column in 0..taken.len() {
                if !taken[column] {
                    taken[column] = true;
                    best = best.min(costs[row][column] + cheapest(costs, row + 1, taken, alone));
                    taken[column] = false;
                }
            }
            best
        }
        let mut state = 7u64;
        let mut draw = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from((state >> 40) as u32 % 100)
        };
        for round in 0..300 {
            let (rows, columns) = (round % 6, round / 6 % 6);
            let costs: Vec<Vec<f64>> = (0..rows).map(|_| (0..columns).map(|_| draw()).collect()).collect();
            let pairs = assign(rows, columns, 60.0, |row, column| costs[row][column]);
            let paid: f64 = pairs.iter().enumerate().map(|(row, c)| c.map_or(60.0, |c| costs[row][c])).sum();
            assert_eq!(paid, cheapest(&costs, 0, &mut vec![false; columns], 60.0), "{costs:?}");
        }
    }
}
