//! Figures that come one after the other: their mean, and how far they lie from it.

/// Older figures are forgotten: each counts for one in as many as were learned, and at least one in `latest`.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    pub n: f64,
    pub mean: f64,
    pub variance: f64,
}

impl Spread {
    /// As if `n` figures had been learned.
    pub fn of(n: f64, (mean, sigma): (f64, f64)) -> Spread {
        Spread { n, mean, variance: sigma * sigma }
    }

    pub fn learn(&mut self, figure: f64, latest: f64) {
        self.n = (self.n + 1.0).min(latest);
        let off = figure - self.mean;
        self.mean += off / self.n;
        self.variance += (off * (figure - self.mean) - self.variance) / self.n;
    }
}
