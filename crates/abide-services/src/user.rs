//! Whom to run a server as that refuses to be root.

use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

/// A user that is not root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// The first of `names` that this system knows, if this process is root; `None` if it is not, or
    /// if it knows none of them.
    pub fn instead_of_root(names: &[&str]) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let known = fs::read_to_string("/etc/passwd").ok()?;
        names.iter().find_map(|name| known.lines().find_map(|line| Self::of_line(line, name)))
    }

    /// Reads `name:x:uid:gid:…`.
    fn of_line(line: &str, name: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let found = fields.next()? == name;
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        found.then_some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    }

    /// Gives a file or folder to this user.
    ///
    /// # Errors
    /// What the system says.
    pub fn owns(self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Runs a command as this user, without root's groups.
    pub fn runs(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// Whether this process is root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|itself| itself.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_its_line() {
        let line = "postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        assert_eq!(User::of_line(line, "postgres"), Some(User { uid: 101, gid: 104 }));
        assert_eq!(User::of_line(line, "postgre"), None);
        assert_eq!(User::of_line("postgres:x", "postgres"), None);
    }
}
