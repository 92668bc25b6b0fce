//! What cargo knows about the workspace.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("BUG: xtask lies in a folder of the workspace")
}

/// The packages of the workspace alone, as `cargo metadata --no-deps` says.
pub(crate) fn workspace_packages() -> anyhow::Result<Vec<Value>> {
    packages(&["--no-deps"])
}

/// Every package that any build of the workspace may use, on any platform.
pub(crate) fn all_packages() -> anyhow::Result<Vec<Value>> {
    packages(&[])
}

/// The folder that cargo builds into.
pub(crate) fn target_directory() -> anyhow::Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    Ok(Path::new(metadata["target_directory"].as_str().context("cargo has no target directory")?).to_owned())
}

/// The path of `file` below the root of the workspace, for messages.
pub(crate) fn relative(file: &Path) -> PathBuf {
    file.strip_prefix(workspace_root()).unwrap_or(file).to_owned()
}

fn packages(extra: &[&str]) -> anyhow::Result<Vec<Value>> {
    match metadata(extra)?["packages"].take() {
        Value::Array(packages) => Ok(packages),
        _ => anyhow::bail!("`cargo metadata` named no packages"),
    }
}

fn metadata(extra: &[&str]) -> anyhow::Result<Value> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1"])
        .args(extra)
        .current_dir(workspace_root())
        .stdin(Stdio::null())
        .output()
        .context("could not start `cargo metadata`")?;
    ensure!(output.status.success(), "`cargo metadata` failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
