//! The audit log: who looked after the node, deleted something or entered another tenant, and who tried to.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

use abide_core::{Clock, Error, Result};
use abide_node::SystemClock;
use parking_lot::Mutex;
use serde_json::json;

use crate::Caller;

/// Where acts are written down: the log, under the target `abide::audit`, and a file if there is one.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    file: Option<Mutex<File>>,
}

impl Audit {
    /// Appends to this file.
    ///
    /// # Errors
    /// `bad_request` if it cannot be opened.
    pub(crate) fn new(path: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            options.open(path).map(Mutex::new).map_err(|error| {
                Error::bad_request(format!("the audit log {} cannot be opened: {error}", path.display()))
            })
        };
        Ok(Self { file: path.map(open).transpose()? })
    }

    /// Writes down an act, or that it was refused.
    pub(crate) fn record(&self, caller: &Caller, act: &str, what: &str, allowed: bool) {
        let who = caller.label();
        let from = caller.address().map(|address| address.to_string()).unwrap_or_default();
        tracing::info!(target: "abide::audit", who, from, act, what, allowed, "audit");
        let Some(file) = &self.file else { return };
        let namespace = caller.namespace();
        let at = SystemClock.now();
        let line = json!({
            "at": at, "who": who, "from": from, "namespace": namespace, "act": act, "what": what, "allowed": allowed,
        });
        // One write, so that a line is never torn by another program that appends.
        if let Err(error) = file.lock().write_all(format!("{line}\n").as_bytes()) {
            tracing::error!(%error, act, what, "the audit log cannot be written");
        }
    }
}
