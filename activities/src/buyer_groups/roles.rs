//! The part that each person plays: a model's judgement of their title where it is sure, else the rule's.

use super::{Bought, BuyerGroupWork, Missing, not_set_up, payer};
use crate::search::{Asking, Verdict, store_failure};
use crate::store::buyer_groups::{Asked, AtCompany, Company, GivenRole};
use leadflow_workflows::contract::{RefreshRef, StageDone};
use leadflow_workflows::domain::answers::{BuyerGroupRoles, MemberRole};
use leadflow_workflows::domain::buyer_group::{MemberFacts, role_of};
use leadflow_workflows::domain::provider::Provider;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

/// People whom one question is about; the next refresh asks about others.
const ASKED_AT_MOST: usize = 20;
const OUTPUT_TOKENS_PER_MEMBER: u32 = 120;

const INSTRUCTIONS: &str = "You say what part people of one company play when it decides about what is sold. \
    `decision_maker` says yes in the end; `champion` would use it or lead those who do, and speaks for it; `influencer` is \
    asked for their judgement; `blocker` can say no, as purchasing, law, security or finance control do; `introducer` knows \
    the others and opens the door. Judge by the title, by what is sold, and by `knows_us` only where the title says little. \
    `is_certain` is false when the title could mean another part as well. Answer every member once, under its number, with \
    a reason of one short sentence about the title.";

impl BuyerGroupWork {
    pub(super) async fn roles(&self, ctx: &ActivityContext, refresh: &RefreshRef) -> Result<StageDone, ActivityError> {
        let company = self.company(refresh).await?;
        let (tenant, store) = (refresh.company.tenant.as_str(), &self.search.store);
        let members = store.members_now(tenant, &company.id).await.map_err(store_failure)?;
        let unknown: Vec<&AtCompany> = members
            .iter()
            .filter(|member| member.role.is_none() || member.asked_title.as_deref() != Some(member.title.as_str()))
            .collect();
        if unknown.is_empty() {
            return Ok(StageDone::default());
        }
        // Nobody waits for a role until there is room in a question.
        let (asked_about, others) = unknown.split_at(unknown.len().min(ASKED_AT_MOST));
        let (judged, missing) = match self.judged(ctx, refresh, &company, asked_about).await? {
            Bought::Value(judged) => (judged, None),
            Bought::Without(missing) => (BTreeMap::new(), Some(missing)),
        };
        let given: Vec<GivenRole> = (1..)
            .zip(asked_about)
            .map(|(number, member)| {
                let asked = if missing.is_none() { Asked::Now(member.title.clone()) } else { Asked::NotNow };
                match judged.get(&number).filter(|judged| judged.is_certain) {
                    Some(judged) => GivenRole {
                        person_id: member.person_id.clone(),
                        role: judged.role,
                        by: "model",
                        because: judged.reason.clone(),
                        asked,
                    },
                    None => by_rule(member, asked),
                }
            })
            .chain(others.iter().map(|member| by_rule(member, Asked::NotNow)))
            .collect();
        store.give_roles(tenant, &company.id, &given).await.map_err(store_failure)?;
        Ok(missing.map_or_else(StageDone::default, Into::into))
    }

    /// The model's judgements by number. One that it cannot give is no reason to ask again: the rule stands in.
    async fn judged(
        &self,
        ctx: &ActivityContext,
        refresh: &RefreshRef,
        company: &Company,
        members: &[&AtCompany],
    ) -> Result<Bought<BTreeMap<u32, MemberRole>>, ActivityError> {
        let facts: Vec<Value> = (1..)
            .zip(members)
            .map(|(number, member): (u32, _)| {
                json!({ "member": number, "title": member.title, "knows_us": member.knows_us })
            })
            .collect();
        let asked: Vec<u32> = (1..).take(members.len()).collect();
        let facts =
            json!({ "sell": company.sell, "company": company.name, "category": company.category, "members": facts });
        let asking = Asking::<BuyerGroupRoles> {
            name: "buyer_group_roles",
            instructions: INSTRUCTIONS,
            facts: &facts,
            asked: &asked,
            max_output_tokens: 600 + OUTPUT_TOKENS_PER_MEMBER * u32::try_from(members.len()).unwrap_or(u32::MAX),
            repair_round: 0,
        };
        let Some(called) = self.search.put(payer(ctx, refresh), Provider::Openai, asking).await else {
            return Ok(Bought::Without(not_set_up(Provider::Openai)));
        };
        Ok(match self.bought(ctx, called)? {
            Bought::Value(Verdict::Good(answer)) => {
                Bought::Value(answer.members.into_iter().map(|role| (role.member, role)).collect())
            }
            Bought::Value(Verdict::Bad(problem)) => {
                Bought::Without(Missing { problem: format!("judged by rule: {problem}"), can_mend_itself: false })
            }
            Bought::Without(missing) => Bought::Without(missing),
        })
    }
}

fn by_rule(member: &AtCompany, asked: Asked) -> GivenRole {
    let judged = role_of(MemberFacts { title: &member.title, knows_us: member.knows_us });
    GivenRole {
        person_id: member.person_id.clone(),
        role: judged.role,
        by: "rule",
        because: judged.because.into(),
        asked,
    }
}
