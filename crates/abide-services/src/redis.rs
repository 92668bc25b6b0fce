//! A Redis of its own for a test.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crate::{
    ServiceError,
    find::program,
    folder::Folder,
    net::{free_port, until},
    process::Process,
};

/// The folder to take the server from, instead of `PATH`.
pub const BIN_VARIABLE: &str = "ABIDE_REDIS_BIN";
/// The URL of a Redis that is there already, for tests that need none of their own.
pub const URL_VARIABLE: &str = "ABIDE_TEST_REDIS";

const READY_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How often another port is tried when somebody else was faster to take one.
const PORTS_TRIED: usize = 5;

/// Settings under which nothing that was answered is lost, whatever happens to the process.
pub const DURABLE: [(&str, &str); 2] = [("appendonly", "yes"), ("appendfsync", "always")];

/// A Redis server with a folder and a port of its own.
#[derive(Debug)]
pub struct Redis {
    process: Option<Process>,
    binary: PathBuf,
    settings: Vec<(String, String)>,
    port: u16,
    /// Dropped last: the server is gone by then.
    folder: Folder,
}

impl Redis {
    /// Starts a server that appends every write to its file and syncs it before it answers.
    ///
    /// # Errors
    /// That Redis is not installed, or why it did not come up.
    pub fn start() -> Result<Self, ServiceError> {
        Self::start_with(&DURABLE)
    }

    /// Starts a server with these settings, as they stand in `redis.conf`.
    ///
    /// # Errors
    /// That Redis is not installed, or why it did not come up.
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Self, ServiceError> {
        let binary = program("redis-server", BIN_VARIABLE, &[]).ok_or_else(|| {
            ServiceError::new(format!(
                "redis-server is not installed: install it (Debian: `apt-get install redis-server`) or name its folder in {BIN_VARIABLE}"
            ))
        })?;
        let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut last = ServiceError::new("no port was tried");
        for _ in 0..PORTS_TRIED {
            let folder = Folder::temporary("redis")?;
            let (binary, settings) = (binary.clone(), settings.clone());
            let mut redis = Self { process: None, binary, settings, port: free_port()?, folder };
            match redis.start_again() {
                Ok(()) => return Ok(redis),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Where it listens: `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Starts it after it ended, on the same port and with the data it left, and waits until it answers.
    ///
    /// # Errors
    /// Why it did not come up.
    pub fn start_again(&mut self) -> Result<(), ServiceError> {
        let mut command = Command::new(&self.binary);
        command.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no", "--logfile", "redis.log"]);
        command.args(["--port", &self.port.to_string()]).arg("--dir").arg(self.folder.path());
        for (name, value) in &self.settings {
            command.arg(format!("--{name}")).arg(value);
        }
        let mut process = Process::spawn(&mut command, self.folder.to_remove(), None)?;
        let port = self.port;
        until("the start of redis-server", READY_WITHIN, || {
            if let Some(status) = process.ended()? {
                return Err(ServiceError::new(format!("redis-server ended at once: {status}; {}", self.log())));
            }
            Ok(ask(port, &["PING"]).ok().filter(|answer| answer == "PONG"))
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Kills it with signal 9 and waits until it is gone.
    ///
    /// # Errors
    /// That it is still there.
    pub fn kill9(&mut self) -> Result<(), ServiceError> {
        match self.process.take() {
            Some(mut process) => process.kill9(),
            None => Ok(()),
        }
    }

    /// Stops it where it is: connections stay open and nothing is answered.
    ///
    /// # Errors
    /// That it does not run.
    pub fn pause(&self) -> Result<(), ServiceError> {
        self.running()?.signal("STOP")
    }

    /// Lets it go on after [`Redis::pause`].
    ///
    /// # Errors
    /// That it does not run.
    pub fn resume(&self) -> Result<(), ServiceError> {
        self.running()?.signal("CONT")
    }

    /// Sends one command and gives its answer as text; the elements of a list stand on lines of their own.
    ///
    /// # Errors
    /// The server's error, or that it does not answer.
    pub fn ask(&self, command: &[&str]) -> Result<String, ServiceError> {
        ask(self.port, command)
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    fn running(&self) -> Result<&Process, ServiceError> {
        self.process.as_ref().ok_or_else(|| ServiceError::new("redis-server does not run"))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Before its folder goes.
        self.process = None;
    }
}

/// A Redis Cluster of three servers without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<Redis>,
}

impl RedisCluster {
    /// Starts the servers, shares the slots out evenly, and waits until all agree.
    ///
    /// # Errors
    /// That Redis is not installed, or why it did not come up.
    pub fn start() -> Result<Self, ServiceError> {
        let mut servers = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..3 {
            let bus = free_port()?.to_string();
            let mut settings = DURABLE.to_vec();
            settings.extend([("cluster-enabled", "yes"), ("cluster-port", bus.as_str())]);
            servers.push(Redis::start_with(&settings)?);
            buses.push(bus);
        }
        for (server, slots) in servers.iter().zip([("0", "5461"), ("5462", "10922"), ("10923", "16383")]) {
            server.ask(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1])?;
        }
        for (server, bus) in servers.iter().zip(&buses).skip(1) {
            servers[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &server.port.to_string(), bus])?;
        }
        until("the agreement of a Redis Cluster", READY_WITHIN, || {
            let agreed = |server: &Redis| {
                let info = server.ask(&["CLUSTER", "INFO"]).unwrap_or_default();
                info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
            };
            Ok(servers.iter().all(agreed).then_some(()))
        })?;
        Ok(Self { servers })
    }

    /// Where the first server listens; it knows of the others.
    pub fn url(&self) -> String {
        self.servers[0].url()
    }

    /// Its servers, to be hurt.
    pub fn servers(&mut self) -> &mut [Redis] {
        &mut self.servers
    }
}

/// A Redis for a test that needs none of its own: the one that [`URL_VARIABLE`] names, or a new one.
#[derive(Debug)]
pub struct SharedRedis {
    redis: Option<Redis>,
    url: String,
    prefix: String,
}

impl SharedRedis {
    /// Finds or starts it. Every value has a prefix of its own for its keys.
    ///
    /// # Errors
    /// That Redis is not installed, or why it did not come up.
    pub fn open() -> Result<Self, ServiceError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("test-{}-{n}", std::process::id());
        if let Ok(url) = env::var(URL_VARIABLE) {
            return Ok(Self { redis: None, url, prefix });
        }
        let redis = Redis::start()?;
        Ok(Self { url: redis.url(), redis: Some(redis), prefix })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the keys of this test begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether this value started it.
    pub fn is_own(&self) -> bool {
        self.redis.is_some()
    }
}

/// One command on a connection of its own.
fn ask(port: u16, command: &[&str]) -> Result<String, ServiceError> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    let mut request = format!("*{}\r\n", command.len());
    for part in command {
        request.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    stream.write_all(request.as_bytes())?;
    answer(&mut BufReader::new(stream))
}

fn answer(input: &mut impl BufRead) -> Result<String, ServiceError> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let line = line.trim_end();
    let unreadable = || ServiceError::new(format!("redis-server answered {line:?}"));
    let (sign, rest) = line.split_at_checked(1).ok_or_else(unreadable)?;
    let length = || rest.parse::<i64>().map_err(|_| unreadable());
    match sign {
        "+" | ":" => Ok(rest.into()),
        "-" => Err(ServiceError::new(rest)),
        "$" => {
            let Ok(length) = usize::try_from(length()?) else { return Ok(String::new()) };
            let mut text = vec![0; length + 2];
            input.read_exact(&mut text)?;
            Ok(String::from_utf8_lossy(&text[..length]).into_owned())
        }
        "*" => {
            let elements: Result<Vec<_>, _> = (0..length()?).map(|_| answer(input)).collect();
            Ok(elements?.join("\n"))
        }
        _ => Err(unreadable()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_there_after_kill_9_and_a_new_start() {
        let mut redis = Redis::start().unwrap();
        redis.ask(&["HSET", "a", "field", "one\r\ntwo"]).unwrap();
        redis.kill9().unwrap();
        assert!(redis.ask(&["PING"]).is_err());
        redis.start_again().unwrap();
        assert_eq!(redis.ask(&["HGETALL", "a"]).unwrap(), "field\none\r\ntwo");
    }

    #[test]
    fn a_wrong_setting_is_told_with_what_the_server_says() {
        let error = Redis::start_with(&[("no-such-setting", "yes")]).unwrap_err();
        assert!(error.to_string().contains("ended at once"), "{error}");
    }

    #[test]
    fn a_cluster_shares_out_its_slots() {
        let mut cluster = RedisCluster::start().unwrap();
        let url = cluster.url();
        let moved = cluster.servers().iter().filter(|server| server.ask(&["GET", "a"]).is_err()).count();
        assert_eq!(moved, 2, "{url}");
    }
}
