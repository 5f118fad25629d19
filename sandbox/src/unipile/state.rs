//! All that the stand-in remembers, and what happens by itself when its time has come.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::accounts::Account;
use super::chats::{Chat, Message};
use super::emails::FirstResult;
use super::invites::{Answer, Bond};
use super::mail::Mail;
use super::options::{Behaviour, ReplyKind, ReplyRule, UnipileOptions};
use super::people::Profile;
use super::webhooks::{self, HttpClient, Post};
use crate::seed::Seed;

/// Unipile's part of the sandbox.
#[derive(Debug)]
pub(crate) struct Network {
    state: Mutex<State>,
    /// Tells the background task that something may be due earlier than it thinks.
    pub(super) changed: Notify,
    pub(super) http: HttpClient,
}

#[derive(Debug)]
pub(super) struct State {
    /// Of the people.
    pub(super) world_seed: Seed,
    /// Of what they do.
    pub(super) seed: Seed,
    pub(super) options: UnipileOptions,
    pub(super) accounts: BTreeMap<String, Account>,
    /// By account and public identifier; those that nothing has touched yet are left out.
    pub(super) bonds: BTreeMap<(String, String), Bond>,
    pub(super) chats: BTreeMap<String, Chat>,
    /// By account, in the order in which they were sent or arrived.
    pub(super) mails: BTreeMap<String, Vec<Mail>>,
    /// Answers to emails with an idempotency key, by account and key.
    pub(super) first_results: HashMap<(String, String), FirstResult>,
    /// By public identifier or address.
    pub(super) behaviours: HashMap<String, Behaviour>,
    /// Refused calls by error type.
    pub(super) refusals: BTreeMap<String, u64>,
    pub(super) post: Post,
    agenda: BTreeMap<(i64, u64), Happening>,
    /// People who were looked up once, by public identifier: looking up takes a while.
    profiles: RefCell<HashMap<String, Option<Profile>>>,
    last_number: u64,
}

/// Something that is going to happen without a call.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Answer(Answer),
    ChatReply { chat_id: String, kind: ReplyKind, text: String },
    MailReply { account: String, mail_id: String, kind: ReplyKind, text: String },
    Bounce { account: String, mail_id: String },
    Complaint { account: String, mail_id: String },
}

/// A reply that a person has decided on.
pub(super) struct Decided {
    pub(super) kind: ReplyKind,
    pub(super) text: String,
    pub(super) at_ms: i64,
}

impl Network {
    pub(crate) fn new(seed: Seed, options: UnipileOptions) -> Self {
        let state = State {
            world_seed: seed,
            seed: seed.of(&["unipile"]),
            accounts: Account::all(),
            options,
            bonds: BTreeMap::new(),
            chats: BTreeMap::new(),
            mails: BTreeMap::new(),
            first_results: HashMap::new(),
            behaviours: HashMap::new(),
            refusals: BTreeMap::new(),
            post: Post::default(),
            agenda: BTreeMap::new(),
            profiles: RefCell::default(),
            last_number: 0,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), http: webhooks::http_client() }
    }

    /// Looks at, or changes, the state as it is at `now_ms`: everything that was due by then has happened.
    pub(super) fn at<R>(&self, now_ms: i64, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now_ms);
        let result = act(&mut state);
        drop(state);
        self.changed.notify_one();
        result
    }

    /// As [`Network::at`], for the background task, which needs no telling.
    pub(super) fn at_quietly<R>(&self, now_ms: i64, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(now_ms);
        act(&mut state)
    }
}

impl State {
    fn advance(&mut self, now_ms: i64) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now_ms) {
            let ((due_ms, _), happening) = entry.remove_entry();
            match happening {
                Happening::Answer(answer) => self.answer_invitation(due_ms, &answer),
                Happening::ChatReply { chat_id, kind, text } => {
                    self.add_message(due_ms, &chat_id, Message::theirs(text), kind.name());
                }
                Happening::MailReply { account, mail_id, kind, text } => {
                    self.receive_reply(due_ms, &account, &mail_id, kind, &text);
                }
                Happening::Bounce { account, mail_id } => self.receive_bounce(due_ms, &account, &mail_id),
                Happening::Complaint { account, mail_id } => self.receive_complaint(due_ms, &account, &mail_id),
            }
        }
    }

    pub(super) fn schedule(&mut self, due_ms: i64, happening: Happening) {
        let number = self.number();
        self.agenda.insert((due_ms, number), happening);
    }

    /// Forgets what `person` would have answered to an open invitation; returns what it was about.
    pub(super) fn unschedule_answers(&mut self, person: &str) -> Vec<Answer> {
        let mut taken = Vec::new();
        self.agenda.retain(|_, happening| match happening {
            Happening::Answer(answer) if answer.person == person => {
                taken.push(answer.clone());
                false
            }
            _ => true,
        });
        taken
    }

    pub(super) fn next_happening_ms(&self) -> Option<i64> {
        self.agenda.keys().next().map(|(due_ms, _)| *due_ms)
    }

    pub(super) fn scheduled(&self) -> usize {
        self.agenda.len()
    }

    /// 1, 2, 3 …
    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// What was set for the person, by public identifier or address.
    pub(super) fn behaviour(&self, person: &str, address: Option<&str>) -> Behaviour {
        let set = self.behaviours.get(person).or_else(|| self.behaviours.get(address?));
        set.cloned().unwrap_or_default()
    }

    /// Whether, when and what a person replies to the `nth` message of `account`.
    pub(super) fn decide_reply(
        &self,
        at_ms: i64,
        account: &str,
        person: &str,
        nth: usize,
        by_email: bool,
    ) -> Option<Decided> {
        let seed = self.seed.of(&["reply", account, person, &nth.to_string()]);
        let drawn_ms = || between(seed.of(&["delay"]), self.options.reply_delay_ms);
        let text_of = |kind: ReplyKind| (*seed.of(&["text"]).pick(kind.texts())).to_owned();
        let address = by_email.then_some(person);
        let public_id = address.and_then(|address| super::people::by_email(self.world_seed, address));
        let known_as = public_id.as_ref().map_or(person, |profile| &profile.public_id);
        match self.behaviour(known_as, address).reply {
            ReplyRule::Never => None,
            ReplyRule::Always(planned) => Some(Decided {
                kind: planned.kind,
                at_ms: at_ms + planned.after_ms.unwrap_or_else(drawn_ms),
                text: planned.text.unwrap_or_else(|| text_of(planned.kind)),
            }),
            ReplyRule::ByRate => {
                let kind = self.reply_kind(seed.of(&["kind"]), by_email)?;
                let replies = seed.of(&["whether"]).permille(self.options.reply_permille);
                replies.then(|| Decided { kind, at_ms: at_ms + drawn_ms(), text: text_of(kind) })
            }
        }
    }

    fn reply_kind(&self, seed: Seed, by_email: bool) -> Option<ReplyKind> {
        let kinds = self.options.reply_kinds.iter();
        let possible: Vec<_> = kinds.filter(|(kind, _)| by_email || **kind != ReplyKind::OutOfOffice).collect();
        let total = possible.iter().map(|(_, weight)| **weight).sum::<usize>();
        let mut drawn = (total > 0).then(|| seed.below(total))?;
        for (kind, weight) in possible {
            match drawn.checked_sub(*weight) {
                Some(rest) => drawn = rest,
                None => return Some(*kind),
            }
        }
        None
    }

    /// The person with this public identifier.
    pub(super) fn person(&self, public_id: &str) -> Option<Profile> {
        if let Some(seen) = self.profiles.borrow().get(public_id) {
            return seen.clone();
        }
        let found = super::people::by_public_id(self.world_seed, public_id);
        self.profiles.borrow_mut().insert(public_id.to_owned(), found.clone());
        found
    }
}

/// A point in `range`, both ends included.
pub(super) fn between(seed: Seed, (least, most): (i64, i64)) -> i64 {
    let width = usize::try_from(most - least).unwrap_or(0);
    least + i64::try_from(seed.below(width + 1)).unwrap_or(0)
}
