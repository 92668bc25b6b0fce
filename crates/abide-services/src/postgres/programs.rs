use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{ServiceError, user::User};

/// Names a folder with the programs of one version of PostgreSQL.
const VARIABLE: &str = "ABIDE_POSTGRES_BIN";
/// Where Debian and its kin put the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// PostgreSQL's programs, and the user they run as.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    bin: PathBuf,
    user: Option<User>,
}

impl Programs {
    pub(super) fn find() -> Result<Self, ServiceError> {
        let user = User::instead_of_root(&["postgres", "nobody"]);
        let bin = folder().ok_or_else(|| {
            ServiceError::new(format!(
                "PostgreSQL's programs were not found in PATH nor in {VERSIONS}/*/bin: install the package `postgresql`, \
                 or set {VARIABLE} to the folder that holds `initdb` and `postgres`"
            ))
        })?;
        Ok(Self { bin, user })
    }

    /// One of the programs, to be run as the right user.
    pub(super) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir("/").env_remove("PGHOST").env_remove("PGPORT").env("LC_ALL", "C");
        if let Some(user) = self.user {
            user.runs(&mut command);
        }
        command
    }

    /// Gives a file or folder to the user that the server runs as.
    pub(super) fn give(&self, path: &Path) -> Result<(), ServiceError> {
        Ok(self.user.map_or(Ok(()), |user| user.owns(path))?)
    }
}

/// What a folder has to hold to serve; the first two would do if nobody asks for more.
const NEEDED: [&str; 4] = ["initdb", "postgres", "pg_basebackup", "psql"];

/// The folder of the programs: the one that the variable names, or the first that has them all, those
/// of `PATH` first, then the newest version.
fn folder() -> Option<PathBuf> {
    let has = |folder: &PathBuf, names: &[&str]| names.iter().all(|name| folder.join(name).is_file());
    if let Some(folder) = env::var_os(VARIABLE).map(PathBuf::from) {
        return Some(folder).filter(|folder| has(folder, &NEEDED[..2]));
    }
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let mut versions: Vec<PathBuf> = versions.map(|entry| entry.path()).collect();
    versions.sort_by_key(|path| std::cmp::Reverse(number(path)));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(versions.into_iter().map(|version| version.join("bin")));
    let folders: Vec<PathBuf> = folders.collect();
    let first = |names| folders.iter().find(|folder| has(folder, names)).cloned();
    first(&NEEDED).or_else(|| first(&NEEDED[..2]))
}

/// Runs a command to its end and gives what it printed.
pub(super) fn run(command: &mut Command) -> Result<String, ServiceError> {
    let name = command.get_program().display().to_string();
    let Output { status, stdout, stderr } = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| ServiceError::new(format!("{name} cannot be started: {error}")))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    Err(ServiceError::new(format!("{name} failed: {}", String::from_utf8_lossy(&stderr).trim())))
}
