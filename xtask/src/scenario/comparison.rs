//! Two ways of doing the same, measured in turns.

use anyhow::Result;
use serde::Serialize;

/// Which values are the better ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Better {
    Less,
    More,
}

/// The values of two ways, turn by turn.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// With the unit.
    pub what: String,
    pub names: [&'static str; 2],
    pub better: Better,
    /// The ratio that is wanted, or more.
    pub at_least: f64,
    pub one: Vec<f64>,
    pub other: Vec<f64>,
}

impl Comparison {
    /// Of the values of two places; see [`in_turns`].
    pub fn new(
        what: &str,
        names: [&'static str; 2],
        better: Better,
        at_least: f64,
        values: &[Vec<f64>],
    ) -> Self {
        Comparison {
            what: what.to_string(),
            names,
            better,
            at_least,
            one: values[0].clone(),
            other: values[1].clone(),
        }
    }

    /// The medians of both.
    pub fn medians(&self) -> [f64; 2] {
        [median(&self.one), median(&self.other)]
    }

    /// How good the first way is, where the second is 1: the median of the ratios within each turn, so that what slows a turn down
    /// slows both.
    pub fn ratio(&self) -> f64 {
        let pairs = self.one.iter().zip(&self.other);
        let ratios: Vec<f64> = pairs
            .map(|(one, other)| match self.better {
                Better::More => one / other,
                Better::Less => other / one,
            })
            .collect();
        median(&ratios)
    }

    /// Whether the first way is as good as wanted.
    pub fn met(&self) -> bool {
        self.ratio() >= self.at_least
    }
}

/// The values that `take` gives for each of `places`, by place. Each turn begins with another place, so that none has always the
/// same one before it.
/// The first turn fills caches, and does not count.
///
/// # Errors
/// Those of `take`.
pub fn in_turns<P: Copy, const N: usize>(
    runs: usize,
    places: [P; N],
    mut take: impl FnMut(P) -> Result<f64>,
) -> Result<[Vec<f64>; N]> {
    let mut values = [const { Vec::new() }; N];
    for turn in 0..=runs {
        for step in 0..N {
            let place = (turn + step) % N;
            let value = take(places[place])?;
            if turn > 0 {
                values[place].push(value);
            }
        }
    }
    Ok(values)
}

/// The middle value, or the mean of the two in the middle; 0 of none.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(low), Some(high)) = (
        sorted.get(sorted.len().saturating_sub(1) / 2),
        sorted.get(sorted.len() / 2),
    ) else {
        return 0.0;
    };
    f64::midpoint(*low, *high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(better: Better) -> Comparison {
        Comparison {
            what: "x".to_string(),
            names: ["a", "b"],
            better,
            at_least: 0.7,
            one: vec![2.0, 8.0, 40.0],
            other: vec![1.0, 4.0, 100.0],
        }
    }

    #[test]
    fn the_ratio_is_that_of_the_turns() {
        let rate = comparison(Better::More);
        assert_eq!(
            (rate.medians(), rate.ratio(), rate.met()),
            ([8.0, 4.0], 2.0, true)
        );
        let time = comparison(Better::Less);
        assert_eq!((time.ratio(), time.met()), (0.5, false));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[]), 0.0);
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
    }
}
