//! `starter campaign migrate`: moves a campaign to another version of its sequence.

use super::super::{columns, confirm, print, print_json, tell};
use super::{find, find_sequence};
use crate::failure::Failure;
use crate::output::{printable, terminal_width};
use crate::outreach::ended_before;
use crate::site::{GlobalArgs, Site};
use clap::Args;
use leadflow_activities::store::Store;
use leadflow_activities::store::campaigns::{Campaign, Migrant};
use leadflow_activities::store::sequences::StoredSequence;
use leadflow_workflows::domain::outreach::{Action, TouchState};
use leadflow_workflows::domain::sequence::{Sequence, Step};
use leadflow_workflows::domain::walk::{Facts, Next, TouchFact, walk};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;

/// Move a campaign to another version of its sequence
///
/// Shows first who is affected and how. Steps are known by their ids: what was sent is not sent again. Who would lose
/// their way in the new version, or get a text again under another id, finishes the old one.
///
/// Example: starter campaign migrate spring --to 2
#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// Name, id or its beginning, or `last`
    #[arg(value_name = "NAME")]
    campaign: String,
    /// The version of its sequence that it is to follow
    #[arg(long, value_name = "VERSION")]
    to: u32,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// What a migration does.
#[derive(Debug, Default, Serialize)]
struct Plan {
    /// Enrollments that move.
    #[serde(serialize_with = "ids")]
    moving: Vec<Migrant>,
    /// Why others finish the version that they follow.
    staying: BTreeMap<String, usize>,
    /// Contacts of the new version, in their order.
    steps: Vec<StepPlan>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct StepPlan {
    step: String,
    /// It was sent to so many of those who move.
    done: usize,
    /// It lies ahead of so many, unless they reply before.
    ahead: usize,
    /// So many are past it and never get it.
    skipped: usize,
}

pub(super) async fn run(args: &MigrateArgs, global: &GlobalArgs) -> Result<(), Failure> {
    let site = Site::find(global)?;
    let store = site.store().await?;
    let campaign = find(&site, &store, &args.campaign).await?;
    if campaign.has_ended() {
        return Err(ended_before(&campaign));
    }
    let now = store.sequence(site.tenant(), &campaign.sequence_id).await?.ok_or_else(gone)?;
    let target = find_sequence(&site, &store, &format!("{}@{}", now.name, args.to)).await?;
    let plan = plan(&store, &campaign, &target, site.clock.now_ms()).await?;
    if target.id == now.id && plan.moving.is_empty() {
        return Err(Failure::Refused(format!(
            "campaign {} follows version {} already\nhint: `starter sequence list` shows the other versions",
            printable(&campaign.name),
            args.to
        )));
    }
    let preview = text(&campaign, &now, &target, &plan, terminal_width());
    if !args.yes {
        ask(&preview)?;
    }
    let outreach = site.outreach().await?;
    let moved = outreach.store.migrate_campaign(site.tenant(), &campaign.id, &target.id, &plan.moving).await?;
    outreach.tell_enrollments(&moved).await?;
    let overtaken = plan.moving.len() - moved.len();
    if global.json {
        return print_json(&serde_json::json!({
            "campaign_id": campaign.id, "version": target.version, "moved": moved.len(), "overtaken": overtaken,
            "plan": plan,
        }));
    }
    print(&format!("{preview}\nmoved {} leads to version {}\n", moved.len(), target.version))?;
    if overtaken > 0 {
        tell(&format!(
            "to {overtaken} something has happened meanwhile: they follow their version\nhint: the same command again shows who \
             of them can move"
        ));
    }
    Ok(())
}

/// Writes who moves as the ids of their enrollments.
fn ids<S: Serializer>(moving: &[Migrant], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(moving.iter().map(|migrant| &migrant.enrollment_id))
}

fn ask(preview: &str) -> Result<(), Failure> {
    tell(preview);
    confirm("move them?", "nothing was changed\nhint: give --yes to do what is shown", "nothing was changed")
}

fn gone() -> Failure {
    Failure::Failed("the sequence of this campaign is not in the store".into())
}

async fn plan(store: &Store, campaign: &Campaign, target: &StoredSequence, now_ms: i64) -> Result<Plan, Failure> {
    let tenant = campaign.tenant.as_str();
    let mut plan = Plan { steps: contacts(&target.sequence), ..Plan::default() };
    let connections = store.connections_of_campaign(tenant, &campaign.id).await?;
    let mut followed: BTreeMap<String, Sequence> = BTreeMap::new();
    for enrollment in store.enrollments_of_campaign(tenant, &campaign.id).await? {
        if !enrollment.is_open || enrollment.sequence_id == target.id {
            continue;
        }
        let touches = store.touches(tenant, &enrollment.id).await?;
        let lead = store.lead(tenant, &enrollment.lead_id).await?;
        let facts = Facts {
            now_ms,
            started_at_ms: enrollment.started_at_ms,
            connected_at_ms: connections.get(&enrollment.id).copied(),
            declined_at_ms: touches.iter().find_map(|touch| touch.declined_at_ms),
            has_profile: enrollment.linkedin_account_id.is_some()
                && lead.as_ref().is_some_and(|lead| !lead.linkedin_public_id.is_empty()),
            has_email: enrollment.email_account_id.is_some() && lead.is_some_and(|lead| lead.email.is_some()),
            touches: touches.iter().map(|touch| (touch.step_id.clone(), touch.fact())).collect(),
            decisions: enrollment.decisions.clone(),
        };
        if let Entry::Vacant(vacant) = followed.entry(enrollment.sequence_id.clone()) {
            vacant.insert(store.sequence(tenant, &enrollment.sequence_id).await?.ok_or_else(gone)?.sequence);
        }
        let migrant = Migrant::new(&enrollment, &touches);
        plan.add(migrant, &facts, &followed[&enrollment.sequence_id], &target.sequence);
    }
    Ok(plan)
}

fn contacts(sequence: &Sequence) -> Vec<StepPlan> {
    let contacts = sequence.steps.iter().filter(|step| step.kind.action().is_some());
    contacts.map(|step| StepPlan { step: step.id.clone(), ..StepPlan::default() }).collect()
}

impl Plan {
    fn add(&mut self, migrant: Migrant, facts: &Facts, followed: &Sequence, sequence: &Sequence) {
        let in_doubt = |touch: &TouchFact| matches!(touch.state, TouchState::Calling | TouchState::Unknown);
        let lost = facts.touches.iter().find(|(step, touch)| in_doubt(touch) && sequence.step(step).is_none());
        let why = lost.map(|_| "a contact that the new version lacks is not settled".to_owned());
        let next = match (why.or_else(|| confused(facts, followed, sequence)), walk(sequence, facts).next) {
            (Some(why), _) => Err(why),
            (None, Next::End { cause, .. }) => Err(format!("it would end at once: {cause}")),
            (None, Next::Touch { step, .. } | Next::Wait { step, .. } | Next::Doubt { step, .. }) => Ok(step),
        };
        let next = match next {
            Ok(step) => sequence.position(&step).unwrap_or(0),
            Err(why) => return *self.staying.entry(why).or_default() += 1,
        };
        self.moving.push(migrant);
        for plan in &mut self.steps {
            let is_done = facts.touches.get(&plan.step).is_some_and(|touch| touch.state == TouchState::Sent);
            let is_ahead = sequence.position(&plan.step).is_some_and(|position| position >= next);
            match (is_done, is_ahead) {
                (true, _) => plan.done += 1,
                (false, true) => plan.ahead += 1,
                (false, false) => plan.skipped += 1,
            }
        }
    }
}

/// Why the ids of the new version do not tell what was done: a text that was got under one id stands under another, where it
/// would be due again, or an id is now another kind of contact.
fn confused(facts: &Facts, followed: &Sequence, sequence: &Sequence) -> Option<String> {
    let done = || facts.touches.iter().filter(|(_, touch)| !touch.state.is_plan());
    let changed =
        done().find(|(id, touch)| sequence.step(id).is_some_and(|step| step.kind.action() != Some(touch.action)));
    if let Some((id, touch)) = changed {
        return Some(format!("step {id} is no longer the {} that was made", touch.action.name()));
    }
    // What could not be made was not got; two visits to a profile are no text twice.
    let got = done().filter(|(_, touch)| touch.state != TouchState::Refused && touch.action != Action::VisitProfile);
    let texts: Vec<&Step> = got.filter_map(|(id, _)| followed.step(id)).collect();
    let again = sequence.steps.iter().find(|step| {
        let is_new_here = followed.step(&step.id).is_none_or(|before| before.kind != step.kind);
        is_new_here
            && facts.touches.get(&step.id).is_none_or(|touch| touch.state.is_plan())
            && texts.iter().any(|text| text.kind == step.kind)
    });
    again.map(|step| format!("step {} would send them a text that they got under another id", step.id))
}

fn text(campaign: &Campaign, now: &StoredSequence, target: &StoredSequence, plan: &Plan, width: u16) -> String {
    let mut text = format!(
        "campaign {} goes from {}@{} to version {}: {} leads move\n",
        printable(&campaign.name),
        now.name,
        now.version,
        target.version,
        plan.moving.len()
    );
    for (why, leads) in &plan.staying {
        writeln!(text, "{leads} finish the version that they follow: {why}").expect("a text takes any line");
    }
    let rows = plan
        .steps
        .iter()
        .map(|step| vec![step.step.clone(), step.done.to_string(), step.ahead.to_string(), step.skipped.to_string()]);
    text.push('\n');
    text.push_str(&columns(&["step", "done", "ahead", "skipped"], &["done", "ahead", "skipped"], rows, width));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use leadflow_activities::store::enrollments::Enrollment;
    use leadflow_workflows::domain::outreach::EnrollmentState;
    use leadflow_workflows::domain::sequence::StepKind;
    use leadflow_workflows::domain::walk::Decision;

    fn migrant(id: &str) -> Migrant {
        let enrollment = Enrollment {
            id: id.into(),
            tenant: "default".into(),
            campaign_id: "c".into(),
            lead_id: "l".into(),
            person_id: "p".into(),
            sequence_id: "s1".into(),
            linkedin_account_id: Some("a".into()),
            email_account_id: None,
            state: EnrollmentState::InviteSent,
            cause: "the invitation was sent".into(),
            state_at_ms: 0,
            is_open: true,
            paused: None,
            decisions: BTreeMap::new(),
            started_at_ms: 0,
            advice: None,
            wakes_at_ms: 0,
            workflow_started_at_ms: Some(0),
            ended_at_ms: None,
        };
        Migrant::new(&enrollment, &[])
    }

    fn moving(plan: &Plan) -> Vec<&str> {
        plan.moving.iter().map(|migrant| migrant.enrollment_id.as_str()).collect()
    }

    /// visit → hello → wait (or to mail) → thanks, end → mail
    fn sequence() -> Sequence {
        let step = |id: &str, kind, end| Step { id: id.into(), after_ms: 0, kind, end };
        let on_timeout = Some("mail".into());
        Sequence {
            name: "intro".into(),
            stop_on: std::collections::BTreeSet::default(),
            steps: vec![
                step("visit", StepKind::VisitProfile, false),
                step("hello", StepKind::Invite { note: String::new() }, false),
                step("wait", StepKind::WaitForConnection { timeout_ms: 1_000, on_timeout }, false),
                step("thanks", StepKind::Message { text: "Hi".into() }, true),
                step("mail", StepKind::Email { subject: "s".into(), text: "t".into() }, false),
            ],
        }
    }

    fn facts(now_ms: i64, touches: &[(&str, Action, TouchState)]) -> Facts {
        let fact = |action, state| TouchFact { action, state, settled_at_ms: Some(10), problem: None };
        Facts {
            now_ms,
            has_profile: true,
            has_email: true,
            touches: touches.iter().map(|(step, action, state)| ((*step).into(), fact(*action, *state))).collect(),
            ..Facts::default()
        }
    }

    #[test]
    fn who_would_lose_their_way_stays() {
        let mut plan = Plan { steps: contacts(&sequence()), ..Plan::default() };
        let sent = TouchState::Sent;
        let begun = [("visit", Action::VisitProfile, sent), ("hello", Action::Invite, sent)];
        plan.add(migrant("waits"), &facts(100, &begun), &sequence(), &sequence());
        // The visit is new in this version: whoever was invited before gets it as the first thing that is not done.
        plan.add(migrant("before"), &facts(100, &begun[1..]), &sequence(), &sequence());
        plan.add(migrant("new"), &facts(100, &[]), &sequence(), &sequence());
        let late = Facts {
            decisions: [("wait".to_owned(), Decision { to: "gone".into(), at_ms: 50 })].into(),
            ..facts(100, &begun)
        };
        plan.add(migrant("gone"), &late, &sequence(), &sequence());
        let doubt = facts(100, &[("other", Action::Message, TouchState::Unknown)]);
        plan.add(migrant("doubt"), &doubt, &sequence(), &sequence());
        assert_eq!(moving(&plan), ["waits", "before", "new"]);
        let staying: Vec<&str> = plan.staying.keys().map(String::as_str).collect();
        assert_eq!(
            staying,
            [
                "a contact that the new version lacks is not settled",
                "it would end at once: the step that was to follow is no longer in the sequence"
            ]
        );
        let row = |step: &str| {
            let step = plan.steps.iter().find(|plan| plan.step == step).unwrap();
            (step.done, step.ahead, step.skipped)
        };
        assert_eq!((row("visit"), row("hello"), row("mail")), ((1, 2, 0), (2, 1, 0), (0, 3, 0)));
    }

    #[test]
    fn what_lies_behind_is_skipped() {
        let mut plan = Plan { steps: contacts(&sequence()), ..Plan::default() };
        let timed_out = Facts {
            decisions: [("hello".to_owned(), Decision { to: "mail".into(), at_ms: 50 })].into(),
            ..facts(100, &[("visit", Action::VisitProfile, TouchState::Sent)])
        };
        plan.add(migrant("e"), &timed_out, &sequence(), &sequence());
        let thanks = plan.steps.iter().find(|plan| plan.step == "thanks").unwrap();
        assert_eq!((thanks.done, thanks.ahead, thanks.skipped), (0, 0, 1));
    }

    fn message(id: &str, text: &str) -> Step {
        Step { id: id.into(), after_ms: 0, kind: StepKind::Message { text: text.into() }, end: false }
    }

    fn of(steps: &[Step]) -> Sequence {
        Sequence { steps: steps.to_vec(), ..sequence() }
    }

    #[test]
    fn nobody_gets_a_text_again_under_another_id() {
        let before = of(&[message("message", "A"), message("message-2", "B")]);
        let after = of(&[message("message", "New"), message("message-2", "A"), message("message-3", "B")]);
        let mut plan = Plan { steps: contacts(&after), ..Plan::default() };
        let add = |plan: &mut Plan, id: &str, touches: &[(&str, Action, TouchState)]| {
            plan.add(migrant(id), &facts(100, touches), &before, &after);
        };
        let got = |step, state| (step, Action::Message, state);
        add(&mut plan, "got A", &[got("message", TouchState::Sent)]);
        add(&mut plan, "perhaps got A", &[got("message", TouchState::Unknown)]);
        add(&mut plan, "got both", &[got("message", TouchState::Sent), got("message-2", TouchState::Sent)]);
        add(&mut plan, "plans A", &[got("message", TouchState::Planned)]);
        add(&mut plan, "new", &[]);
        assert_eq!(moving(&plan), ["plans A", "new"]);
        let why = |step: &str| format!("step {step} would send them a text that they got under another id");
        assert_eq!(plan.staying, [(why("message-2"), 2), (why("message-3"), 1)].into());
    }

    #[test]
    fn texts_that_stay_in_their_place_keep_nobody() {
        // Twice the same, and one that was rewritten.
        let before = of(&[message("one", "A"), message("two", "A"), message("three", "B")]);
        let after = of(&[message("one", "A"), message("two", "A"), message("three", "C")]);
        let mut plan = Plan::default();
        let sent = [("one", Action::Message, TouchState::Sent)];
        plan.add(migrant("e"), &facts(100, &sent), &before, &after);
        assert_eq!((plan.moving.len(), plan.staying.len()), (1, 0));
    }

    #[test]
    fn an_id_that_is_another_kind_of_contact_keeps_who_had_it() {
        let after = of(&[message("hello", "A"), message("thanks", "B")]);
        let mut plan = Plan::default();
        let invited = [("hello", Action::Invite, TouchState::Sent)];
        plan.add(migrant("invited"), &facts(100, &invited), &sequence(), &after);
        let planned = [("hello", Action::Invite, TouchState::Planned)];
        plan.add(migrant("planned"), &facts(100, &planned), &sequence(), &after);
        assert_eq!(moving(&plan), ["planned"]);
        assert_eq!(plan.staying, [("step hello is no longer the invite that was made".to_owned(), 1)].into());
    }
}
