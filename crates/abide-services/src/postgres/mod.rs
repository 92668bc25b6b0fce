//! A PostgreSQL server of its own, with everything that may happen to one.

mod hello;
mod options;
mod programs;
mod shared;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

pub use options::Options;
pub use shared::{Shared, shared};

use crate::{
    ServiceError,
    folder::Folder,
    net::{free_port, until},
    process::Process,
};
use programs::{Programs, run};

/// How long a server may take to come up, which after a crash includes recovery.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// The signal for a shutdown without an orderly end of anything but its shared memory.
const AT_ONCE: &str = "QUIT";
/// How long a server may take to stop when asked to.
const DOWN_WITHIN: Duration = Duration::from_secs(60);

/// A PostgreSQL server on a free port of the loopback address, whose user `postgres` needs no password.
/// It ends, and its temporary folder goes, when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    // Ends before its folder goes.
    process: Option<Process>,
    programs: Programs,
    port: u16,
    data: PathBuf,
    folder: Folder,
}

impl Postgres {
    /// A new server with the default options.
    ///
    /// # Errors
    /// What is missing on this machine, or what the server printed.
    pub fn start() -> Result<Self, ServiceError> {
        Self::start_with(&Options::default())
    }

    /// A new server.
    ///
    /// # Errors
    /// What is missing on this machine, or what the server printed.
    pub fn start_with(options: &Options) -> Result<Self, ServiceError> {
        let mut server = Self::prepare(options.folder.as_deref())?;
        let mut initdb = server.programs.command("initdb");
        initdb.arg("-D").arg(&server.data);
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        run(&mut initdb)?;
        server.configure(options)?;
        server.start_again()?;
        Ok(server)
    }

    /// A server that is not started, with nothing in its folder.
    fn prepare(folder: Option<&Path>) -> Result<Self, ServiceError> {
        let programs = Programs::find()?;
        let folder = folder.map_or_else(|| Folder::temporary("postgres"), Folder::given)?;
        programs.give(folder.path())?;
        let data = folder.path().join("data");
        Ok(Self { process: None, programs, port: free_port()?, data, folder })
    }

    fn configure(&self, options: &Options) -> Result<(), ServiceError> {
        let on = |yes| if yes { "on" } else { "off" };
        let mut lines = vec![
            "listen_addresses = '127.0.0.1'".to_owned(),
            "unix_socket_directories = ''".into(),
            "shared_buffers = '64MB'".into(),
            "max_connections = 200".into(),
            "wal_level = replica".into(),
            format!("fsync = {}", on(options.fsync)),
            "logging_collector = off".into(),
        ];
        if let Some((certificate, key)) = &options.tls {
            for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
                let to = self.data.join(to);
                fs::copy(from, &to)?;
                private(&to)?;
                self.programs.give(&to)?;
            }
            lines.push("ssl = on".into());
        }
        if let Some(authority) = &options.clients {
            let to = self.data.join("clients.crt");
            fs::copy(authority, &to)?;
            self.programs.give(&to)?;
            lines.push("ssl_ca_file = 'clients.crt'".into());
            let rules = self.data.join("pg_hba.conf");
            let others = fs::read_to_string(&rules)?;
            let guarded = "hostssl guarded all all trust clientcert=verify-full\nhost guarded all all reject\n";
            fs::write(&rules, format!("{guarded}{others}"))?;
        }
        lines.extend(options.settings.iter().map(|(name, value)| format!("{name} = '{}'", value.replace('\'', "''"))));
        let file = self.data.join("postgresql.conf");
        let text = fs::read_to_string(&file)?;
        Ok(fs::write(&file, format!("{text}\n{}\n", lines.join("\n")))?)
    }

    /// Starts the server, which is stopped or was killed, on the port that it had.
    ///
    /// # Errors
    /// What the server printed, or that it takes too long.
    pub fn start_again(&mut self) -> Result<(), ServiceError> {
        self.process = None;
        let log = self.folder.path().join("log");
        let out = fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        command.stdout(Stdio::null()).stderr(out);
        let mut process = Process::spawn(&mut command, self.folder.to_remove(), Some(AT_ONCE))?;
        let port = self.port;
        until("the start of PostgreSQL", UP_WITHIN, || {
            if process.ended()?.is_some() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(5).collect();
                return Err(ServiceError::new(format!("PostgreSQL did not start: {}", last.join("; "))));
            }
            Ok(hello::lets_in(port).then_some(()))
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// A streaming standby of this server, on a port of its own. It follows as long as this one lives.
    ///
    /// # Errors
    /// What `pg_basebackup` or the standby printed.
    pub fn standby(&self) -> Result<Self, ServiceError> {
        let mut standby = Self::prepare(None)?;
        let mut copy = standby.programs.command("pg_basebackup");
        copy.arg("-D").arg(&standby.data);
        copy.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &self.port.to_string()]);
        copy.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]);
        run(&mut copy)?;
        standby.start_again()?;
        Ok(standby)
    }

    /// Makes a standby a server of its own that accepts writes, and waits until it does.
    ///
    /// # Errors
    /// That it is no standby.
    pub fn promote(&self) -> Result<(), ServiceError> {
        let done = self.sql("SELECT pg_promote(true)")?;
        if done.trim() == "t" { Ok(()) } else { Err(ServiceError::new("the standby was not promoted in time")) }
    }

    /// Kills all its processes with signal 9, as a power cut does.
    ///
    /// # Errors
    /// That one of them does not go.
    pub fn kill9(&mut self) -> Result<(), ServiceError> {
        self.process.take().map_or(Ok(()), |mut process| process.kill9())
    }

    /// Stops it in order; open connections are closed.
    ///
    /// # Errors
    /// That it does not stop.
    pub fn stop(&mut self) -> Result<(), ServiceError> {
        if let Some(mut process) = self.process.take() {
            process.signal("INT")?;
            process.wait(DOWN_WITHIN)?;
        }
        Ok(())
    }

    /// Holds all its processes where they are.
    ///
    /// # Errors
    /// That it does not run.
    pub fn pause(&self) -> Result<(), ServiceError> {
        self.running()?.signal_all("STOP")
    }

    /// Lets its processes go on.
    ///
    /// # Errors
    /// That it does not run.
    pub fn resume(&self) -> Result<(), ServiceError> {
        self.running()?.signal_all("CONT")
    }

    fn running(&self) -> Result<&Process, ServiceError> {
        self.process.as_ref().ok_or_else(|| ServiceError::new("the server does not run"))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its database `postgres` is.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs SQL through `psql`, one statement in a transaction of its own; gives the rows, one a line,
    /// with `|` between columns.
    ///
    /// # Errors
    /// What the server says.
    pub fn sql(&self, text: &str) -> Result<String, ServiceError> {
        sql(&self.programs, &self.url(), text)
    }
}

fn sql(programs: &Programs, url: &str, text: &str) -> Result<String, ServiceError> {
    run(programs.command("psql").args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", text]).arg(url))
}

/// Only its owner may read a key.
fn private(path: &Path) -> Result<(), ServiceError> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
