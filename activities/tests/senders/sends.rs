//! Each kind of contact, and what repeating it does.

use crate::bench::{ACCOUNT, Bench, DANA, MAILBOX, email};
use leadflow_activities::senders::{Distance, InvitationState, SendRequest, Sender, Sent, Verdict};
use leadflow_sandbox::Behaviour;
use leadflow_sandbox::{Effect, EffectKind, FaultKind, FaultRule, Faults, Provider};

fn effect(account: &str, kind: EffectKind, text: Option<&str>) -> Effect {
    Effect {
        account_id: account.into(),
        person: DANA.into(),
        kind,
        text: text.map(str::to_owned),
        message_id: None,
        invitation_id: None,
        idempotency_key: None,
    }
}

#[tokio::test]
async fn a_request_survives_as_text() {
    let requests = [
        SendRequest::VisitProfile { person: DANA.into() },
        SendRequest::Invite { person_provider_id: "ACoAA1".into(), note: None },
        SendRequest::InMail { person_provider_id: "ACoAA1".into(), subject: "a".into(), text: "b \u{1F44B}".into() },
        email("dana@nordhafen.example"),
    ];
    for request in requests {
        let text = serde_json::to_string(&request).expect("texts");
        assert_eq!(serde_json::from_str::<SendRequest>(&text).expect("the same"), request);
    }
    let visit = serde_json::to_string(&SendRequest::VisitProfile { person: "dana".into() }).expect("texts");
    assert_eq!(visit, r#"{"kind":"visit_profile","person":"dana"}"#);
}

#[tokio::test]
async fn a_look_up_is_quiet_and_a_visit_is_not() {
    let bench = Bench::start().await;
    let seen = bench.profile(DANA).await;
    assert_eq!(seen.public_id.as_deref(), Some(DANA));
    assert_eq!((seen.first_name.as_deref(), seen.last_name.as_deref()), (Some("Dana"), Some("Whitlock")));
    assert!(!seen.is_connection && matches!(seen.distance, Some(Distance::Second | Distance::Third)));
    assert!(bench.effects().is_empty());
    assert_eq!(bench.profile(&seen.provider_id).await, seen);

    let visited = bench.send(ACCOUNT, &SendRequest::VisitProfile { person: DANA.into() }).await.expect("visited");
    assert_eq!(visited, Sent { profile: Some(seen), ..Sent::default() });
    assert_eq!(bench.effects(), [effect(ACCOUNT, EffectKind::ProfileView, None)]);
    assert_eq!(bench.sandbox.ledger().pop().and_then(|entry| entry.call_id).as_deref(), Some("touch-1"));
}

#[tokio::test]
async fn a_public_id_is_encoded_once() {
    let bench = Bench::start().await;
    let person = "sim-josé-linhares-1";
    let visited = bench.send(ACCOUNT, &SendRequest::VisitProfile { person: person.into() }).await.expect("visited");
    assert_eq!(visited.profile.and_then(|seen| seen.public_id).as_deref(), Some(person));
    assert_eq!(bench.effects().pop().map(|effect| effect.person).as_deref(), Some(person));
}

#[tokio::test]
async fn an_invitation_goes_once_and_can_be_withdrawn() {
    let bench = Bench::start().await;
    let person_provider_id = bench.profile(DANA).await.provider_id;
    let invite = SendRequest::Invite { person_provider_id: person_provider_id.clone(), note: Some("Hi Dana".into()) };
    let id = bench.send(ACCOUNT, &invite).await.expect("invited").invitation_id.expect("an id");
    let told = effect(ACCOUNT, EffectKind::Invite, Some("Hi Dana"));
    assert_eq!(bench.effects(), [Effect { invitation_id: Some(id.clone()), ..told }]);
    assert_eq!(bench.profile(DANA).await.invitation, Some(InvitationState::Pending));
    assert_eq!(bench.send(ACCOUNT, &invite).await.expect_err("pending").verdict, Verdict::AlreadyInvited);

    bench.unipile.withdraw(ACCOUNT, &id).await.expect("withdrawn");
    assert_eq!(bench.profile(DANA).await.invitation, Some(InvitationState::Withdrawn));
    assert_eq!(bench.unipile.withdraw(ACCOUNT, &id).await.expect_err("gone").verdict, Verdict::Unreachable);
    let again = bench.send(ACCOUNT, &invite).await.expect_err("too early").verdict;
    assert!(matches!(again, Verdict::DeferLead { wait } if wait.as_secs() == 21 * 86_400), "{again:?}");
    assert_eq!(bench.effects().len(), 1);
}

#[tokio::test]
async fn messages_need_a_connection_and_then_share_a_chat() {
    let bench = Bench::start().await;
    bench.accepts_at_once(DANA);
    let person_provider_id = bench.profile(DANA).await.provider_id;
    let start =
        SendRequest::StartChat { person_provider_id: person_provider_id.clone(), text: "Thanks — für alles".into() };
    assert_eq!(bench.send(ACCOUNT, &start).await.expect_err("a stranger").verdict, Verdict::NotConnected);
    let invite = SendRequest::Invite { person_provider_id, note: None };
    bench.send(ACCOUNT, &invite).await.expect("invited");
    assert!(bench.profile(DANA).await.is_connection);
    assert_eq!(bench.send(ACCOUNT, &invite).await.expect_err("connected").verdict, Verdict::AlreadyConnected);

    let started = bench.send(ACCOUNT, &start).await.expect("written");
    let chat_id = started.chat_id.expect("a chat");
    let message = SendRequest::Message { chat_id: chat_id.clone(), text: "One more".into() };
    let second = bench.send(ACCOUNT, &message).await.expect("written");
    let elsewhere = bench.send("acc_li_2", &message).await.expect_err("not its chat");
    assert_eq!((elsewhere.verdict, elsewhere.kind.as_str()), (Verdict::NeedsPerson, "account_mismatch"));

    let texts: Vec<_> = bench.effects().into_iter().filter_map(|effect| effect.text).collect();
    assert_eq!(texts, ["Thanks — für alles", "One more"]);
    let listed = bench.unipile.chat_messages(ACCOUNT, &chat_id, None).await.expect("listed").items;
    let ids: Vec<_> = listed.iter().map(|message| Some(message.id.clone())).collect();
    assert_eq!(ids, [second.message_id, started.message_id], "newest first");
    assert!(listed.iter().all(|message| message.is_ours && message.chat_id == chat_id && message.at_ms.is_some()));
}

#[tokio::test]
async fn an_inmail_needs_no_connection() {
    let bench = Bench::start().await;
    let mut reached = false;
    for number in 0..20 {
        let person = format!("sim-dana-whitlock-{number}");
        let seen = bench.profile(&person).await;
        let inmail = SendRequest::InMail {
            person_provider_id: seen.provider_id,
            subject: "Kegs".into(),
            text: "Hello Dana".into(),
        };
        match bench.send(ACCOUNT, &inmail).await {
            Ok(sent) => {
                assert!(sent.chat_id.is_some() && sent.message_id.is_some());
                reached = true;
                break;
            }
            Err(error) => assert_eq!((error.verdict, seen.can_send_inmail), (Verdict::Unreachable, false), "{error}"),
        }
    }
    assert!(reached);
    assert_eq!(bench.effects().last().map(|effect| effect.kind), Some(EffectKind::InMail));
}

#[tokio::test]
async fn an_email_is_sent_once_for_each_key() {
    let bench = Bench::start().await;
    let address = "dana@nordhafen.example";
    bench.sandbox.set_unipile_behaviour(address, Behaviour { bounce: Some(false), ..Behaviour::default() });
    let request = email(address);
    let sent = bench.unipile.send(MAILBOX, &request, "touch-7").await.expect("sent");
    assert!(sent.message_id.is_some() && sent.email_id.is_some());
    assert_eq!(bench.unipile.send(MAILBOX, &request, "touch-7").await, Ok(sent.clone()), "the first result again");
    let conflict = bench.unipile.send(MAILBOX, &email("kim@nordhafen.example"), "touch-7").await.expect_err("conflict");
    assert_eq!((conflict.verdict, conflict.kind.as_str()), (Verdict::Refused, "idempotency_conflict"));
    let effects = bench.effects();
    assert_eq!(effects.len(), 1);
    assert_eq!(effects[0].text.as_deref(), Some("<p>Hello Dana, über 40 % of kegs …</p>"));
    assert_eq!((effects[0].person.as_str(), effects[0].idempotency_key.as_deref()), (address, Some("touch-7")));

    let SendRequest::Email { to_name, to_address, html, headers, .. } = request else { unreachable!() };
    let subject = "Re: Kegs at Nordhafen".to_owned();
    let answer = SendRequest::Email { to_name, to_address, subject, html, reply_to: sent.email_id, headers };
    bench.unipile.send(MAILBOX, &answer, "touch-8").await.expect("sent");
    let listed = bench.unipile.emails(MAILBOX, None).await.expect("listed").items;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1].tracking_id, sent.message_id, "the sent folder repeats the id");
    assert_eq!(listed[0].in_reply_to, listed[1].message_id);
    assert!(listed.iter().all(|mail| mail.is_ours && mail.to == [address] && !mail.auto_submitted));
}

/// The repeat of a call whose answer was lost tells what the first one did.
#[tokio::test]
async fn a_repeated_key_settles_an_unknown_email() {
    let bench = Bench::with_call_timeout_ms(1_000).await;
    let rule = FaultRule { times: Some(1), ..FaultRule::new(Provider::Unipile, FaultKind::TimeoutAfter) };
    bench.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
    let request = email("dana@nordhafen.example");
    let first = bench.send(MAILBOX, &request).await.expect_err("no answer");
    assert_eq!(first.verdict, Verdict::Unknown);
    bench.send(MAILBOX, &request).await.expect("answered like the first");
    assert_eq!(bench.effects().len(), 1);
}
