//! Chance without chance: every choice is a hash of the sandbox's seed and of what the choice is about, so that two
//! instances, any order of calls and any batching agree.

use rand::SeedableRng;
use rand::rngs::StdRng;
use sha2::{Digest, Sha256};

/// A point from which further choices derive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    /// The seed for what `parts` name.
    pub(crate) fn of(self, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0.to_be_bytes());
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        Self(u64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 digest has more than 8 bytes")))
    }

    /// A number in `0..bound`.
    pub(crate) fn below(self, bound: usize) -> usize {
        usize::try_from(self.0 % bound as u64).expect("less than a usize")
    }

    /// Whether it falls among `permille` of a thousand.
    pub(crate) fn permille(self, permille: usize) -> bool {
        self.below(1000) < permille
    }

    pub(crate) fn pick<T>(self, choices: &[T]) -> &T {
        &choices[self.below(choices.len())]
    }

    pub(crate) fn rng(self) -> StdRng {
        StdRng::seed_from_u64(self.0)
    }

    /// The first `length` (at most 16) hexadecimal digits.
    pub(crate) fn hex(self, length: usize) -> String {
        let mut text = format!("{:016x}", self.0);
        text.truncate(length);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_repeat() {
        let seed = Seed(7);
        assert_eq!(seed.of(&["a", "b"]), seed.of(&["a", "b"]));
        assert_ne!(seed.of(&["a", "b"]), seed.of(&["ab"]));
        assert_ne!(seed.of(&["a"]), Seed(8).of(&["a"]));
        let hits = (0..10_000).filter(|n| seed.of(&[&n.to_string()]).permille(80)).count();
        assert!((700..900).contains(&hits), "{hits}");
    }
}
