//! What decides stays apart from what touches the world.

use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Crates that do I/O.
const BANNED: [&str; 6] = ["hyper", "reqwest", "rustls", "mio", "socket2", "sqlx"];

/// A build of the whole workspace unifies features, so this asks for the one crate alone.
#[test]
fn no_crate_that_does_io_is_below_the_workflows() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let tree = Command::new(cargo)
        .current_dir(ROOT)
        .args([
            "tree",
            "--package",
            "leadflow-workflows",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--locked",
            "--offline",
        ])
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(crates.contains(&"temporalio-workflow"), "this is not the tree of the workflows:\n{tree}");
    let banned: Vec<&&str> = crates
        .iter()
        .filter(|name| BANNED.iter().any(|banned| *name == banned || name.starts_with(&format!("{banned}-"))))
        .collect();
    assert!(banned.is_empty(), "the workflows depend on {banned:?}");
}

/// Clippy refuses clocks, randomness and I/O inside the workflows, as long as its configuration says so.
#[test]
fn clippy_bans_what_replay_cannot_repeat() {
    let bans = std::fs::read_to_string(Path::new(ROOT).join("workflows/clippy.toml")).unwrap();
    for name in [
        "std::collections::HashMap",
        "std::time::SystemTime::now",
        "std::time::Instant::now",
        "std::thread::sleep",
        "std::env::var",
        "std::fs::File::open",
        "std::net::TcpStream::connect",
        "std::process::Command::new",
    ] {
        assert!(bans.contains(&format!("path = \"{name}\"")), "workflows/clippy.toml does not ban {name}");
    }
    let workspace = std::fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    for lint in ["disallowed_macros", "disallowed_methods", "disallowed_types"] {
        assert!(workspace.contains(&format!("{lint} = \"deny\"")), "the workspace does not deny {lint}");
    }
    let package = std::fs::read_to_string(Path::new(ROOT).join("workflows/Cargo.toml")).unwrap();
    assert!(package.contains("[lints]\nworkspace = true"), "the workflows do not take the workspace's lints");
}
