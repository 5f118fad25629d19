//! Money in whole micro-dollars: one millionth of a US dollar, the unit of every amount in the store.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

/// An amount in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub i64);

impl MicroUsd {
    pub const ZERO: Self = Self(0);

    /// Rounds up, so that a price per million tokens never books less than it costs.
    ///
    /// `price` is in micro-dollars per million units.
    pub fn for_units(units: u64, price_per_million: Self) -> Self {
        let total = u128::from(units) * u128::try_from(price_per_million.0.max(0)).unwrap_or(0);
        Self(i64::try_from(total.div_ceil(1_000_000)).unwrap_or(i64::MAX))
    }

    /// Dollars for a person to read, and for JSON that a person wrote.
    #[expect(clippy::cast_precision_loss, reason = "for display; amounts stay far below 2^53 micro-dollars")]
    pub fn as_usd(self) -> f64 {
        self.0 as f64 / 1_000_000.0
    }

    /// Rounds to the nearest micro-dollar; `None` when not finite, negative, or above a billion dollars.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    pub fn from_usd(usd: f64) -> Option<Self> {
        (usd.is_finite() && (0.0..=1e9).contains(&usd)).then(|| Self((usd * 1_000_000.0).round() as i64))
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "${:.4}", self.as_usd())
    }
}

impl Add for MicroUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for MicroUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for MicroUsd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for MicroUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_round_up() {
        // gpt-5-mini: 0.25 dollars per million tokens; 3 tokens are 0.75 micro-dollars.
        assert_eq!(MicroUsd::for_units(3, MicroUsd(250_000)), MicroUsd(1));
        assert_eq!(MicroUsd::for_units(4_000_000, MicroUsd(250_000)), MicroUsd(1_000_000));
        assert_eq!(MicroUsd::for_units(0, MicroUsd(250_000)), MicroUsd::ZERO);
    }

    #[test]
    fn absurd_dollars_are_refused() {
        assert_eq!(MicroUsd::from_usd(5.0), Some(MicroUsd(5_000_000)));
        for usd in [f64::NAN, f64::INFINITY, -1.0, 1e30] {
            assert_eq!(MicroUsd::from_usd(usd), None);
        }
    }
}
