//! Personas and market insights of a search.

use super::searches::{add_gap, from_json, refresh_progress, small, to_json};
use super::{Store, StoreError};
use futures::FutureExt;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// A kind of business, or a role inside one.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Persona {
    /// From 1, the best first.
    pub rank: u32,
    pub title: String,
    /// 0 to 100.
    pub match_score: u32,
    /// The model's answer; `None` when the brief stands in for it.
    pub body: Option<Value>,
}

/// What is known of the market of one business persona.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MarketRow {
    pub rank: u32,
    /// The grounded answer as text.
    pub facts: String,
    /// Where it came from.
    pub sources: Value,
    /// Its structure, once made.
    pub insight: Option<Value>,
}

impl Store {
    /// Stores all personas of one kind at once; the first answer stays. `rank` is `None` for business personas, and the
    /// rank of the business persona (from 1) for the roles inside it. `gap` says why the brief stands in for a model.
    pub async fn store_personas(
        &self,
        tenant: &str,
        search_id: &str,
        rank: Option<u32>,
        personas: &[Persona],
        gap: Option<(&str, &str, &str)>,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                for persona in personas {
                    let (business_rank, role_rank) = match rank {
                        None => (persona.rank, 0),
                        Some(business_rank) => (business_rank, persona.rank),
                    };
                    sqlx::query(
                        "INSERT INTO personas (search_id, tenant, rank, role_rank, title, match_score, body) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (search_id, rank, role_rank) DO NOTHING",
                    )
                    .bind(search_id)
                    .bind(tenant)
                    .bind(i64::from(business_rank))
                    .bind(i64::from(role_rank))
                    .bind(&persona.title)
                    .bind(i64::from(persona.match_score))
                    .bind(persona.body.as_ref().map(to_json))
                    .execute(&mut **transaction)
                    .await?;
                }
                if let Some((stage, item, problem)) = gap {
                    add_gap(transaction, tenant, search_id, stage, item, problem, now_ms).await?;
                }
                refresh_progress(transaction, tenant, search_id, None, now_ms).await
            }
            .boxed()
        })
        .await
    }

    /// Business personas, the best first.
    pub async fn business_personas(&self, tenant: &str, search_id: &str) -> Result<Vec<Persona>, StoreError> {
        self.personas(
            sqlx::query_as(
                "SELECT rank, title, match_score, body FROM personas \
                 WHERE tenant = $1 AND search_id = $2 AND role_rank = 0 ORDER BY rank",
            )
            .bind(tenant.to_owned())
            .bind(search_id.to_owned()),
        )
        .await
    }

    /// Roles inside one business persona (`rank` from 1), the best first.
    pub async fn roles(&self, tenant: &str, search_id: &str, rank: u32) -> Result<Vec<Persona>, StoreError> {
        self.personas(
            sqlx::query_as(
                "SELECT role_rank, title, match_score, body FROM personas \
                 WHERE tenant = $1 AND search_id = $2 AND rank = $3 AND role_rank > 0 ORDER BY role_rank",
            )
            .bind(tenant.to_owned())
            .bind(search_id.to_owned())
            .bind(i64::from(rank)),
        )
        .await
    }

    async fn personas(&self, query: PersonaQuery<'_>) -> Result<Vec<Persona>, StoreError> {
        let rows = query.fetch_all(self.read()).await.map_err(|error| self.error(error))?;
        rows.into_iter()
            .map(|(rank, title, match_score, body)| {
                let body = body.map(|body| from_json(&body)).transpose()?;
                Ok(Persona { rank: small(rank), title, match_score: small(match_score), body })
            })
            .collect()
    }

    pub async fn store_market_facts(
        &self,
        tenant: &str,
        search_id: &str,
        rank: u32,
        facts: &str,
        sources: &Value,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query(
                    "INSERT INTO market_insights (search_id, tenant, rank, facts, sources) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (search_id, rank) DO NOTHING",
                )
                .bind(search_id)
                .bind(tenant)
                .bind(i64::from(rank))
                .bind(facts)
                .bind(to_json(sources))
                .execute(&mut **transaction)
                .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    pub async fn store_market_insight(
        &self,
        tenant: &str,
        search_id: &str,
        rank: u32,
        insight: &Value,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("UPDATE market_insights SET body = $4 WHERE tenant = $1 AND search_id = $2 AND rank = $3")
                    .bind(tenant)
                    .bind(search_id)
                    .bind(i64::from(rank))
                    .bind(to_json(insight))
                    .execute(&mut **transaction)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }

    pub async fn market(&self, tenant: &str, search_id: &str) -> Result<Vec<MarketRow>, StoreError> {
        let rows: Vec<(i64, String, String, Option<String>)> = sqlx::query_as(
            "SELECT rank, facts, sources, body FROM market_insights WHERE tenant = $1 AND search_id = $2 ORDER BY rank",
        )
        .bind(tenant)
        .bind(search_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        rows.into_iter()
            .map(|(rank, facts, sources, body)| {
                let insight = body.map(|body| from_json(&body)).transpose()?;
                Ok(MarketRow { rank: small(rank), facts, sources: from_json(&sources)?, insight })
            })
            .collect()
    }
}

type PersonaRow = (i64, String, i64, Option<String>);
type PersonaQuery<'q> = sqlx::query::QueryAs<'q, sqlx::Any, PersonaRow, sqlx::any::AnyArguments>;
