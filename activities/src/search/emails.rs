//! Work emails: find one for a person at a business's own domain, then verify it.

use super::personas::wrong_job;
use super::{ITEM_ATTEMPTS, Paid, Payer, SearchWork, key, not_set_up, owner, store_failure};
use crate::gate::{BudgetScope, CallId, Called, GateError, Settled, UsageNumbers};
use crate::providers::{Class, Finder, FinderQuery, Usage, Verifier};
use crate::store::leads::{FoundEmail, Lead};
use crate::store::searches::Search;
use futures::{StreamExt, stream};
use leadflow_workflows::contract::JobInput;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::provider::Provider;
use leadflow_workflows::domain::score::EmailStatus;
use leadflow_workflows::domain::search_plan::{Hold, Job, LANES, Outcome};
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
        let ended = match looked_up {
            LookUp::Found(found) => match search.exclude_list().excludes_person(None, found.email.as_deref()) {
                // Whoever is excluded by address is known only now; the next lead takes the place.
                Some(reason) => self.store.leave_out(key(search), lead, &reason, now_ms).await.map(|()| Vec::new()),
                None => self.store.store_email(key(search), lead, &found, now_ms).await,
            },
            LookUp::Lost("person_opted_out") => self.store.remove_person(key(search), lead, now_ms).await,
            // An address is welcome, not needed: one that cannot be had costs the address, not the lead.
            LookUp::Lost(problem) => {
                let number = lead.number.unwrap_or_default() + 1;
                let gap = (format!("email of lead {number}"), problem.replace('_', " "));
                self.store
                    .store_gaps(&search.tenant, &search.id, "emails", &[gap], now_ms)
                    .await
                    .map_err(store_failure)?;
                self.store.store_email(key(search), lead, &FoundEmail::default(), now_ms).await
            }
            LookUp::Held(hold) => return Ok(Some(hold)),
        };
        self.tell_ended(&search.tenant, &ended.map_err(store_failure)?).await;
        Ok(None)
    }

    async fn look_up(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        lead: &Lead,
        domain: &str,
    ) -> Result<LookUp, ActivityError> {
        let payer = Payer {
            tenant: &search.tenant,
            search_id: &search.id,
            scope: &search.id,
            lead: Some(&lead.id),
            owner: owner(ctx),
        };
        let addressee = Addressee { domain, first_name: &lead.first_name, last_name: &lead.last_name };
        let Some(called) = self.find_address(payer, addressee).await else {
            return Ok(LookUp::Held(not_set_up(Provider::Hunter)));
        };
        let finder = match self.looked_up(ctx, search, called).await? {
            Ok(finder) => finder,
            Err(other) => return Ok(other),
        };
        let (mut found, is_sure) = address_of(&finder);
        if found.email.is_none() || is_sure {
            return Ok(LookUp::Found(found));
        }
        let email = found.email.clone().unwrap_or_default();
        let Some(called) = self.verify_address(payer, &email).await else { return Ok(LookUp::Found(found)) };
        match self.looked_up(ctx, search, called).await? {
            Ok(Verifier::Done { status, .. }) => found.status = status_of(&status),
            Ok(Verifier::Pending) => {}
            Err(other) => return Ok(other),
        }
        found.email = found.email.filter(|_| found.status != EmailStatus::None);
        Ok(LookUp::Found(found))
    }

    /// What one paid call to Hunter comes to. The inner `Err` is what the look-up comes to without an answer.
    async fn looked_up<T>(
        &self,
        ctx: &ActivityContext,
        search: &Search,
        called: Result<Called<T>, GateError>,
    ) -> Result<Result<T, LookUp>, ActivityError> {
        match called {
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

    /// Looks for somebody's address; `None` when Hunter is not set up.
    pub(crate) async fn find_address(
        &self,
        payer: Payer<'_>,
        addressee: Addressee<'_>,
    ) -> Option<Result<Called<Finder>, GateError>> {
        let client = self.clients.hunter.as_ref()?;
        let Addressee { domain, first_name, last_name } = addressee;
        let request = format!("finder\n{domain}\n{first_name}\n{last_name}");
        let bound = Usage::hunter_finder_at_most().cost(&self.config.models);
        let call = payer.call(Provider::Hunter, "email_finder", 0, request.as_bytes(), bound);
        self.pace.hunter.until_ready().await;
        let find = |call_id: CallId| async move {
            let found = client.find_email(call_id.as_str(), FinderQuery { domain, first_name, last_name }).await?;
            let used = Usage::HunterFinder { found: found.email.is_some() };
            let credits = u64::from(found.email.is_some());
            Ok(self.settled(found, used, credits, true))
        };
        Some(self.gate.call(call, find).await)
    }

    /// Asks whether an address works until the verifier knows, or for too long; `None` when Hunter is not set up.
    pub(crate) async fn verify_address(
        &self,
        payer: Payer<'_>,
        email: &str,
    ) -> Option<Result<Called<Verifier>, GateError>> {
        let mut called = self.ask_verifier(payer, email, 0).await?;
        for ask in 1..VERIFIER_ASKS {
            if !matches!(called, Ok(Called::Fresh { value: Verifier::Pending, .. })) {
                break;
            }
            // The provider asks for 5 to 10 seconds.
            tokio::time::sleep(Duration::from_millis(self.config.timings.retry_longest_ms / 10)).await;
            called = self.ask_verifier(payer, email, ask).await?;
        }
        Some(called)
    }

    async fn ask_verifier(
        &self,
        payer: Payer<'_>,
        email: &str,
        ask: u32,
    ) -> Option<Result<Called<Verifier>, GateError>> {
        let client = self.clients.hunter.as_ref()?;
        let request = format!("verifier\n{email}");
        let bound = Usage::HunterVerifier.cost(&self.config.models);
        let call = payer.call(Provider::Hunter, "email_verifier", ask, request.as_bytes(), bound);
        self.pace.hunter.until_ready().await;
        let verify = |call_id: CallId| async move {
            let verified = client.verify_email(call_id.as_str(), email).await?;
            Ok(match verified {
                Verifier::Pending => {
                    Settled { value: verified, cost: MicroUsd::ZERO, usage: UsageNumbers::default(), reusable: false }
                }
                Verifier::Done { .. } => self.settled(verified, Usage::HunterVerifier, 1, true),
            })
        };
        Some(self.gate.call(call, verify).await)
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

/// Whose address is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Addressee<'a> {
    /// Of the business.
    pub(crate) domain: &'a str,
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
}

enum LookUp {
    Found(FoundEmail),
    /// Without an address, and why: the provider's error, as a stable name.
    Lost(&'static str),
    Held(Hold),
}

/// The address that a finder is confident of, and whether it was verified before.
pub(crate) fn address_of(finder: &Finder) -> (FoundEmail, bool) {
    let Some(email) = finder.email.clone().filter(|_| finder.score >= MIN_CONFIDENCE) else {
        return (FoundEmail::default(), false);
    };
    let is_sure = finder.verification.as_deref() == Some("valid");
    let found = FoundEmail {
        email: Some(email),
        status: if is_sure { EmailStatus::Valid } else { EmailStatus::None },
        confidence: Some(finder.score),
        sources: serde_json::to_string(&finder.sources).ok(),
    };
    (found, is_sure)
}

/// An address that nobody can verify counts less; one that is wrong counts nothing.
pub(crate) fn status_of(verified: &str) -> EmailStatus {
    match verified {
        "valid" => EmailStatus::Valid,
        "accept_all" | "webmail" => EmailStatus::AcceptAll,
        _ => EmailStatus::None,
    }
}
