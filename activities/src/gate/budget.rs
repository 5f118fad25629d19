//! What may be spent: the limits, what is booked against them, and lifting them.

use super::{Gate, PaidCall, time};
use crate::config::Budgets;
use crate::store::StoreError;
use futures::FutureExt;
use leadflow_workflows::domain::money::MicroUsd;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use std::fmt;

/// What a limit is for. The limits of installation and tenants are per UTC day, the others for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum BudgetScope {
    Installation,
    Tenant { tenant: String },
    Search { tenant: String, search_id: String },
    Lead { tenant: String, lead_id: String },
}

/// A row of `budgets`, locked until the end of the transaction.
pub(super) struct LockedBudget {
    pub(super) scope: BudgetScope,
    pub(super) limit: MicroUsd,
    pub(super) booked: MicroUsd,
}

impl BudgetScope {
    pub fn is_daily(&self) -> bool {
        matches!(self, Self::Installation | Self::Tenant { .. })
    }

    /// Stable machine name: in the store, in metrics, in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::Tenant { .. } => "tenant",
            Self::Search { .. } => "search",
            Self::Lead { .. } => "lead",
        }
    }

    /// The budgets that a call is booked on, in the order in which every transaction locks them.
    pub(super) fn of(call: &PaidCall<'_>) -> Vec<Self> {
        let tenant = || call.tenant.to_owned();
        let search = Self::Search { tenant: tenant(), search_id: call.search_id.to_owned() };
        let mut scopes = vec![Self::Installation, Self::Tenant { tenant: tenant() }, search];
        scopes.extend(call.lead.map(|lead| Self::Lead { tenant: tenant(), lead_id: lead.to_owned() }));
        scopes
    }

    pub(super) fn configured_limit(&self, budgets: &Budgets) -> MicroUsd {
        match self {
            Self::Installation => budgets.installation_per_day,
            Self::Tenant { .. } => budgets.tenant_per_day,
            Self::Search { .. } => budgets.search,
            Self::Lead { .. } => budgets.lead,
        }
    }

    /// The primary key of the row in `budgets`: tenant, scope, subject, day.
    pub(super) fn key<'a>(&'a self, today: &'a str) -> [&'a str; 4] {
        let name = self.name();
        match self {
            Self::Installation => ["", name, "", today],
            Self::Tenant { tenant } => [tenant, name, "", today],
            Self::Search { tenant, search_id } => [tenant, name, search_id, ""],
            Self::Lead { tenant, lead_id } => [tenant, name, lead_id, ""],
        }
    }
}

impl fmt::Display for BudgetScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installation => formatter.write_str("the installation's day"),
            Self::Tenant { tenant } => write!(formatter, "the day of tenant `{tenant}`"),
            Self::Search { search_id, .. } => write!(formatter, "search `{search_id}`"),
            Self::Lead { lead_id, .. } => write!(formatter, "lead `{lead_id}`"),
        }
    }
}

impl Gate {
    /// Sets a new limit, by a person's decision; also a lower one. For a daily budget it holds today.
    pub async fn raise(&self, scope: &BudgetScope, new_limit: MicroUsd) -> Result<(), StoreError> {
        let upsert = "INSERT INTO budgets (tenant, scope, subject, day, limit_micro_usd) VALUES ($1, $2, $3, $4, $5)
                      ON CONFLICT (tenant, scope, subject, day) DO UPDATE SET limit_micro_usd = excluded.limit_micro_usd";
        self.write_limit(upsert, scope, new_limit).await
    }

    /// Gives a new search, or lead, its own limit. Safe to repeat: a limit that was set or raised before stays.
    pub async fn set_limit(&self, scope: &BudgetScope, limit: MicroUsd) -> Result<(), StoreError> {
        let upsert = "INSERT INTO budgets (tenant, scope, subject, day, limit_micro_usd) VALUES ($1, $2, $3, $4, $5)
                      ON CONFLICT (tenant, scope, subject, day)
                      DO UPDATE SET limit_micro_usd = COALESCE(budgets.limit_micro_usd, excluded.limit_micro_usd)";
        self.write_limit(upsert, scope, limit).await
    }

    async fn write_limit(&self, upsert: &'static str, scope: &BudgetScope, limit: MicroUsd) -> Result<(), StoreError> {
        let today = time::day(self.clock.now_ms());
        let [tenant, scope, subject, day] = scope.key(&today);
        self.store
            .write(|transaction| {
                async move {
                    let query = sqlx::query(upsert).bind(tenant).bind(scope).bind(subject).bind(day).bind(limit.0);
                    query.execute(&mut **transaction).await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// Locks the budgets of `call`, making rows that are missing.
    pub(super) async fn lock_budgets(
        &self,
        transaction: &mut AnyConnection,
        call: &PaidCall<'_>,
        today: &str,
    ) -> Result<Vec<LockedBudget>, StoreError> {
        // The update changes nothing, but locks the row, whether it is new or not.
        let lock = "INSERT INTO budgets (tenant, scope, subject, day) VALUES ($1, $2, $3, $4)
                    ON CONFLICT (tenant, scope, subject, day) DO UPDATE SET booked_micro_usd = budgets.booked_micro_usd
                    RETURNING limit_micro_usd, booked_micro_usd";
        let mut locked = Vec::new();
        for scope in BudgetScope::of(call) {
            let [tenant, kind, subject, day] = scope.key(today);
            let query = sqlx::query_as(lock).bind(tenant).bind(kind).bind(subject).bind(day);
            let (limit, booked): (Option<i64>, i64) = query.fetch_one(&mut *transaction).await?;
            let limit = limit.map_or_else(|| scope.configured_limit(&self.budgets), MicroUsd);
            locked.push(LockedBudget { scope, limit, booked: MicroUsd(booked) });
        }
        Ok(locked)
    }
}

impl LockedBudget {
    pub(super) fn has_room_for(&self, bound: MicroUsd) -> bool {
        self.booked + bound <= self.limit
    }
}

/// Books `amount` on all budgets of `call`; a negative amount gives back.
pub(super) async fn book(
    transaction: &mut AnyConnection,
    call: &PaidCall<'_>,
    day: &str,
    amount: MicroUsd,
) -> Result<(), StoreError> {
    let update = "UPDATE budgets SET booked_micro_usd = booked_micro_usd + $5
                  WHERE tenant = $1 AND scope = $2 AND subject = $3 AND day = $4";
    for scope in BudgetScope::of(call) {
        let [tenant, kind, subject, day] = scope.key(day);
        let query = sqlx::query(update).bind(tenant).bind(kind).bind(subject).bind(day).bind(amount.0);
        query.execute(&mut *transaction).await?;
    }
    Ok(())
}
