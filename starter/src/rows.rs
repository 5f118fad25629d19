//! Stored leads in the form in which they are shown.

use crate::failure::Failure;
use crate::output::LeadRow;
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::{Lead, SearchKey};
use leadflow_activities::store::personas::Persona;
use leadflow_workflows::domain::score::{EmailStatus, Part, Score};

/// The leads of a search that are ready, the best first.
pub async fn lead_rows(store: &Store, key: SearchKey<'_>) -> Result<Vec<LeadRow>, Failure> {
    Ok(numbered_lead_rows(store, key).await?.into_iter().map(|(_, row)| row).collect())
}

/// [`lead_rows`], each with the number of its lead: of two with the same score, the smaller one comes first.
pub(crate) async fn numbered_lead_rows(store: &Store, key: SearchKey<'_>) -> Result<Vec<(u32, LeadRow)>, Failure> {
    let personas = store.business_personas(key.tenant, key.id).await?;
    let leads = store.ready_leads(key).await?.into_iter().zip(1..);
    Ok(leads.map(|(lead, rank)| (lead.number.unwrap_or_default(), lead_row(lead, rank, &personas))).collect())
}

fn lead_row(lead: Lead, rank: u32, personas: &[Persona]) -> LeadRow {
    let persona = personas.iter().find(|persona| persona.rank == lead.persona_rank);
    let score = Score { points: lead.points };
    LeadRow {
        rank,
        name: format!("{} {}", lead.first_name, lead.last_name),
        role: lead.role,
        business: lead.business,
        category: lead.category,
        city: lead.city,
        region: lead.region,
        country: lead.country.to_uppercase(),
        // Of an imported lead only the sum is known.
        score: lead.score.unwrap_or_default(),
        score_business_fit: score.part(Part::BusinessFit),
        score_role: score.part(Part::Role),
        score_evidence: score.part(Part::Evidence),
        score_reachable: score.part(Part::Reachable),
        email_status: match (lead.email.is_some(), lead.email_status) {
            (true, EmailStatus::Valid) => "valid".into(),
            (true, EmailStatus::AcceptAll) => "accept_all".into(),
            _ => "none".into(),
        },
        email: lead.email,
        linkedin_url: Some(lead.evidence.profile_url).filter(|url| !url.is_empty()),
        website: lead.website,
        phone: lead.phone,
        reason: lead.reason,
        hook: lead.hook,
        source: lead.source,
        persona: persona.map(|persona| persona.title.clone()).unwrap_or_default(),
        id: lead.id,
    }
}
