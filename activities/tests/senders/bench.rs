//! A sandbox and a client of it.

use leadflow_activities::config::Config;
use leadflow_activities::senders::unipile::Unipile;
use leadflow_activities::senders::{ProfileView, SendError, SendRequest, Sender, Sent};
use leadflow_clock::Clock;
use leadflow_sandbox::{Accept, Behaviour, ReplyRule, UnipileOptions};
use leadflow_sandbox::{Effect, FaultRule, Faults, Sandbox, SandboxConfig};
use leadflow_workflows::domain::timings::Timings;

pub(crate) const ACCOUNT: &str = "acc_li_1";
pub(crate) const MAILBOX: &str = "acc_mail_1";
pub(crate) const DANA: &str = "sim-dana-whitlock-1";

/// What an error text must never tell: the key, names and addresses.
const PRIVATE: [&str; 4] = ["sandbox-key", "dana", "Dana", "@"];

pub(crate) struct Bench {
    pub(crate) sandbox: Sandbox,
    pub(crate) unipile: Unipile,
    pub(crate) clock: Clock,
}

impl Bench {
    /// Nobody does anything unless a test says so.
    pub(crate) async fn start() -> Self {
        Self::with_call_timeout_ms(20_000).await
    }

    /// As [`Self::start`], with a client that waits no longer than this.
    pub(crate) async fn with_call_timeout_ms(call_ms: u64) -> Self {
        let unipile = UnipileOptions {
            accept_permille: 0,
            decline_permille: 0,
            reply_permille: 0,
            bounce_permille: 0,
            reject_permille: 0,
            complaint_permille: 0,
            ..UnipileOptions::default()
        };
        let clock = Clock::system();
        let sandbox = Sandbox::start(SandboxConfig { clock, unipile, ..SandboxConfig::default() }).await;
        let sandbox = sandbox.expect("a free port");
        let timings = Timings { touch_call_ms: call_ms, touch_read_ms: call_ms, ..Timings::test() };
        let config = Config { timings, ..Config::sandbox(&sandbox.base_url()) };
        let unipile = Unipile::from_config(&config, clock).expect("good settings").expect("a key");
        Self { sandbox, unipile, clock }
    }

    pub(crate) async fn send(&self, account: &str, request: &SendRequest) -> Result<Sent, SendError> {
        self.unipile.send(account, request, "touch-1").await
    }

    pub(crate) async fn profile(&self, person: &str) -> ProfileView {
        self.unipile.profile(ACCOUNT, person).await.expect("known")
    }

    pub(crate) fn accepts_at_once(&self, person: &str) {
        let behaviour = Behaviour { accept: Some(Accept::AtOnce), reply: ReplyRule::Never, ..Behaviour::default() };
        self.sandbox.set_unipile_behaviour(person, behaviour);
    }

    /// Every call from now on ends like this.
    pub(crate) fn strike(&self, rule: FaultRule) {
        self.sandbox.set_faults(Faults { seed: 0, rules: vec![rule] });
    }

    pub(crate) fn effects(&self) -> Vec<Effect> {
        self.sandbox.effects().into_iter().map(|entry| entry.effect).collect()
    }
}

pub(crate) fn email(to_address: &str) -> SendRequest {
    SendRequest::Email {
        to_name: "Dana Whitlock".into(),
        to_address: to_address.into(),
        subject: "Kegs at Nordhafen".into(),
        html: "<p>Hello Dana, über 40 % of kegs …</p>".into(),
        reply_to: None,
        headers: vec![("List-Unsubscribe".into(), "<mailto:unsub@senders.example>".into())],
    }
}

/// The text is one short line that starts with the provider and tells nothing private.
pub(crate) fn check_text(error: &SendError) {
    let text = error.to_string();
    assert!(text.starts_with("Unipile ") && text.contains(&error.kind), "{text}");
    assert!(text.len() < 300 && !text.contains('\n') && !text.ends_with('.'), "{text}");
    assert_eq!(error.hint().is_some(), text.contains("hint: "), "{text}");
    for private in PRIVATE {
        assert!(!text.contains(private), "`{private}` in: {text}");
    }
}
