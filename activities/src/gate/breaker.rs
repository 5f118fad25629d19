//! The breaker of a provider: after some failures in a row nobody calls it for a while, then one call tries.

use super::CallId;
use crate::store::StoreError;
use leadflow_workflows::domain::provider::Provider;
use sqlx::{AnyConnection, AssertSqlSafe};

const FAILURES_TO_OPEN: i64 = 5;

/// Instants are those of the installation's clock. The default is healthy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Breaker {
    failures: i64,
    open_until_ms: Option<i64>,
    probe: Option<Probe>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Probe {
    call_id: String,
    until_ms: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Call,
    /// The caller becomes the one probe.
    Probe,
    /// Not before `until_ms`.
    Refused {
        until_ms: i64,
    },
    /// A probe is out; nothing is decided before it ends, at the latest at `until_ms`.
    Probing {
        until_ms: i64,
    },
}

/// What the end of a call says about its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    Good,
    /// An answer that does not count: a limit, a refusal, a wrong request.
    Neutral,
    Bad,
}

type Columns = (i64, Option<i64>, Option<String>, Option<i64>);

impl Breaker {
    pub(super) fn admit(&self, now_ms: i64) -> Admission {
        match (self.open_until_ms, &self.probe) {
            (None, _) => Admission::Call,
            (Some(until_ms), _) if now_ms < until_ms => Admission::Refused { until_ms },
            (Some(_), Some(probe)) if now_ms < probe.until_ms => Admission::Probing { until_ms: probe.until_ms },
            (Some(_), _) => Admission::Probe,
        }
    }

    pub(super) fn probe(&mut self, call_id: &CallId, until_ms: i64) {
        self.probe = Some(Probe { call_id: call_id.as_str().to_owned(), until_ms });
    }

    /// Counts the end of a call; `open_until_ms` is for the case that this opens the breaker.
    pub(super) fn ended(&mut self, call_id: &CallId, health: Health, open_until_ms: i64) {
        let is_probe = self.probe.as_ref().is_some_and(|probe| probe.call_id == call_id.as_str());
        match (self.open_until_ms, health) {
            // Calls that started before it opened decide nothing.
            (Some(_), _) if !is_probe => {}
            (Some(_), Health::Bad) => *self = Self::open(self.failures, open_until_ms),
            // Whatever it answered, it is there again.
            (Some(_), Health::Good | Health::Neutral) => *self = Self::default(),
            (None, Health::Good) => self.failures = 0,
            (None, Health::Neutral) => {}
            (None, Health::Bad) => {
                self.failures += 1;
                if self.failures >= FAILURES_TO_OPEN {
                    *self = Self::open(self.failures, open_until_ms);
                }
            }
        }
    }

    fn open(failures: i64, open_until_ms: i64) -> Self {
        Self { failures, open_until_ms: Some(open_until_ms), probe: None }
    }

    /// Reads and locks the breaker of `provider`.
    pub(super) async fn lock(
        transaction: &mut AnyConnection,
        for_update: &str,
        provider: Provider,
    ) -> Result<Self, StoreError> {
        let select = format!(
            "SELECT failures, open_until_ms, probe_call_id, probe_until_ms FROM breakers WHERE provider = $1{for_update}"
        );
        let query = sqlx::query_as(AssertSqlSafe(select)).bind(provider.name());
        let row: Option<Columns> = query.fetch_optional(transaction).await?;
        let Some((failures, open_until_ms, probe_call_id, probe_until_ms)) = row else { return Ok(Self::default()) };
        let probe = probe_call_id.zip(probe_until_ms).map(|(call_id, until_ms)| Probe { call_id, until_ms });
        Ok(Self { failures, open_until_ms, probe })
    }

    pub(super) async fn save(&self, transaction: &mut AnyConnection, provider: Provider) -> Result<(), StoreError> {
        let update = "UPDATE breakers SET failures = $2, open_until_ms = $3, probe_call_id = $4, probe_until_ms = $5
                      WHERE provider = $1";
        sqlx::query(update)
            .bind(provider.name())
            .bind(self.failures)
            .bind(self.open_until_ms)
            .bind(self.probe.as_ref().map(|probe| probe.call_id.as_str()))
            .bind(self.probe.as_ref().map(|probe| probe.until_ms))
            .execute(transaction)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends one call each with these healths.
    fn after(healths: impl IntoIterator<Item = Health>) -> Breaker {
        let mut breaker = Breaker::default();
        for health in healths {
            breaker.ended(&CallId::new(), health, 1_000);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it() {
        assert_eq!(after([Health::Bad; 4]).admit(0), Admission::Call);
        assert_eq!(after([Health::Bad; 5]).admit(999), Admission::Refused { until_ms: 1_000 });
        assert_eq!(after([Health::Bad; 5]).admit(1_000), Admission::Probe);
    }

    #[test]
    fn a_good_answer_ends_the_row_and_a_neutral_one_does_not() {
        let with = |health| [[Health::Bad; 4].as_slice(), &[health], &[Health::Bad; 4]].concat();
        assert_eq!(after(with(Health::Good)).admit(0), Admission::Call);
        assert_eq!(after(with(Health::Neutral)).admit(0), Admission::Refused { until_ms: 1_000 });
        assert_eq!(after([Health::Neutral; 50]).admit(0), Admission::Call);
    }

    #[test]
    fn one_probe_decides() {
        let probe = CallId::new();
        let mut open = after([Health::Bad; 5]);
        open.probe(&probe, 1_500);
        assert_eq!(open.admit(1_499), Admission::Probing { until_ms: 1_500 });
        assert_eq!(open.admit(1_500), Admission::Probe, "a probe that never came back is replaced");

        let mut others = open.clone();
        others.ended(&CallId::new(), Health::Good, 9_000);
        others.ended(&CallId::new(), Health::Bad, 9_000);
        assert_eq!(others, open, "calls from before it opened change nothing");

        for (health, then) in [
            (Health::Good, Admission::Call),
            (Health::Neutral, Admission::Call),
            (Health::Bad, Admission::Refused { until_ms: 2_400 }),
        ] {
            let mut probed = open.clone();
            probed.ended(&probe, health, 2_400);
            assert_eq!(probed.admit(1_400), then, "{health:?}");
        }
    }
}
