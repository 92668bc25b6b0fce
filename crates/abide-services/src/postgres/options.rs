use std::path::PathBuf;

/// How a PostgreSQL server for tests is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the server waits for the disk. On by default: what a test calls durable should be.
    pub fsync: bool,
    /// The folder for its files, which has to be empty or missing and stays afterwards; by default a
    /// temporary one.
    pub folder: Option<PathBuf>,
    /// Further settings, as in `postgresql.conf`: (name, value).
    pub settings: Vec<(String, String)>,
    /// A certificate and its key, as PEM files: the server then offers TLS. The files are copied.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The certificate of an authority, as a PEM file: who connects to the database `guarded` has to show a
    /// certificate that it has signed in the user's name. Needs `tls`.
    pub clients: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fsync: true, folder: None, settings: Vec::new(), tls: None, clients: None }
    }
}

impl Options {
    /// With this setting, as in `postgresql.conf`.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// With its files in this folder.
    #[must_use]
    pub fn within(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }
}
