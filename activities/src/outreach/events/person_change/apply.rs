//! What a change does: to the person's employment, to their open enrollments, to the groups of the companies.

use super::{Applied, ChangeKind, ChangeScope, PersonChange, Position};
use crate::outreach::events::{nothing_kept, unmatched, whom};
use crate::store::StoreError;
use crate::store::person_changes::{NewChange, NewJob, add_company_change, add_person_change, unclear_company};
use crate::store::persons::is_removed;
use leadflow_workflows::domain::person_change::ChangeKind as Kind;

/// Finds the person, whose row is locked from here on, and lets the change have its effect. A hint has none but to have
/// the companies looked at, which confirms or refutes it.
pub(super) async fn apply_person_change(
    scope: &mut ChangeScope<'_>,
    change: &PersonChange,
) -> Result<Applied, StoreError> {
    let Some(kind) = of_a_person(change.kind) else { return apply_company_change(scope, change).await };
    let ChangeScope { transaction, for_update, tenant, source, now_ms } = scope;
    let (public_id, emails) = (change.person.linkedin_public_id.as_deref(), &change.person.emails);
    let Some(person_id) = whom::known_by(transaction, for_update, tenant, public_id, emails).await? else {
        return Ok(unmatched("the change is about nobody known here"));
    };
    if is_removed(transaction, tenant, &person_id).await? {
        return Ok(nothing_kept(person_id));
    }
    let new = NewChange {
        tenant,
        person_id: &person_id,
        kind,
        source,
        job: job(change.current.as_ref()),
        left: job(change.previous.as_ref()),
        is_hint: change.is_hint,
        found_by: None,
        // A vendor whose clock is ahead must not make what comes later look old.
        occurred_at_ms: change.occurred_at_ms.min(*now_ms),
        now_ms: *now_ms,
    };
    let effect = add_person_change(transaction, &new).await?;
    Ok(Applied { person_id: Some(person_id), effect: effect.text, tell: effect.tell, settled: false })
}

/// What happens at a company is a reason to look who decides there now.
async fn apply_company_change(scope: &mut ChangeScope<'_>, change: &PersonChange) -> Result<Applied, StoreError> {
    let cause = match change.kind {
        ChangeKind::CompanyHiring => "the company is hiring",
        ChangeKind::CompanyFunding => "the company was funded",
        _ => return Ok(Applied { effect: "nothing to do".into(), ..Applied::default() }),
    };
    let company = job(change.current.as_ref());
    let told = add_company_change(scope.transaction, scope.tenant, company, cause, scope.now_ms).await?;
    let Some(tell) = told else {
        return Ok(Applied { effect: format!("{cause}: {}", unclear_company()), ..Applied::default() });
    };
    if tell.is_empty() {
        return Ok(unmatched("the change is about no company known here"));
    }
    Ok(Applied { effect: format!("{cause}: its buyer group is looked at again"), tell, ..Applied::default() })
}

fn of_a_person(kind: ChangeKind) -> Option<Kind> {
    match kind {
        ChangeKind::JobChanged => Some(Kind::JobChanged),
        ChangeKind::Promoted => Some(Kind::Promoted),
        ChangeKind::LeftCompany => Some(Kind::LeftCompany),
        ChangeKind::ProfileChanged => Some(Kind::ProfileChanged),
        ChangeKind::CompanyHiring | ChangeKind::CompanyFunding | ChangeKind::Other => None,
    }
}

fn job(position: Option<&Position>) -> NewJob<'_> {
    position.map_or_else(NewJob::default, |position| NewJob {
        company: position.company.as_deref(),
        domain: position.domain.as_deref(),
        title: position.title.as_deref(),
    })
}
