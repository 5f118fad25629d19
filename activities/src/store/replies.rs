//! What people wrote back, on any channel, and what owners of accounts wrote by hand.

use super::searches::small;
use super::{Store, StoreError};
use futures::FutureExt;
use leadflow_workflows::domain::answers::{ReplyClass, ReplyLabel};
use leadflow_workflows::domain::outreach::Channel;
use leadflow_workflows::domain::replies::Tone;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The kind of a message that the account's owner typed.
pub(crate) const OWNER: &str = "owner";

/// A message that came back. Instants are UTC milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reply {
    pub id: String,
    pub person_id: String,
    /// Empty once the person's data are erased.
    pub person: String,
    pub account_id: String,
    /// `linkedin` or `email`.
    pub channel: String,
    /// By the rules: `reply`, `opt_out`, `out_of_office`, `automatic`, `bounce` or `owner`.
    pub kind: String,
    pub text: String,
    pub at_ms: i64,
    /// What a model says of a `reply`.
    pub label: Option<ReplyLabel>,
    /// Why no model has read it.
    pub not_read: Option<String>,
    /// From which a mail came.
    #[serde(skip)]
    pub address: Option<String>,
}

/// Replies of people by what a model says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ToneCounts {
    pub positive: u32,
    pub negative: u32,
    pub neutral: u32,
    /// No model has read them, or not yet.
    pub not_read: u32,
}

pub(crate) struct NewReply<'a> {
    pub(crate) person_id: &'a str,
    pub(crate) account_id: &'a str,
    pub(crate) channel: Channel,
    pub(crate) kind: &'a str,
    pub(crate) provider_message_id: &'a str,
    pub(crate) text: &'a str,
    pub(crate) address: Option<&'a str>,
    pub(crate) at_ms: i64,
}

const COLUMNS: &str = "r.id, r.person_id, p.first_name, p.last_name, r.account_id, r.channel, r.kind, r.text, r.at_ms, \
     r.label, r.tone, r.confidence, r.not_read, r.address \
     FROM replies r JOIN persons p ON p.tenant = r.tenant AND p.id = r.person_id";

impl Store {
    /// The people of a search whom a campaign would end at once: `true` for those who have ever written back, `false` for those
    /// of whose company somebody has since `company_since_ms`, by person.
    pub async fn answered_in_search(
        &self,
        tenant: &str,
        search_id: &str,
        company_since_ms: i64,
    ) -> Result<BTreeMap<String, bool>, StoreError> {
        // Replies first, because they are few: by CROSS JOIN SQLite takes them in this order.
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "WITH r AS (SELECT tenant, person_id, kind, received_at_ms FROM replies \
             WHERE tenant = $1 AND kind IN ('reply', 'opt_out')) \
             SELECT person_id, CAST(CASE WHEN person_id IN (SELECT person_id FROM r WHERE tenant = $1 AND kind = 'reply') THEN 1 ELSE 0 END \
             AS BIGINT) FROM leads WHERE tenant = $1 AND search_id = $2 \
             AND (person_id IN (SELECT person_id FROM r WHERE tenant = $1 AND kind = 'reply') OR business_id IN (SELECT o.business_id \
             FROM r CROSS JOIN leads o WHERE o.tenant = $1 AND o.person_id = r.person_id AND r.received_at_ms >= $3))",
        )
        .bind(tenant)
        .bind(search_id)
        .bind(company_since_ms)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        Ok(rows.into_iter().map(|(person_id, themselves)| (person_id, themselves == 1)).collect())
    }

    /// What a person wrote, and was written by hand, the oldest first.
    pub async fn replies(&self, tenant: &str, person_id: &str) -> Result<Vec<Reply>, StoreError> {
        self.replies_where(tenant, "AND r.person_id = $2 ORDER BY r.at_ms, r.id", person_id).await
    }

    /// What came back lately, at most `limit`, the best first: positive, unsure, not read, negative; then what programs wrote.
    pub async fn latest_replies(&self, tenant: &str, limit: u32) -> Result<Vec<Reply>, StoreError> {
        let rest = format!(
            "AND r.kind <> $2 ORDER BY CASE WHEN r.kind = 'reply' THEN 0 WHEN r.kind = 'opt_out' THEN 1 ELSE 2 END, \
             CASE COALESCE(r.tone, '') WHEN 'positive' THEN 0 WHEN 'neutral' THEN 1 WHEN 'negative' THEN 3 ELSE 2 END, \
             r.at_ms DESC, r.id LIMIT {limit}"
        );
        self.replies_where(tenant, &rest, OWNER).await
    }

    /// Those whose id begins like this, two at most.
    pub async fn matching_replies(&self, tenant: &str, beginning: &str) -> Result<Vec<Reply>, StoreError> {
        self.replies_where(tenant, "AND SUBSTR(r.id, 1, LENGTH($2)) = $2 ORDER BY r.id LIMIT 2", beginning).await
    }

    pub async fn reply(&self, tenant: &str, id: &str) -> Result<Option<Reply>, StoreError> {
        Ok(self.replies_where(tenant, "AND r.id = $2", id).await?.pop())
    }

    async fn replies_where(&self, tenant: &str, rest: &str, value: &str) -> Result<Vec<Reply>, StoreError> {
        let rows = sqlx::query(AssertSqlSafe(format!("SELECT {COLUMNS} WHERE r.tenant = $1 {rest}")))
            .bind(tenant)
            .bind(value)
            .fetch_all(self.read())
            .await
            .map_err(|error| self.error(error))?;
        rows.iter().map(read_reply).collect()
    }

    /// What people of a campaign wrote since their enrollment, by tone; one who wrote twice counts twice.
    pub async fn campaign_replies(&self, tenant: &str, campaign_id: &str) -> Result<ToneCounts, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT COALESCE(r.tone, ''), COUNT(*) FROM replies r JOIN enrollments e ON e.tenant = r.tenant \
             AND e.person_id = r.person_id AND e.started_at_ms <= r.at_ms \
             WHERE r.tenant = $1 AND e.campaign_id = $2 AND r.kind = 'reply' GROUP BY COALESCE(r.tone, '')",
        )
        .bind(tenant)
        .bind(campaign_id)
        .fetch_all(self.read())
        .await
        .map_err(|error| self.error(error))?;
        let mut counts = ToneCounts::default();
        for (tone, replies) in rows {
            match Tone::named(&tone) {
                Some(Tone::Positive) => counts.positive = small(replies),
                Some(Tone::Negative) => counts.negative = small(replies),
                Some(Tone::Neutral) => counts.neutral = small(replies),
                None => counts.not_read = small(replies),
            }
        }
        Ok(counts)
    }

    /// Notes why no model has read a reply; what one has said stays.
    pub(crate) async fn note_not_read(&self, tenant: &str, id: &str, why: &str) -> Result<(), StoreError> {
        self.write(|transaction| {
            async move {
                sqlx::query("UPDATE replies SET not_read = $3 WHERE tenant = $1 AND id = $2 AND label IS NULL")
                    .bind(tenant)
                    .bind(id)
                    .bind(why)
                    .execute(&mut **transaction)
                    .await?;
                Ok(())
            }
            .boxed()
        })
        .await
    }
}

/// Whether a person, and no program of theirs, has ever written back.
pub(crate) async fn has_replied(
    transaction: &mut AnyConnection,
    tenant: &str,
    person_id: &str,
) -> Result<bool, StoreError> {
    let replies: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM replies WHERE tenant = $1 AND person_id = $2 AND kind = 'reply'")
            .bind(tenant)
            .bind(person_id)
            .fetch_one(transaction)
            .await?;
    Ok(replies > 0)
}

/// Stores a message once and gives its id; `None` when it is known.
pub(crate) async fn add_reply(
    transaction: &mut AnyConnection,
    tenant: &str,
    new: &NewReply<'_>,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    let id = Uuid::now_v7().to_string();
    let added = sqlx::query(
        "INSERT INTO replies (id, tenant, person_id, account_id, channel, kind, provider_message_id, text, address, at_ms, \
         received_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
    )
    .bind(&id)
    .bind(tenant)
    .bind(new.person_id)
    .bind(new.account_id)
    .bind(new.channel.name())
    .bind(new.kind)
    .bind(new.provider_message_id)
    .bind(new.text)
    .bind(new.address)
    .bind(new.at_ms)
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok((added.rows_affected() == 1).then_some(id))
}

/// Writes down what a model says of a reply, once: what was said first stays. Whether it was said now.
pub(crate) async fn label_reply(
    transaction: &mut AnyConnection,
    tenant: &str,
    id: &str,
    label: &ReplyLabel,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let labelled = sqlx::query(
        "UPDATE replies SET label = $3, tone = $4, confidence = $5, read_at_ms = $6, not_read = NULL \
         WHERE tenant = $1 AND id = $2 AND label IS NULL",
    )
    .bind(tenant)
    .bind(id)
    .bind(label.kind.name())
    .bind(label.tone.name())
    .bind(i64::from(label.confidence))
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(labelled.rows_affected() == 1)
}

fn read_reply(row: &AnyRow) -> Result<Reply, StoreError> {
    let name = |column| row.try_get::<String, _>(column);
    Ok(Reply {
        id: row.try_get("id")?,
        person_id: row.try_get("person_id")?,
        person: format!("{} {}", name("first_name")?, name("last_name")?).trim().to_owned(),
        account_id: row.try_get("account_id")?,
        channel: row.try_get("channel")?,
        kind: row.try_get("kind")?,
        text: row.try_get("text")?,
        at_ms: row.try_get("at_ms")?,
        label: read_label(row)?,
        not_read: row.try_get("not_read")?,
        address: row.try_get("address")?,
    })
}

fn read_label(row: &AnyRow) -> Result<Option<ReplyLabel>, StoreError> {
    let Some(kind) = row.try_get::<Option<String>, _>("label")? else { return Ok(None) };
    let tone: Option<String> = row.try_get("tone")?;
    Ok(Some(ReplyLabel {
        kind: ReplyClass::named(&kind).ok_or_else(|| StoreError::unreadable("label"))?,
        tone: tone.as_deref().and_then(Tone::named).ok_or_else(|| StoreError::unreadable("tone"))?,
        confidence: row.try_get::<Option<i64>, _>("confidence")?.map_or(0, small),
    }))
}
