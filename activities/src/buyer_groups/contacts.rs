//! How to reach those who matter: an address at the company's own domain, looked up once.

use super::{Bought, BuyerGroupWork, Missing, payer};
use crate::providers::Verifier;
use crate::search::{Addressee, address_of, status_of, store_failure};
use crate::store::buyer_groups::AtCompany;
use crate::store::leads::FoundEmail;
use leadflow_workflows::contract::{RefreshRef, StageDone};
use leadflow_workflows::domain::buyer_group::BuyerRole;
use leadflow_workflows::domain::score::EmailStatus;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// Look-ups of one refresh; the next one goes on.
const LOOK_UPS_AT_MOST: usize = 5;
/// How the address provider refuses somebody who has asked it not to be processed.
const OPTED_OUT: &str = "person_opted_out";

impl BuyerGroupWork {
    pub(super) async fn contacts(
        &self,
        ctx: &ActivityContext,
        refresh: &RefreshRef,
    ) -> Result<StageDone, ActivityError> {
        // Addresses are welcome, not needed: an installation without Hunter misses nothing.
        if self.search.clients.hunter.is_none() {
            return Ok(StageDone::default());
        }
        let company = self.company(refresh).await?;
        let Some(domain) = &company.domain else { return Ok(StageDone::default()) };
        let (tenant, store) = (refresh.company.tenant.as_str(), &self.search.store);
        let members = store.members_now(tenant, &company.id).await.map_err(store_failure)?;
        for member in members.iter().filter(|member| is_wanted(member)).take(LOOK_UPS_AT_MOST) {
            let addressee = Addressee { domain, first_name: &member.first_name, last_name: &member.last_name };
            let now_ms = self.search.clock.now_ms();
            let ended = match self.address(ctx, refresh, addressee).await? {
                Bought::Value(found) => {
                    store.store_contact(tenant, &company.id, &member.person_id, &found, now_ms).await
                }
                Bought::Without(missing) if missing.problem.ends_with(OPTED_OUT) => {
                    store.remove_member(tenant, &member.person_id, now_ms).await
                }
                Bought::Without(missing) => return Ok(missing.into()),
            };
            self.search.tell_ended(tenant, &ended.map_err(store_failure)?).await;
        }
        Ok(StageDone::default())
    }

    /// An address that the provider is confident of, and that was found to work.
    async fn address(
        &self,
        ctx: &ActivityContext,
        refresh: &RefreshRef,
        addressee: Addressee<'_>,
    ) -> Result<Bought<FoundEmail>, ActivityError> {
        let payer = payer(ctx, refresh);
        let no_client = || Bought::Without(Missing { problem: "Hunter is not set up".into(), can_mend_itself: false });
        let Some(called) = self.search.find_address(payer, addressee).await else { return Ok(no_client()) };
        let finder = match self.bought(ctx, called)? {
            Bought::Value(finder) => finder,
            Bought::Without(missing) => return Ok(Bought::Without(missing)),
        };
        let (mut found, is_sure) = address_of(&finder);
        let Some(email) = found.email.clone().filter(|_| !is_sure) else { return Ok(Bought::Value(found)) };
        let Some(called) = self.search.verify_address(payer, &email).await else { return Ok(no_client()) };
        match self.bought(ctx, called)? {
            Bought::Value(Verifier::Done { status, .. }) => found.status = status_of(&status),
            Bought::Value(Verifier::Pending) => {}
            Bought::Without(missing) => return Ok(Bought::Without(missing)),
        }
        found.email = found.email.filter(|_| found.status != EmailStatus::None);
        Ok(Bought::Value(found))
    }
}

fn is_wanted(member: &AtCompany) -> bool {
    !member.has_address && !member.looked_up && member.role.is_some_and(BuyerRole::is_worth_an_address)
}
