//! `starter lead explain`.

use super::super::campaign::explain::ExplainFacts;
use super::super::{print, print_json};
use super::{LeadArg, find};
use crate::failure::Failure;
use crate::output::{SANDBOX_NOTICE, SANDBOX_SOURCE, printable, terminal_width, wrapped};
use crate::site::{GlobalArgs, Site};
use leadflow_activities::store::Store;
use leadflow_activities::store::leads::Lead;
use leadflow_activities::store::searches::Search;
use leadflow_workflows::domain::score::{EmailStatus, Part, Score};
use schemars::JsonSchema;
use serde::Serialize;

/// Why a lead was taken or not, and what outreach did with it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LeadExplanation")]
pub(crate) struct Explained {
    lead: Lead,
    /// Whether it is a result of its search.
    taken: bool,
    /// Why it was taken or not, in words.
    why: String,
    /// Name of the search or imported list.
    search: String,
    search_status: String,
    /// Title of the business persona it was found for.
    persona: String,
    outreach: ExplainFacts,
}

impl Explained {
    pub(crate) async fn read(store: &Store, tenant: &str, lead: Lead, now_ms: i64) -> Result<Self, Failure> {
        let (explained, _) = read(store, tenant, lead, now_ms).await?;
        Ok(explained)
    }
}

async fn read(store: &Store, tenant: &str, lead: Lead, now_ms: i64) -> Result<(Explained, Search), Failure> {
    let gone = || Failure::Failed(format!("search {} of this lead is not in the store", lead.search_id));
    let search = store.search(tenant, &lead.search_id).await?.ok_or_else(gone)?;
    let personas = store.business_personas(tenant, &search.id).await?;
    let persona = personas.into_iter().find(|persona| persona.rank == lead.persona_rank);
    let outreach = super::super::campaign::explain::facts(store, tenant, &lead, now_ms).await?;
    let explained = Explained {
        taken: lead.state == "ready",
        why: why(&lead, &search),
        search: search.name.clone(),
        search_status: search.status.clone(),
        persona: persona.map(|persona| persona.title).unwrap_or_default(),
        outreach,
        lead,
    };
    Ok((explained, search))
}

pub(super) async fn run(args: &LeadArg, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let lead = find(&site, &store, &args.lead).await?;
    let (explained, search) = read(&store, site.tenant(), lead, site.clock.now_ms()).await?;
    if global.json {
        return print_json(&explained);
    }
    let width = terminal_width();
    let Explained { lead, persona, outreach, .. } = &explained;
    print(&format!("{}{}", text(lead, &search, persona, width), outreach.text(width)))
}

/// Why it was taken or not, in words.
fn why(lead: &Lead, search: &Search) -> String {
    let problem = lead.problem.as_deref().unwrap_or("nobody wrote down why");
    match lead.state.as_str() {
        "ready" if is_imported(search) => format!("taken: it was imported with the list {}", search.name),
        "ready" => "taken: it was found, scored, and has its reason".into(),
        "found" if search.is_finished() => "not taken: the search ended before its turn came".into(),
        "found" => "not yet taken: it waits for its email look-up or its reason".into(),
        "spare" => format!("spare: {problem}"),
        "quarantined" => format!("not taken: no model wrote a usable reason ({problem})"),
        _ => format!("left out: {problem}"),
    }
}

fn is_imported(search: &Search) -> bool {
    search.status == "imported"
}

fn text(lead: &Lead, search: &Search, persona: &str, width: u16) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        text.push_str(&wrapped(&format!("{label:<14}"), &printable(value), width));
    };
    line("lead", &lead.id);
    let name = format!("{} {}", lead.first_name, lead.last_name);
    // A person who asked not to be processed has no name any more.
    let name = if name.trim().is_empty() { "a person whose data are erased" } else { name.trim() };
    let role = if lead.role.is_empty() { String::new() } else { format!(", {}", lead.role) };
    line("person", &format!("{name}{role}"));
    let place = [&lead.city, &lead.region, &lead.country.to_uppercase()];
    let place: Vec<&str> = place.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    let facts: Vec<String> =
        [lead.category.clone(), place.join(", ")].into_iter().filter(|part| !part.is_empty()).collect();
    line("business", &format!("{} ({})", lead.business, facts.join("; ")));
    line("search", &format!("{}  {}", search.id, search.name));
    line("why", &why(lead, search));
    if let (Some(score), true) = (lead.score, lead.points.is_empty()) {
        line("score", &format!("{score} of 100, as the imported list says"));
    } else if lead.points.is_empty() {
        line(
            "score",
            if is_imported(search) {
                "none: the imported list has none"
            } else {
                "none: only leads that are taken are scored"
            },
        );
    } else {
        let score = Score { points: lead.points.clone() };
        line("score", &format!("{} of 100", score.total()));
        for (label, part) in [
            ("  fit", Part::BusinessFit),
            ("  role", Part::Role),
            ("  evidence", Part::Evidence),
            ("  reachable", Part::Reachable),
        ] {
            let points: Vec<String> = score
                .points
                .iter()
                .filter(|points| points.part == part)
                .map(|points| format!("{} {}/{}", points.name.replace('_', " "), points.points, points.of))
                .collect();
            line(label, &format!("{:>2}: {}", score.part(part), points.join(", ")));
        }
    }
    let evidence = &lead.evidence;
    if !is_imported(search) {
        line("found for", &format!("persona {} ({persona}), role {} of its roles", lead.persona_rank, lead.role_rank));
        line(
            "evidence",
            if evidence.employer_agrees {
                "the profile names the business as employer"
            } else {
                "the profile does not name the business as employer"
            },
        );
        line(
            "",
            match evidence.place_agrees {
                Some(true) => "the place of the profile speaks for the business",
                Some(false) => "the place of the profile speaks against the business",
                None => "the profile shows no place",
            },
        );
    }
    if let Some(tenths) = lead.rating_tenths {
        line("", &format!("rated {}.{} by {} on the map", tenths / 10, tenths % 10, lead.rating_count));
    }
    if !evidence.profile_url.is_empty() {
        line("profile", &evidence.profile_url);
    }
    if let Some(email) = &lead.email {
        let status = match lead.email_status {
            EmailStatus::Valid => "verified",
            EmailStatus::AcceptAll => "the domain accepts every address",
            EmailStatus::None => "not verified",
        };
        let confidence = lead.email_confidence.map_or(String::new(), |percent| format!(", confidence {percent} %"));
        line("email", &format!("{email} ({status}{confidence})"));
    }
    for (label, value) in [("reason", &lead.reason), ("hook", &lead.hook)] {
        if let Some(value) = value {
            line(label, value);
        }
    }
    line("source", if lead.source == SANDBOX_SOURCE { SANDBOX_NOTICE } else { &lead.source });
    text
}

#[cfg(test)]
pub(in super::super) mod tests {
    use super::*;
    use leadflow_activities::store::leads::Evidence;
    use leadflow_workflows::domain::score::{ScoreFacts, score};

    fn search() -> Search {
        let brief = crate::brief_file::parse("brief.toml", include_str!("../../../templates/brief.toml")).unwrap();
        Search {
            id: "0192f0c1-0000-7000-8000-000000000001".into(),
            tenant: "default".into(),
            name: brief.name.clone(),
            source: "sandbox".into(),
            brief,
            exclusions: vec![],
            status: "completed".into(),
            paused: false,
            created_at_ms: 0,
            started_at_ms: Some(0),
            finished_at_ms: Some(1),
        }
    }

    pub(in super::super::super) fn lead() -> Lead {
        let facts = ScoreFacts {
            business_match: 96,
            category_fits: true,
            role_match: 80,
            role_position: 1,
            employer_agrees: true,
            rating_count: 44,
            has_profile: true,
            ..ScoreFacts::default()
        };
        let score = score(&facts);
        Lead {
            id: "0192f0c1-0000-7000-8000-00000000002a".into(),
            search_id: search().id,
            number: Some(3),
            state: "ready".into(),
            problem: None,
            person_id: "p".into(),
            first_name: "Mara".into(),
            last_name: "Ødegård".into(),
            role: "Head Brewer".into(),
            linkedin_public_id: "mara-o".into(),
            email: Some("mara@lowen.example".into()),
            email_status: EmailStatus::Valid,
            email_confidence: Some(91),
            timezone: None,
            business: "Löwenbräu am Fluss".into(),
            category: "Brewery".into(),
            city: "Portland".into(),
            region: "Oregon".into(),
            country: "us".into(),
            website: None,
            domain: None,
            phone: None,
            rating_tenths: Some(48),
            rating_count: 44,
            persona_rank: 1,
            role_rank: 2,
            evidence: Evidence {
                employer_agrees: true,
                place_agrees: None,
                profile_url: "https://www.linkedin.com/in/mara-o".into(),
            },
            score: Some(score.total()),
            points: score.points,
            reason: Some("Löwenbräu am Fluss still plans its kegs on paper.".into()),
            hook: None,
            source: "sandbox".into(),
        }
    }

    #[test]
    fn a_taken_lead_shows_every_point_and_the_evidence() {
        insta::assert_snapshot!(text(&lead(), &search(), "Independent craft brewery", 100));
    }

    #[test]
    fn each_state_says_why() {
        let running = Search { finished_at_ms: None, ..search() };
        let state = |state: &str, problem: Option<&str>, search: &Search| {
            why(&Lead { state: state.into(), problem: problem.map(Into::into), ..lead() }, search)
        };
        let cases = [
            (state("found", None, &running), "not yet taken"),
            (state("found", None, &search()), "ended before its turn"),
            (state("spare", Some("the search had enough leads"), &search()), "spare: the search had enough leads"),
            (state("quarantined", Some("the answer is not JSON"), &search()), "(the answer is not JSON)"),
            (state("left_out", Some("known since search 0192"), &search()), "left out: known since search 0192"),
            (state("left_out", Some("excluded by `domain:a.example`"), &search()), "excluded by `domain:a.example`"),
        ];
        for (told, expected) in cases {
            assert!(told.contains(expected), "{told}");
        }
        let erased = Lead {
            state: "left_out".into(),
            problem: Some("the person asked not to be processed".into()),
            first_name: String::new(),
            last_name: String::new(),
            role: String::new(),
            points: vec![],
            ..lead()
        };
        let text = text(&erased, &search(), "", 80);
        assert!(
            text.contains("a person whose data are erased\n") && text.contains("asked not to be processed"),
            "{text}"
        );
    }
}
