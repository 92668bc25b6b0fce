//! What `abide new` makes builds and passes its tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::node::{Done, abide, finish};

/// The root of this workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// How this workspace builds its tests: a project that builds so finds most of it built already.
const PROFILE: [&str; 3] = [
    "profile.dev.debug='line-tables-only'",
    "profile.dev.package.'*'.debug=false",
    "profile.dev.package.libsqlite3-sys.opt-level=2",
];

/// Runs cargo in a project.
fn cargo(folder: &Path, arguments: &[&str]) -> Done {
    let target = Path::new(env!("CARGO_BIN_EXE_abide")).ancestors().nth(2).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(folder).args(arguments).env("CARGO_TARGET_DIR", target);
    finish(&mut command)
}

#[test]
fn a_new_project_builds_passes_its_tests_and_takes_another_object() {
    let folder = tempfile::tempdir().unwrap();
    let run = |at: &Path, arguments: &[&str]| finish(abide(at).args(arguments));
    let checkout = root().display().to_string();
    let made = run(folder.path(), &["new", "new-project", "--path", &checkout]);
    assert!(made.text().contains("cargo test"), "{made:?}");
    assert_eq!(run(folder.path(), &["new", "new-project"]).code, 1, "it is there already");
    let project = folder.path().join("new-project");
    assert_eq!(run(&project, &["new", "object", "ChatRoom"]).code, 0);
    assert_eq!(run(&project, &["new", "object", "ChatRoom"]).code, 1, "it is there already");

    std::fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let tested =
        cargo(&project, &[&["test", "--offline"][..], &PROFILE.map(|line| ["--config", line]).concat()].concat());
    assert_eq!(tested.code, 0, "{}\n{}", tested.out, tested.err);
    for test in
        ["a_reminder_rings_when_its_time_has_come_even_after_a_crash ... ok", "it_remembers_what_it_was_told ... ok"]
    {
        assert!(tested.out.contains(test), "{test}: {tested:?}");
    }
    assert!(!tested.err.contains("warning"), "{}", tested.err);
    let formatted = cargo(&project, &["fmt", "--check"]);
    assert_eq!(formatted.code, 0, "{}", formatted.out);
}

#[test]
fn a_new_project_depends_on_what_the_command_was_built_from_if_nothing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let made = finish(abide(folder.path()).args(["new", "reminders", "--json"])).value();
    assert_eq!(made["project"], "reminders");
    let abide = root().join("crates/abide").canonicalize().unwrap().display().to_string();
    assert_eq!(made["abide"]["path"], abide);
    let manifest = std::fs::read_to_string(folder.path().join("reminders/Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("abide = {{ path = {abide:?} }}\n")), "{manifest}");
    assert!(manifest.contains(&format!("abide = {{ path = {abide:?}, features = [\"testing\"] }}\n")), "{manifest}");
    assert!(!manifest.contains("{{"), "{manifest}");
}

#[test]
fn no_program_is_built_with_what_is_for_tests() {
    let tree =
        cargo(&root(), &["tree", "--offline", "-p", "abide-cli", "-p", "counter-example", "-e", "features,no-dev"]);
    assert_eq!(tree.code, 0, "{tree:?}");
    assert!(tree.out.contains("tokio feature \"time\""), "{}", tree.out);
    for test_only in ["test-util", "abide-sim"] {
        assert!(!tree.out.contains(test_only), "{test_only}: {}", tree.out);
    }
}

#[test]
fn a_new_project_can_depend_on_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    let url = "https://git.example/abide";
    let made = finish(abide(folder.path()).args(["new", "reminders", "--git", url]));
    assert!(made.text().contains(url), "{made:?}");
    let manifest = std::fs::read_to_string(folder.path().join("reminders/Cargo.toml")).unwrap();
    assert!(manifest.contains("abide = { git = \"https://git.example/abide\" }\n"), "{manifest}");
    let both = finish(abide(folder.path()).args(["new", "other", "--git", url, "--path", "."]));
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn a_new_project_in_a_checkout_depends_on_it_and_is_a_workspace_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("crates/abide");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(folder.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    std::fs::write(package.join("Cargo.toml"), "[package]\nname = \"abide\"\n").unwrap();
    assert_eq!(finish(abide(folder.path()).args(["new", "reminders"])).code, 0);
    let manifest = std::fs::read_to_string(folder.path().join("reminders/Cargo.toml")).unwrap();
    assert!(manifest.contains("crates/abide\" }"), "{manifest}");
    assert!(manifest.ends_with("\n[workspace]\n"), "{manifest}");
    let elsewhere = finish(abide(folder.path()).args(["new", "other", "--path", "crates"]));
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
}
