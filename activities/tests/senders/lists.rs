//! What an account shows: accounts, invitations, relations, chats, mails.

use crate::bench::{ACCOUNT, Bench, DANA, MAILBOX, email};
use leadflow_activities::senders::{AccountStatus, SendRequest, Sender, Verdict};
use leadflow_sandbox::{AccountChange, Behaviour, EnforcedLimits, UnipileOptions};
use leadflow_workflows::domain::outreach::Channel;
use std::collections::BTreeSet;

#[tokio::test]
async fn accounts_tell_what_they_are_and_how_they_are() {
    let bench = Bench::start().await;
    let accounts = bench.unipile.accounts().await.expect("listed");
    let of = |id: &str| accounts.iter().find(|account| account.id == id).expect("linked").clone();
    let (paid, free, mailbox) = (of(ACCOUNT), of("acc_li_free_1"), of(MAILBOX));
    assert_eq!((paid.channel, paid.is_premium, paid.status), (Channel::Linkedin, true, AccountStatus::Ok));
    assert!(paid.owner_provider_id.is_some() && paid.address.is_none());
    assert!(!free.is_premium);
    assert_eq!((mailbox.channel, mailbox.address.as_deref()), (Channel::Email, Some("owner1@senders.example")));
    assert_eq!(mailbox.owner_provider_id, None);

    let change = AccountChange { status: Some("CREDENTIALS".into()), restricted: None };
    bench.sandbox.change_unipile_account(ACCOUNT, &change).expect("changed");
    let paused = bench.unipile.account(ACCOUNT).await.expect("still listed");
    assert_eq!((paused.status, paused.status.can_send()), (AccountStatus::Credentials, Some(false)));
    let refused = bench.unipile.profile(ACCOUNT, DANA).await.expect_err("disconnected");
    assert_eq!(refused.verdict, Verdict::PauseAccount { restricted: false });
    let unknown = bench.unipile.account("acc_nobody").await.expect_err("unknown");
    assert_eq!((unknown.verdict, unknown.kind.as_str()), (Verdict::Unreachable, "resource_not_found"));
}

#[tokio::test]
async fn invitations_are_listed_page_by_page_until_they_are_accepted() {
    let bench = Bench::start().await;
    let mut invited = BTreeSet::new();
    // More than a page, from an account whose daily limit allows it.
    bench.sandbox.set_unipile_options(UnipileOptions {
        accept_permille: 0,
        decline_permille: 0,
        limits: EnforcedLimits { invites_per_day: 1_000, invites_per_week: 1_000, ..EnforcedLimits::default() },
        ..UnipileOptions::default()
    });
    for number in 0..130 {
        let person = format!("sim-kim-voss-{number}");
        let person_provider_id = bench.profile(&person).await.provider_id;
        let note = (number == 0).then(|| "Hi Kim".to_owned());
        bench.send(ACCOUNT, &SendRequest::Invite { person_provider_id, note }).await.expect("invited");
        invited.insert(person);
    }
    let started_ms = bench.clock.now_ms();
    let first = bench.unipile.sent_invitations(ACCOUNT, None).await.expect("listed");
    let cursor = first.cursor.clone().expect("more");
    let second = bench.unipile.sent_invitations(ACCOUNT, Some(&cursor)).await.expect("listed");
    assert_eq!((first.items.len(), second.items.len(), second.cursor), (100, 30, None));
    let all: Vec<_> = first.items.into_iter().chain(second.items).collect();
    let listed: BTreeSet<_> = all.iter().filter_map(|invitation| invitation.person_public_id.clone()).collect();
    assert_eq!(listed, invited);
    assert!(all.iter().all(|one| one.at_ms.is_some_and(|at_ms| (started_ms - 60_000..=started_ms).contains(&at_ms))));
    assert_eq!(all.iter().filter(|one| one.text.as_deref() == Some("Hi Kim")).count(), 1);

    let person_provider_id = bench.profile("sim-kim-voss-7").await.provider_id;
    bench.sandbox.unipile_connect_by_hand(ACCOUNT, "sim-kim-voss-7").expect("connected");
    let relations = bench.unipile.relations(ACCOUNT, None).await.expect("listed").items;
    let relation = relations.iter().find(|one| one.provider_id == person_provider_id).expect("connected");
    assert_eq!(relation.public_id.as_deref(), Some("sim-kim-voss-7"));
    assert!(relation.created_at_ms.is_some_and(|at_ms| at_ms >= started_ms));
    let pending = bench.unipile.sent_invitations(ACCOUNT, None).await.expect("listed").items;
    assert!(pending.iter().all(|one| one.person_provider_id.as_ref() != Some(&person_provider_id)));
}

#[tokio::test]
async fn what_the_owner_and_the_person_wrote_is_listed() {
    let bench = Bench::start().await;
    bench.sandbox.unipile_connect_by_hand(ACCOUNT, DANA).expect("connected");
    let theirs = bench.sandbox.unipile_reply(ACCOUNT, DANA, "What does it cost?").expect("written");
    let ours = bench.sandbox.unipile_owner_message(ACCOUNT, DANA, "Let us talk.").expect("written");
    let person_provider_id = bench.profile(DANA).await.provider_id;
    let chats = bench.unipile.chats(ACCOUNT, None).await.expect("listed").items;
    assert_eq!(chats.len(), 1);
    assert_eq!(chats[0].person_provider_id.as_ref(), Some(&person_provider_id));
    assert!(chats[0].timestamp_ms.is_some());

    let messages = bench.unipile.messages(ACCOUNT, None).await.expect("listed").items;
    let told: Vec<_> = messages.iter().map(|one| (one.id.as_str(), one.is_ours, one.text.as_deref())).collect();
    assert_eq!(
        told,
        [(ours.as_str(), true, Some("Let us talk.")), (theirs.as_str(), false, Some("What does it cost?"))]
    );
    assert_eq!(messages[1].sender_id.as_ref(), Some(&person_provider_id));
    assert_eq!(bench.unipile.chat_messages(ACCOUNT, &chats[0].id, None).await.expect("listed").items, messages);
    assert!(bench.effects().is_empty());
}

#[tokio::test]
async fn bounces_and_replies_are_listed_as_such() {
    let bench = Bench::start().await;
    let behaviour = |bounce| Behaviour { bounce: Some(bounce), ..Behaviour::default() };
    bench.sandbox.set_unipile_behaviour("gone@nordhafen.example", behaviour(true));
    bench.sandbox.set_unipile_behaviour("dana@nordhafen.example", behaviour(false));
    let options = UnipileOptions {
        bounce_delay_ms: (0, 0),
        reply_permille: 0,
        complaint_permille: 0,
        ..UnipileOptions::default()
    };
    bench.sandbox.set_unipile_options(options);
    bench.unipile.send(MAILBOX, &email("gone@nordhafen.example"), "touch-1").await.expect("sent");
    let sent = bench.unipile.send(MAILBOX, &email("dana@nordhafen.example"), "touch-2").await.expect("sent");
    bench.sandbox.unipile_reply(MAILBOX, "dana@nordhafen.example", "Please remove me.").expect("written");

    let mails = bench.unipile.emails(MAILBOX, None).await.expect("listed").items;
    let bounce = mails.iter().find(|mail| mail.bounced_address.is_some()).expect("bounced");
    assert_eq!(bounce.bounced_address.as_deref(), Some("gone@nordhafen.example"));
    assert!(bounce.auto_submitted && !bounce.is_ours);
    let reply = mails.iter().find(|mail| mail.from == "dana@nordhafen.example").expect("answered");
    let ours = mails.iter().find(|mail| mail.tracking_id == sent.message_id).expect("sent");
    assert_eq!((reply.body_plain.as_str(), &reply.in_reply_to), ("Please remove me.", &ours.message_id));
    assert!(!reply.auto_submitted && !reply.is_ours && reply.at_ms >= ours.at_ms);
}
