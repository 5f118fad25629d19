//! What was spent, and what may still be spent.

use super::{BudgetScope, Gate, time};
use crate::store::StoreError;
use leadflow_workflows::domain::money::MicroUsd;
use serde::Serialize;

/// Which calls to report. The default is all of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageFilter<'a> {
    pub tenant: Option<&'a str>,
    pub search_id: Option<&'a str>,
    /// First UTC day, as `2026-03-14`.
    pub from_day: Option<&'a str>,
    /// Last UTC day.
    pub to_day: Option<&'a str>,
}

/// The calls of one operation of one search on one UTC day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// Name of the provider, as by `Provider::name`.
    pub provider: String,
    pub operation: String,
    pub search_id: String,
    pub day: String,
    pub calls: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub credits: i64,
    /// All that is booked, with the bounds of calls whose cost is not known.
    pub cost: MicroUsd,
    /// Calls that still run, or whose answer never came; their share of `calls`.
    pub presumed_calls: i64,
    /// Their share of `cost`.
    pub presumed_cost: MicroUsd,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BudgetRow {
    pub scope: BudgetScope,
    pub limit: MicroUsd,
    pub booked: MicroUsd,
}

type UsageColumns = (String, String, String, String, i64, i64, i64, i64, i64, i64, i64);

impl Gate {
    /// Calls grouped by day, search, provider and operation, in this order.
    pub async fn usage(&self, filter: UsageFilter<'_>) -> Result<Vec<UsageRow>, StoreError> {
        // Sums are cast because PostgreSQL makes them NUMERIC.
        let select = "SELECT provider, operation, search_id, day, COUNT(*),
                CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), CAST(SUM(credits) AS BIGINT),
                CAST(SUM(cost_micro_usd) AS BIGINT),
                CAST(SUM(CASE WHEN state IN ('reserved', 'presumed') THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN state IN ('reserved', 'presumed') THEN cost_micro_usd ELSE 0 END) AS BIGINT)
            FROM api_usage_logs
            WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR search_id = $2)
                AND ($3 IS NULL OR day >= $3) AND ($4 IS NULL OR day <= $4)
            GROUP BY day, search_id, provider, operation ORDER BY day, search_id, provider, operation";
        let query = sqlx::query_as(select).bind(filter.tenant).bind(filter.search_id);
        let query = query.bind(filter.from_day).bind(filter.to_day);
        let rows: Vec<UsageColumns> =
            query.fetch_all(self.store.read()).await.map_err(|error| self.store.error(error))?;
        let usage = rows.into_iter().map(
            |(
                provider,
                operation,
                search_id,
                day,
                calls,
                input_tokens,
                output_tokens,
                credits,
                cost,
                presumed_calls,
                presumed_cost,
            )| UsageRow {
                provider,
                operation,
                search_id,
                day,
                calls,
                input_tokens,
                output_tokens,
                credits,
                cost: MicroUsd(cost),
                presumed_calls,
                presumed_cost: MicroUsd(presumed_cost),
            },
        );
        Ok(usage.collect())
    }

    /// Today's budgets of the installation and of `tenant`, and that of a search.
    pub async fn budgets(&self, tenant: &str, search_id: Option<&str>) -> Result<Vec<BudgetRow>, StoreError> {
        let today = time::day(self.clock.now_ms());
        let select = "SELECT limit_micro_usd, booked_micro_usd FROM budgets
                      WHERE tenant = $1 AND scope = $2 AND subject = $3 AND day = $4";
        let mut scopes = vec![BudgetScope::Installation, BudgetScope::Tenant { tenant: tenant.to_owned() }];
        scopes.extend(
            search_id
                .map(|search_id| BudgetScope::Search { tenant: tenant.to_owned(), search_id: search_id.to_owned() }),
        );
        let mut rows = Vec::new();
        for scope in scopes {
            let [tenant, kind, subject, day] = scope.key(&today);
            let query = sqlx::query_as(select).bind(tenant).bind(kind).bind(subject).bind(day);
            let row: Option<(Option<i64>, i64)> =
                query.fetch_optional(self.store.read()).await.map_err(|error| self.store.error(error))?;
            let (limit, booked) = row.unwrap_or_default();
            let limit = limit.map_or_else(|| scope.configured_limit(&self.budgets), MicroUsd);
            rows.push(BudgetRow { scope, limit, booked: MicroUsd(booked) });
        }
        Ok(rows)
    }

    /// Each provider by its name, and whether its breaker is open now or waits for its probe.
    pub async fn breakers(&self) -> Result<Vec<(String, bool)>, StoreError> {
        let select = "SELECT provider, CAST(CASE WHEN open_until_ms IS NULL THEN 0 ELSE 1 END AS BIGINT) FROM breakers
                      WHERE tenant = '' ORDER BY provider";
        let rows: Vec<(String, i64)> =
            sqlx::query_as(select).fetch_all(self.store.read()).await.map_err(|error| self.store.error(error))?;
        Ok(rows.into_iter().map(|(provider, is_open)| (provider, is_open != 0)).collect())
    }

    /// All that is booked for a search, with the bounds of calls whose cost is not known.
    pub async fn cost_of_search(&self, tenant: &str, search_id: &str) -> Result<MicroUsd, StoreError> {
        let select = "SELECT CAST(COALESCE(SUM(cost_micro_usd), 0) AS BIGINT) FROM api_usage_logs
                      WHERE tenant = $1 AND search_id = $2";
        let query = sqlx::query_scalar(select).bind(tenant).bind(search_id);
        let cost: i64 = query.fetch_one(self.store.read()).await.map_err(|error| self.store.error(error))?;
        Ok(MicroUsd(cost))
    }
}
