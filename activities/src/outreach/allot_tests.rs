use super::*;
use leadflow_workflows::domain::account::Hours;
use leadflow_workflows::domain::sequence::Step;
use std::collections::BTreeSet;

const HOUR_MS: i64 = 3_600_000;
/// Monday, 1 June 2026, 00:00 UTC.
const MONDAY_MS: i64 = 1_780_272_000_000;
const INVITE: [Opener; 1] = [Opener { action: Action::Invite, has_note: false, after_ms: 0 }];

fn utc() -> Calendar {
    Calendar::new(&Hours::office(), "Etc/UTC", "ZZ", true).unwrap()
}

fn day<'a>(limits: &'a Limits, sender: &'a Calendar, uses: &'a [Use]) -> AccountDay<'a> {
    AccountDay { limits, sender, uses, starts_ms: &[], pending: 0 }
}

fn request<'a>(now_ms: i64, accounts: &'a [AccountDay<'a>]) -> AllotRequest<'a> {
    AllotRequest { now_ms, openers: &INVITE, starts_per_day: None, accounts, waiting: 1_000, jitter: 0 }
}

fn invites(from_ms: i64, count: i64) -> Vec<Use> {
    let at = |number| from_ms + number * 10 * 60_000;
    (0..count)
        .map(|number| Use { action: Action::Invite, has_note: false, from_ms: at(number), until_ms: at(number) })
        .collect()
}

#[test]
fn a_day_begins_as_many_as_its_limits_have_room_for_within_its_first_hour() {
    let (limits, sender) = (Limits::standard(), utc());
    let open_ms = MONDAY_MS + 9 * HOUR_MS;
    for (uses, room) in [
        (vec![], 20),
        (invites(open_ms - DAY_MS + 60_000, 20), 20),
        // Friday's last ones and what is already reserved take from it.
        (invites(open_ms + 5 * HOUR_MS, 6), 14),
        (invites(open_ms - 6 * DAY_MS, 100), 0),
    ] {
        let accounts = [day(&limits, &sender, &uses)];
        let starts = allot(&AllotRequest { jitter: 7_919, ..request(MONDAY_MS, &accounts) });
        assert_eq!(starts.len(), room);
        assert!(starts.iter().all(|start| (open_ms..open_ms + STARTS_WITHIN_MS).contains(&start.at_ms)));
        assert_eq!(starts.iter().map(|start| start.at_ms).collect::<BTreeSet<_>>().len(), room);
    }
}

#[test]
fn what_is_begun_already_and_what_was_asked_for_count() {
    let (limits, sender) = (Limits::standard(), utc());
    let earlier = [MONDAY_MS + 9 * HOUR_MS, MONDAY_MS - DAY_MS];
    let account = AccountDay { starts_ms: &earlier, ..day(&limits, &sender, &[]) };
    let count = |request: AllotRequest<'_>| allot(&request).len();
    assert_eq!(count(AllotRequest { starts_per_day: Some(5), ..request(MONDAY_MS, &[account]) }), 4);
    assert_eq!(count(AllotRequest { starts_per_day: Some(1), ..request(MONDAY_MS, &[account]) }), 0);
    assert_eq!(count(AllotRequest { waiting: 3, ..request(MONDAY_MS, &[account]) }), 3);
    assert_eq!(count(request(MONDAY_MS, &[AccountDay { pending: 18, ..account }])), 2);
    assert_eq!(count(request(MONDAY_MS, &[AccountDay { pending: 30, ..account }])), 0);
}

#[test]
fn nothing_begins_more_than_a_day_ahead() {
    let (limits, sender) = (Limits::standard(), utc());
    let accounts = [day(&limits, &sender, &[])];
    let saturday_ms = MONDAY_MS + 5 * DAY_MS;
    assert!(allot(&request(saturday_ms, &accounts)).is_empty());
    assert_eq!(allot(&request(saturday_ms + 34 * HOUR_MS, &accounts)).len(), 20);
}

#[test]
fn the_best_leads_are_spread_over_the_accounts() {
    let (limits, sender) = (Limits::standard(), utc());
    let busy = invites(MONDAY_MS + 9 * HOUR_MS, 18);
    let accounts = [day(&limits, &sender, &busy), day(&limits, &sender, &[]), day(&limits, &sender, &[])];
    let starts = allot(&AllotRequest { waiting: 36, ..request(MONDAY_MS, &accounts) });
    let of = |account| starts.iter().filter(|start| start.account == account).count();
    assert_eq!((of(0), of(1), of(2)), (0, 18, 18));
    assert_eq!(starts[..4].iter().map(|start| start.account).collect::<Vec<_>>(), [1, 2, 1, 2]);
    assert_eq!(allot(&request(MONDAY_MS, &accounts)).len(), 42);
}

#[test]
fn the_scarcest_opener_decides() {
    let step = |id: &str, kind| Step { id: id.into(), after_ms: 0, kind, end: false };
    let sequence = Sequence {
        name: "visits".into(),
        stop_on: BTreeSet::new(),
        steps: vec![
            step("look", StepKind::VisitProfile),
            step("pause", StepKind::Wait { for_ms: DAY_MS }),
            step("hello", StepKind::Invite { note: "Hi".into() }),
            step("mail", StepKind::Email { subject: "Hi".into(), text: "Hi".into() }),
        ],
    };
    let openers = openers(&sequence);
    let visit = Opener { action: Action::VisitProfile, has_note: false, after_ms: 0 };
    let invite = Opener { action: Action::Invite, has_note: true, after_ms: DAY_MS };
    assert_eq!(openers, [visit, invite]);
    let (mut limits, sender) = (Limits::standard(), utc());
    limits.notes_per_month = Some(5);
    let accounts = [day(&limits, &sender, &[])];
    assert_eq!(allot(&AllotRequest { openers: &openers, ..request(MONDAY_MS, &accounts) }).len(), 5);
    assert_eq!(allot(&request(MONDAY_MS, &accounts)).len(), 20);
    // Tuesday's invitations are what Monday's visits lead to.
    limits.notes_per_month = None;
    let (monday, tuesday) = (invites(MONDAY_MS + 9 * HOUR_MS, 20), invites(MONDAY_MS + 33 * HOUR_MS, 16));
    for (uses, room) in [(monday, 20), (tuesday, 4)] {
        let accounts = [day(&limits, &sender, &uses)];
        assert_eq!(allot(&AllotRequest { openers: &openers, ..request(MONDAY_MS, &accounts) }).len(), room);
    }
}
