use super::*;
use proptest::prelude::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn limits(per_day: u32, per_week: u32, gap_ms: i64) -> Limits {
    let limit = ActionLimit { per_day, per_week, gap_ms };
    Limits { actions: [(Action::Invite, limit)].into(), warm_up: None, notes_per_month: None }
}

fn at(at_ms: i64) -> Use {
    Use { action: Action::Invite, has_note: false, from_ms: at_ms, until_ms: at_ms }
}

/// The rules by their words: for each window that ends when a use begins, the uses in it and how many are allowed.
fn broken(limits: &Limits, uses: &[Use]) -> Option<String> {
    let limit = &limits.actions[&Action::Invite];
    let share = |full, at_ms| limits.warm_up.map_or(full, |warm_up: WarmUp| warm_up.share(full, at_ms));
    for last in uses {
        let end_ms = last.from_ms;
        let within = |window_ms: i64, notes: bool| {
            let counted = uses.iter().filter(|used| {
                used.from_ms <= end_ms && used.until_ms > end_ms - window_ms && (!notes || used.has_note)
            });
            u32::try_from(counted.count()).expect("few")
        };
        let notes = limits.notes_per_month.filter(|_| last.has_note);
        let is_broken = within(DAY_MS, false) > share(limit.per_day, end_ms)
            || within(WEEK_MS, false) > share(limit.per_week, end_ms)
            || limit.gap_ms > 0 && within(limit.gap_ms, false) > 1
            || notes.is_some_and(|notes| within(MONTH_MS, true) > notes);
        if is_broken {
            return Some(format!("{last:?} is one too many"));
        }
    }
    None
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let warm_up = prop::option::of((-5..5i64, 1..10u32));
    (1..5u32, 2..14u32, 0..40i64, warm_up, prop::option::of(1..4u32)).prop_map(
        |(per_day, per_week, gap, warm_up, notes_per_month)| Limits {
            warm_up: warm_up.map(|(day, days)| WarmUp { started_at_ms: day * DAY_MS + 7 * HOUR_MS, days }),
            notes_per_month,
            ..limits(per_day, per_week, gap * 10 * MINUTE_MS)
        },
    )
}

/// Instants on a coarse grid, so that windows meet exactly now and then.
fn instant() -> impl Strategy<Value = i64> {
    prop_oneof![(0..14 * 24i64).prop_map(|hour| hour * HOUR_MS), 0..14 * DAY_MS]
}

fn any_use() -> impl Strategy<Value = Use> {
    (instant(), prop_oneof![Just(0), 0..HOUR_MS], any::<bool>()).prop_map(|(from_ms, length_ms, has_note)| Use {
        action: Action::Invite,
        has_note,
        from_ms,
        until_ms: from_ms + length_ms,
    })
}

/// Uses that keep the limits: each of the proposed ones that could be added.
fn kept(limits: &Limits, proposed: Vec<Use>) -> Vec<Use> {
    let mut uses = Vec::new();
    for used in proposed {
        uses.push(used);
        if broken(limits, &uses).is_some() {
            uses.pop();
        }
    }
    uses
}

fn with(uses: &[Use], one: Use) -> Vec<Use> {
    [uses, &[one]].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Requests that come one after another, for any time and in any order, never fill a window too much.
    #[test]
    fn every_rolling_window_holds(limits in any_limits(), requests in prop::collection::vec((instant(), any::<bool>()), 0..60)) {
        let mut uses = Vec::new();
        for (from_ms, has_note) in requests {
            let (free_ms, hold) = next_free(&limits, Action::Invite, has_note, &uses, from_ms);
            prop_assert!(free_ms >= from_ms);
            prop_assert_eq!(hold.is_some(), free_ms > from_ms);
            uses.push(Use { has_note, ..at(free_ms) });
            prop_assert_eq!(broken(&limits, &uses), None);
        }
    }

    /// What is found is free, nothing before it is, and the order of the uses does not matter.
    #[test]
    fn the_next_free_instant_is_free_and_the_first(
        limits in any_limits(), proposed in prop::collection::vec(any_use(), 0..40), from_ms in instant(), has_note: bool,
        earlier in prop::collection::vec(0.0..1.0f64, 20),
    ) {
        let mut uses = kept(&limits, proposed);
        let (free_ms, _) = next_free(&limits, Action::Invite, has_note, &uses, from_ms);
        let one = |at_ms| Use { has_note, ..at(at_ms) };
        prop_assert_eq!(broken(&limits, &with(&uses, one(free_ms))), None);

        // Anywhere before it, and right at every instant at which something ends or begins.
        let gap_ms = limits.actions[&Action::Invite].gap_ms;
        let edges = uses.iter().flat_map(|used| {
            [0, gap_ms, DAY_MS, WEEK_MS, MONTH_MS].map(|after| [used.until_ms + after, used.from_ms - after])
        });
        let steps = limits.warm_up.iter().flat_map(|warm_up| {
            (0..=warm_up.days).map(|day| warm_up.started_at_ms + i64::from(day) * DAY_MS)
        });
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "any instant between will do")]
        let between = earlier.iter().map(|share| from_ms + ((free_ms - from_ms) as f64 * share) as i64);
        for before_ms in edges.flatten().chain(steps).chain(between).chain([from_ms, free_ms - 1]) {
            if (from_ms..free_ms).contains(&before_ms) {
                let broken = broken(&limits, &with(&uses, one(before_ms)));
                prop_assert!(broken.is_some(), "{} would do, too, not only {}", before_ms, free_ms);
            }
        }
        let found = next_free(&limits, Action::Invite, has_note, &uses, from_ms);
        uses.reverse();
        prop_assert_eq!(next_free(&limits, Action::Invite, has_note, &uses, from_ms), found);
    }

    /// A refusal is right, ends when it says, and knows nothing of what is planned for later.
    #[test]
    fn a_use_is_refused_exactly_when_a_window_that_ends_with_it_is_full(
        limits in any_limits(), proposed in prop::collection::vec(any_use(), 0..40), at_ms in instant(), has_note: bool,
    ) {
        let uses: Vec<Use> = kept(&limits, proposed).into_iter().filter(|used| used.from_ms <= at_ms).collect();
        let one = Use { has_note, ..at(at_ms) };
        let refused = refusal(&limits, Action::Invite, has_note, &uses, at_ms);
        prop_assert_eq!(refused.is_some(), broken(&limits, &with(&uses, one)).is_some());
        let later = with(&uses, at(at_ms + 1));
        prop_assert_eq!(&refusal(&limits, Action::Invite, has_note, &later, at_ms), &refused);
        if let Some((hold, until_ms)) = refused {
            prop_assert!(until_ms > at_ms);
            let still = refusal(&limits, Action::Invite, has_note, &uses, until_ms - 1).expect("it is refused until then");
            prop_assert_eq!(still.1, until_ms);
            let after = refusal(&limits, Action::Invite, has_note, &uses, until_ms);
            let kind = std::mem::discriminant::<Hold>;
            let is_over = after.is_none_or(|(other, _)| kind(&other) != kind(&hold));
            prop_assert!(is_over);
        }
    }
}

#[test]
fn each_rule_says_its_name() {
    let invite = Action::Invite;
    let mut rules = limits(2, 3, 10 * MINUTE_MS);
    let refused = |rules: &Limits, uses: &[i64], has_note: bool, at_ms| {
        let uses: Vec<Use> = uses.iter().map(|at_ms| Use { has_note: true, ..at(*at_ms) }).collect();
        refusal(rules, invite, has_note, &uses, at_ms)
    };
    assert_eq!(refused(&rules, &[0], false, 5), Some((Hold::MinimumGap { action: invite, gap_ms: 600_000 }, 600_000)));
    assert_eq!(refused(&rules, &[0], false, 600_000), None);
    let day = Hold::DailyLimit { action: invite, limit: 2 };
    assert_eq!(refused(&rules, &[0, HOUR_MS], false, 2 * HOUR_MS), Some((day, DAY_MS)));
    let week = Hold::WeeklyLimit { action: invite, limit: 3 };
    assert_eq!(refused(&rules, &[0, HOUR_MS, 2 * DAY_MS], false, 4 * DAY_MS), Some((week, WEEK_MS)));
    rules.notes_per_month = Some(1);
    assert_eq!(refused(&rules, &[0], true, DAY_MS), Some((Hold::MonthlyNotes { limit: 1 }, MONTH_MS)));
    assert_eq!(refused(&rules, &[0], false, DAY_MS), None);
    rules = Limits { warm_up: Some(WarmUp { started_at_ms: 0, days: 10 }), ..limits(5, 50, 0) };
    let warm_up = Hold::WarmUp { action: invite, limit: 1 };
    assert_eq!(refused(&rules, &[0], false, HOUR_MS), Some((warm_up, DAY_MS)));
}

#[test]
fn what_is_not_allowed_at_all_is_never_free() {
    for none in [limits(0, 5, 0), limits(5, 0, 0), Limits { actions: BTreeMap::new(), ..limits(1, 1, 0) }] {
        assert_eq!(next_free(&none, Action::Invite, false, &[], 0).0, i64::MAX);
        assert_eq!(refusal(&none, Action::Invite, false, &[], 0).map(|(_, until_ms)| until_ms), Some(i64::MAX));
    }
}

#[test]
fn a_warm_up_grows_from_a_fifth_in_equal_steps() {
    let warm_up = WarmUp { started_at_ms: 0, days: 8 };
    let shares: Vec<u32> = (-1..=9).map(|day| warm_up.share(20, day * DAY_MS)).collect();
    assert_eq!(shares, [4, 4, 6, 8, 10, 12, 14, 16, 18, 20, 20]);
    assert_eq!(warm_up.share(2, 0), 1);
    assert_eq!(warm_up.share(0, 0), 0);
}
