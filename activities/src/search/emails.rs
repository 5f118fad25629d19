//! Work emails: find one for a person at a business's own domain, then verify it.

use super::personas::wrong_job;
use super::{ITEM_ATTEMPTS, Paid, SearchWork, key, not_set_up, owner, store_failure};
use crate::gate::{BudgetScope, CallId, Called, GateError, PaidCall, Settled, UsageNumbers};
use crate::providers::{Class, Finder, FinderQuery, ProviderError, Usage, Verifier};
use crate::store::leads::{FoundEmail, Lead};
use crate::store::searches::Search;
use futures::{StreamExt, stream};
use leadflow_workflows::contract::JobInput;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::score::EmailStatus;
use leadflow_workflows::domain::search_plan::{Hold, Job, LANES, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// An address below this confidence is not worth its verification.
const MIN_CONFIDENCE: u32 = 70;
/// The verifier is asked again so often while it says that it is still at work.
const VERIFIER_ASKS: u32 = 20;

impl SearchWork {
    pub(super) async fn emails(&self, ctx: &ActivityContext, input: &JobInput) -> Result<Outcome, ActivityError> {
        let &Job::Emails { from, to } = &input.job else { return Err(wrong_job()) };
        let search = self.load(&input.search).await?;
        let done = self.store.looked_up(key(&search), from, to).await.map_err(store_failure)?;
        let leads = self.store.waiting_leads(key(&search), from, to).await.map_err(store_failure)?;
        let open = leads.iter().filter(|lead| !lead.number.is_some_and(|number| done.contains(&number)));
        let calls: Vec<_> = open.map(|lead| self.email_of(ctx, &search, lead)).collect();
        let results: Vec<_> = stream::iter(calls).buffered(LANES as usize).collect().await;
        for result in results {
            if let Some(hold) = result? {
                return Ok(Outcome::Held(hold));
            }
        }
        let (gaps, quarantined) = self.store.losses(key(&search)).await.map_err(store_failure)?;
        Ok(Outcome::Emailed { gaps, quarantined })
    }

    /// Looks one lead up and stores what came of it.
    async fn email_of(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        lead: &Lead,
    ) -> Result<Option<Hold>, ActivityError> {
        let looked_up = match &lead.domain {
            Some(domain) => self.look_up(ctx, search, lead, domain).await?,
            None => LookUp::Found(FoundEmail::default()),
        };
        let now_ms = self.clock.now_ms();
        match looked_up {
            LookUp::Found(found) => {
                let stored = match search.exclude_list().excludes_person(None, found.email.as_deref()) {
                    // Whoever is excluded by address is known only now; the next lead takes the place.
                    Some(reason) => self.store.leave_out(key(search), lead, &reason, now_ms).await,
                    None => self.store.store_email(key(search), lead, &found, now_ms).await,
                };
                stored.map_err(store_failure)?;
            }
            LookUp::Lost("person_opted_out") => {
                self.store.remove_person(key(search), lead, now_ms).await.map_err(store_failure)?;
            }
            // An address is welcome, not needed: one that cannot be had costs the address, not the lead.
            LookUp::Lost(problem) => {
                let number = lead.number.unwrap_or_default() + 1;
                let gap = (format!("email of lead {number}"), problem.replace('_', " "));
                self.store
                    .store_gaps(&search.tenant, &search.id, "emails", &[gap], now_ms)
                    .await
                    .map_err(store_failure)?;
                self.store
                    .store_email(key(search), lead, &FoundEmail::default(), now_ms)
                    .await
                    .map_err(store_failure)?;
            }
            LookUp::Held(hold) => return Ok(Some(hold)),
        }
        Ok(None)
    }

    async fn look_up(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        lead: &Lead,
        domain: &str,
    ) -> Result<LookUp, ActivityError> {
        let Some(client) = &self.clients.hunter else { return Ok(LookUp::Held(not_set_up(Provider::Hunter))) };
        let query = FinderQuery { domain, first_name: &lead.first_name, last_name: &lead.last_name };
        let request = format!("finder\n{domain}\n{}\n{}", lead.first_name, lead.last_name);
        let bound = Usage::hunter_finder_at_most().cost(&self.config.models);
        let find = |call_id: CallId| async move {
            let found = client.find_email(call_id.as_str(), query).await?;
            let used = Usage::HunterFinder { found: found.email.is_some() };
            let credits = u64::from(found.email.is_some());
            Ok(self.settled(found, used, credits, true))
        };
        let finder: Finder = match self.hunter_call(ctx, search, lead, "email_finder", 0, &request, bound, find).await?
        {
            Ok(finder) => finder,
            Err(other) => return Ok(other),
        };
        let Some(email) = finder.email.filter(|_| finder.score >= MIN_CONFIDENCE) else {
            return Ok(LookUp::Found(FoundEmail::default()));
        };
        let sources = serde_json::to_string(&finder.sources).ok();
        let found = |status| FoundEmail {
            email: (status != EmailStatus::None).then(|| email.clone()),
            status,
            confidence: Some(finder.score),
            sources: sources.clone(),
        };
        if finder.verification.as_deref() == Some("valid") {
            return Ok(LookUp::Found(found(EmailStatus::Valid)));
        }
        for ask in 0..VERIFIER_ASKS {
            let request = format!("verifier\n{email}");
            let bound = Usage::HunterVerifier.cost(&self.config.models);
            let email = &email;
            let verify = |call_id: CallId| async move {
                let verified = client.verify_email(call_id.as_str(), email).await?;
                Ok(match verified {
                    Verifier::Pending => Settled {
                        value: verified,
                        cost: leadflow_workflows::domain::money::MicroUsd::ZERO,
                        usage: UsageNumbers::default(),
                        reusable: false,
                    },
                    Verifier::Done { .. } => self.settled(verified, Usage::HunterVerifier, 1, true),
                })
            };
            let verified: Verifier =
                match self.hunter_call(ctx, search, lead, "email_verifier", ask, &request, bound, verify).await? {
                    Ok(verified) => verified,
                    Err(other) => return Ok(other),
                };
            match verified {
                Verifier::Done { status, .. } => return Ok(LookUp::Found(found(status_of(&status)))),
                // The provider asks for 5 to 10 seconds.
                Verifier::Pending => {
                    tokio::time::sleep(Duration::from_millis(self.config.timings.retry_longest_ms / 10)).await;
                }
            }
        }
        Ok(LookUp::Found(found(EmailStatus::None)))
    }

    /// One paid call to Hunter for one lead. The inner `Err` is what the look-up comes to without an answer.
    #[expect(clippy::too_many_arguments, reason = "two callers, and each argument differs between them")]
    async fn hunter_call<T, F, Fut>(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        lead: &Lead,
        operation: &str,
        ask: u32,
        request: &str,
        bound: leadflow_workflows::domain::money::MicroUsd,
        perform: F,
    ) -> Result<Result<T, LookUp>, ActivityError>
    where
        T: Serialize + DeserializeOwned + Send,
        F: FnOnce(CallId) -> Fut,
        Fut: Future<Output = Result<Settled<T>, ProviderError>>,
    {
        let call = PaidCall {
            tenant: &search.tenant,
            search_id: &search.id,
            lead: Some(&lead.id),
            provider: Provider::Hunter,
            operation,
            scope: &search.id,
            repair_round: ask,
            request: request.as_bytes(),
            bound,
            owner: owner(ctx),
        };
        self.pace.hunter.until_ready().await;
        match self.gate.call(call, perform).await {
            // Without credit the search goes on without addresses; a wrong key holds it, because a person can mend that now.
            // A mail server that cannot be asked today, or a look-up that fails again and again, costs one address.
            Err(GateError::Provider(error))
                if error.kind == "credits_used_up"
                    || !error.needs_a_person()
                        && (matches!(error.class, Class::Never | Class::Defer)
                            || ctx.info().attempt >= ITEM_ATTEMPTS) =>
            {
                Ok(Err(LookUp::Lost(error.kind)))
            }
            Ok(Called::OverBudget { scope: BudgetScope::Lead { .. }, .. }) => {
                Ok(Err(LookUp::Lost("lead_budget_used_up")))
            }
            called => Ok(match self.settle(ctx, search, "emails", called).await? {
                Paid::Held(hold) => Err(LookUp::Held(hold)),
                Paid::Value(value) => Ok(value),
            }),
        }
    }

    fn settled<T>(&self, value: T, used: Usage, credits: u64, reusable: bool) -> Settled<T> {
        Settled {
            value,
            cost: used.cost(&self.config.models),
            usage: UsageNumbers { credits, ..UsageNumbers::default() },
            reusable,
        }
    }
}

enum LookUp {
    Found(FoundEmail),
    /// Without an address, and why: the provider's error, as a stable name.
    Lost(&'static str),
    Held(Hold),
}

/// An address that nobody can verify counts less; one that is wrong counts nothing.
fn status_of(verified: &str) -> EmailStatus {
    match verified {
        "valid" => EmailStatus::Valid,
        "accept_all" | "webmail" => EmailStatus::AcceptAll,
        _ => EmailStatus::None,
    }
}
