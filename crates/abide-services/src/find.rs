//! Where programs are installed.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The first of these that is there: `variable/name` if that environment variable is set (and then
/// nothing else), `name` in `PATH`, `name` in one of `folders`.
pub fn program(name: &str, variable: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(variable) {
        return there(Path::new(&folder), name);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(folders.iter().cloned()).find_map(|folder| there(&folder, name))
}

fn there(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    path.is_file().then_some(path)
}
