use super::*;
use crate::config::WebhookMode;
use leadflow_workflows::domain::money::MicroUsd;
use leadflow_workflows::domain::timings::Timings;
use secrecy::ExposeSecret;
use std::collections::BTreeMap;

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, Mistakes> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leadflow.toml");
    std::fs::write(&file, text).unwrap();
    let environment: BTreeMap<_, _> = environment.iter().copied().collect();
    Config::from_sources(Some(&file), |name| environment.get(name).map(ToString::to_string)).map_err(|mut mistakes| {
        mistakes.file = mistakes.file.replace(&folder.path().display().to_string(), "FOLDER");
        mistakes
    })
}

/// All there is to compare, secrets included.
fn told(config: &Config) -> String {
    let secrets: Vec<_> =
        config.secret_env().into_iter().map(|(name, secret)| format!("{name}={}", secret.expose_secret())).collect();
    format!("{}\n{}", config.to_toml(), secrets.join("\n"))
}

#[test]
fn the_defaults_are_production_without_keys() {
    let config = Config::default();
    assert_eq!(config.openai.base_url, "https://api.openai.com/v1");
    assert_eq!(Provider::ALL.map(|provider| config.provider(provider).calls_per_minute), [50, 60, 3000, 600, 120]);
    assert!(Provider::ALL.iter().all(|provider| config.provider(*provider).api_key.is_none()));
    assert_eq!(config.unipile.base_url, "https://api1.unipile.com:13111/api/v1");
    assert!(config.webhooks.unipile_secrets.is_empty() && config.public_url.is_none());
    assert_eq!(config.models.openai_cached_input_per_million, MicroUsd(25_000));
    assert_eq!(config.models.gemini_grounding, MicroUsd(35_000));
    assert_eq!(config.models.serper_credit, MicroUsd(1_000));
    assert_eq!((config.models.hunter_finder, config.models.hunter_verifier), (MicroUsd(34_000), MicroUsd(17_000)));
    assert_eq!((config.budgets.search, config.budgets.lead), (MicroUsd(500_000_000), MicroUsd(500_000)));
    assert_eq!(config.timings, Timings::production());
    assert_eq!(config.store.url.expose_secret(), "sqlite:leadflow.db");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "timings = \"test\"\n[store]\nurl = \"sqlite:a.db\"\nmax_mib = 5\n[openai]\ncalls_per_minute = 7\n";
    let config = load(file, &[]).unwrap();
    assert_eq!(config.timings, Timings::test());
    assert_eq!((config.openai.calls_per_minute, config.openai.base_url.as_str()), (7, "https://api.openai.com/v1"));
    let environment = [
        ("LEADFLOW_STORE_URL", "postgres://me@db/leadflow"),
        ("LEADFLOW_TIMINGS", "production"),
        ("LEADFLOW_OPENAI_URL", "http://127.0.0.1:9/v1"),
        ("OPENAI_API_KEY", " sk-1\n"),
        ("SERPER_API_KEY", ""),
    ];
    let config = load(file, &environment).unwrap();
    assert_eq!(config.store.url.expose_secret(), "postgres://me@db/leadflow");
    assert_eq!((config.store.max_mib, config.timings), (Some(5), Timings::production()));
    assert_eq!(config.openai.base_url, "http://127.0.0.1:9/v1");
    assert_eq!(config.openai.api_key.as_ref().map(ExposeSecret::expose_secret), Some("sk-1"));
    assert!(config.serper.api_key.is_none() && !config.openai.sandbox);
}

#[test]
fn real_keys_replace_the_sandbox_provider_by_provider() {
    let config = load("", &[("SERPER_API_KEY", "real")]).unwrap().with_sandbox("http://127.0.0.1:8900/");
    assert_eq!(Provider::ALL.map(|provider| config.provider(provider).sandbox), [true, true, false, true, true]);
    assert_eq!(config.serper.base_url, "https://google.serper.dev");
    let sandbox = Config::sandbox("http://127.0.0.1:8900");
    let urls = Provider::ALL.map(|provider| sandbox.provider(provider).base_url.clone());
    let paths = ["openai/v1", "gemini/v1beta", "serper", "hunter/v2", "unipile/api/v1"];
    assert_eq!(urls, paths.map(|path| format!("http://127.0.0.1:8900/{path}")));
    assert!(load("", &[("HUNTER_API_KEY", SANDBOX_KEY)]).unwrap().hunter.sandbox);
}

/// Real webhooks with a secret that everybody knows would be no better than open ones.
#[test]
fn only_a_stand_in_has_a_webhook_secret_that_nobody_chose() {
    let secret = |environment: &[(&str, &str)]| {
        let config = load("", environment).unwrap().with_sandbox("http://127.0.0.1:8900");
        config.webhooks.unipile_secrets.first().map(|secret| secret.expose_secret().to_owned())
    };
    assert_eq!(secret(&[]).as_deref(), Some(SANDBOX_KEY));
    assert_eq!(secret(&[("UNIPILE_API_KEY", "real")]), None);
    assert_eq!(secret(&[("UNIPILE_WEBHOOK_SECRET", "mine")]).as_deref(), Some("mine"));
}

const SOURCES: &str = r#"
public_url = "https://leadflow.example.com/"
[webhooks.sources.signed]
mode = "standard"
tenant = "other"
[webhooks.sources.peopledata]
mode = "hmac"
timestamp_header = "X-Time"
[webhooks.sources.plain-one]
mode = "secret_header"
"#;

#[test]
fn sources_of_webhooks_have_modes_headers_and_secrets_that_overlap() {
    let environment = [("LEADFLOW_WEBHOOK_SECRET_PLAIN_ONE", " new  old "), ("UNIPILE_WEBHOOK_SECRET", "next last")];
    let config = load(SOURCES, &environment).unwrap();
    assert_eq!(config.public_url.as_deref(), Some("https://leadflow.example.com"));
    let sources = &config.webhooks.sources;
    assert_eq!((&sources["signed"].mode, sources["signed"].tenant.as_deref()), (&WebhookMode::Standard, Some("other")));
    let hmac = WebhookMode::Hmac { timestamp_header: "x-time".into(), signature_header: "x-signal-signature".into() };
    assert_eq!(sources["peopledata"].mode, hmac);
    assert_eq!(sources["plain-one"].mode, WebhookMode::SecretHeader { header: "x-webhook-secret".into() });
    let secrets = |secrets: &[SecretString]| -> Vec<String> {
        secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect()
    };
    assert_eq!(secrets(&sources["plain-one"].secrets), ["new", "old"]);
    assert_eq!(secrets(&config.webhooks.unipile_secrets), ["next", "last"]);
    assert!(sources["signed"].secrets.is_empty());
}

#[test]
fn mistakes_in_sources_of_webhooks_are_told() {
    let refused = |text: &str| load(text, &[]).unwrap_err().list.remove(0).message;
    let source = |name: &str, rest: &str| format!("[webhooks.sources.{name}]\n{rest}");
    assert_eq!(
        refused(&source("x", "mode = \"open\"")),
        "`webhooks.sources.x.mode` must be one of `standard`, `hmac`, `secret_header`"
    );
    assert!(refused(&source("x", "mod = \"hmac\"")).contains("unknown key `mod`"));
    assert!(refused(&source("Big", "mode = \"hmac\"")).ends_with("is not the name of a source"));
    assert!(refused(&source("unipile", "mode = \"hmac\"")).ends_with("is taken by other events"));
    assert!(
        refused(&source("x", "mode = \"standard\"\nsecret_header = \"x\"")).ends_with("has no meaning in this mode")
    );
    assert!(
        refused(&source("x", "mode = \"hmac\"\nsignature_header = \"a b\"")).ends_with("is not the name of a header")
    );
    for url in ["http://leadflow.example.com", "leadflow", "https://a.example/?b"] {
        let message = refused(&format!("public_url = \"{url}\""));
        assert!(message.ends_with("is not an address that mails may link to"), "{message}");
    }
    let mistakes = load(SOURCES, &[("LEADFLOW_WEBHOOK_SECRET_SIGNED", "né")]).unwrap_err();
    assert!(!mistakes.to_string().contains("né"), "{mistakes}");
}

#[test]
fn a_child_process_gets_the_same_configuration() {
    let mut tuned = Config::sandbox("http://127.0.0.1:8900");
    tuned.timings.heartbeat_ms = 321;
    tuned.store.max_mib = Some(9);
    tuned.models.serper_credit = MicroUsd(1_234);
    let mixed = load(
        SOURCES,
        &[("GEMINI_API_KEY", "real"), ("UNIPILE_API_KEY", "real"), ("UNIPILE_WEBHOOK_SECRET", "new old")],
    )
    .unwrap()
    .with_sandbox("http://127.0.0.1:8900");
    for config in [Config::default(), tuned, mixed] {
        let secrets = config.secret_env();
        let environment: Vec<_> = secrets.iter().map(|(name, secret)| (*name, secret.expose_secret())).collect();
        assert!(environment.iter().all(|(name, _)| VARIABLES.contains(name)));
        let child = load(&config.to_toml(), &environment).unwrap();
        assert_eq!(told(&child), told(&config));
        assert_eq!(child.timings, config.timings);
    }
}

#[test]
fn secrets_are_neither_in_the_file_nor_in_debug_output() {
    let environment = [
        ("OPENAI_API_KEY", "sk-hidden"),
        ("LEADFLOW_STORE_URL", "postgres://me:hidden@db/leadflow"),
        ("UNIPILE_WEBHOOK_SECRET", "hidden"),
    ];
    let config = load("", &environment).unwrap();
    assert!(!config.to_toml().contains("hidden"));
    assert!(!format!("{config:?}").contains("hidden"));
}

#[test]
fn mistakes_of_the_file_have_a_place_and_a_hint() {
    let text = "tenant = \"A B\"\ntimngs = \"test\"\n[openai]\napi_key = \"sk-1\"\nbase_url = \"ftp://x\"\n[serper]\ncalls_per_minute = 0\n[store]\nurl = \"mysql://x\"\n";
    assert_eq!(
        load(text, &[]).unwrap_err().to_string(),
        "FOLDER/leadflow.toml:1:10: `tenant` is not a tenant name
  hint: use small letters, digits, `-` and `_`, at most 64 characters
FOLDER/leadflow.toml:2:1: unknown key `timngs`
  hint: did you mean `timings`?
FOLDER/leadflow.toml:4:1: unknown key `api_key` in [openai]
  hint: keys are not kept in files: set OPENAI_API_KEY in the environment
FOLDER/leadflow.toml:5:12: `openai.base_url` is not a web address
  hint: write it like `https://api.example.com/v1`, without query
FOLDER/leadflow.toml:7:20: `serper.calls_per_minute` must be 1 to 60000, not 0
  hint: calls that may start in a minute
FOLDER/leadflow.toml:9:7: `store.url` is not the address of a store
  hint: write `sqlite:PATH` or `postgres://USER@HOST/NAME`"
    );
    let misspelt = load("timings = \"tset\"\n", &[]).unwrap_err().to_string();
    assert_eq!(
        misspelt,
        "FOLDER/leadflow.toml:1:11: `timings` must be one of `production`, `test`\n  hint: did you mean `test`?"
    );
}

#[test]
fn mistakes_of_the_environment_name_the_variable_and_never_its_value() {
    let environment = [
        ("LEADFLOW_TIMINGS", "hidden"),
        ("LEADFLOW_STORE_URL", "hidden"),
        ("LEADFLOW_GEMINI_URL", "hidden"),
        ("HUNTER_API_KEY", "hidden hidden"),
        ("UNIPILE_WEBHOOK_SECRET", "hidden hiddén"),
    ];
    let text = load("", &environment).unwrap_err().to_string();
    for (name, _) in environment {
        assert!(text.contains(&format!("environment: {name} ")), "{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
}

#[test]
fn a_named_file_has_to_exist() {
    let mistakes = Config::from_sources(Some(Path::new("/nowhere/leadflow.toml")), |_| None).unwrap_err();
    assert!(mistakes.to_string().starts_with("/nowhere/leadflow.toml: there is no such file"));
}

#[test]
fn the_template_changes_nothing_and_its_settings_are_the_defaults() {
    let defaults = told(&Config::default());
    assert_eq!(told(&load(&template(), &[]).unwrap()), defaults);
    let switched_on: String = template()
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line).to_owned() + "\n")
        .collect();
    assert_ne!(switched_on, template());
    assert_eq!(told(&load(&switched_on, &[]).unwrap()), defaults);
}
