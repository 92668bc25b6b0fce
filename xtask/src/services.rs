//! The real servers that tests run against: found, or installed where that is possible.

use std::path::Path;

use crate::command_line::CommandLine;
use crate::table::headline;

/// A program that tests need, and which tests do.
pub(crate) struct Service {
    /// As people call it.
    pub(crate) name: &'static str,
    /// A word in the names of the tests, or of the test programs, that need it.
    pub(crate) tests: &'static str,
    /// The package that has it, on Debian and its relatives.
    package: &'static str,
    is_there: fn() -> bool,
}

const SERVICES: [Service; 3] = [
    Service { name: "PostgreSQL", tests: "postgres", package: "postgresql", is_there: has_postgres },
    Service { name: "Redis", tests: "redis", package: "redis-server", is_there: has_redis },
    Service { name: "Python's venv", tests: "distobject", package: "python3-venv", is_there: has_venv },
];

/// The services that are not on this machine.
pub(crate) fn missing() -> Vec<&'static Service> {
    SERVICES.iter().filter(|service| !(service.is_there)()).collect()
}

/// Installs what is missing, if this machine lets us. What is still missing afterwards.
pub(crate) fn ensure() -> anyhow::Result<Vec<&'static Service>> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(missing);
    }
    install(&Vec::from_iter(missing.iter().map(|service| service.package)))?;
    Ok(self::missing())
}

/// Installs packages, if this machine lets us.
pub(crate) fn install(packages: &[&str]) -> anyhow::Result<()> {
    if !program("apt-get", &["--version"]).succeeds_silently() {
        return Ok(());
    }
    let install = as_root("apt-get").args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    for command in [as_root("apt-get").args(["update", "-qq"]), install] {
        headline("services", &command.to_string());
        if !command.run()? {
            break;
        }
    }
    Ok(())
}

/// What to say of services that are missing.
pub(crate) fn sentence(missing: &[&Service]) -> String {
    let names = Vec::from_iter(missing.iter().map(|service| service.name)).join(", ");
    let packages = Vec::from_iter(missing.iter().map(|service| service.package)).join(" ");
    format!("not here and not installable from here: {names} (on Debian: `apt-get install {packages}`)")
}

/// A filter for nextest that leaves out the tests of these services.
pub(crate) fn without(missing: &[&Service]) -> String {
    let tests = missing.iter().map(|service| format!("binary(/{0}/) or test(/{0}/)", service.tests));
    format!("not ({})", Vec::from_iter(tests).join(" or "))
}

fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    is_set("ABIDE_POSTGRES_BIN")
        || program("initdb", &["--version"]).succeeds_silently()
        || versions.into_iter().any(|version| version.path().join("bin/initdb").is_file())
}

fn has_redis() -> bool {
    is_set("ABIDE_REDIS_BIN") || program("redis-server", &["--version"]).succeeds_silently()
}

fn has_venv() -> bool {
    program("python3", &["-c", "import venv, ensurepip"]).succeeds_silently()
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|folder| Path::new(&folder).is_dir())
}

fn program(name: &str, args: &[&str]) -> CommandLine {
    CommandLine::new(name).args(args)
}

/// The program by itself for root, through `sudo` without a question for others.
fn as_root(name: &str) -> CommandLine {
    let quiet = |command: CommandLine| command.env("DEBIAN_FRONTEND", "noninteractive");
    let root = std::fs::metadata("/proc/self").is_ok_and(|itself| std::os::unix::fs::MetadataExt::uid(&itself) == 0);
    if root { quiet(CommandLine::new(name)) } else { quiet(CommandLine::new("sudo").args(["-n", name])) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_leaves_out_programs_and_tests_of_what_is_missing() {
        let missing = Vec::from_iter(SERVICES.iter().take(2));
        let filter = "not (binary(/postgres/) or test(/postgres/) or binary(/redis/) or test(/redis/))";
        assert_eq!(without(&missing), filter);
        let sentence = sentence(&missing);
        assert!(sentence.contains("PostgreSQL, Redis"), "{sentence}");
        assert!(sentence.contains("apt-get install postgresql redis-server"), "{sentence}");
    }
}
