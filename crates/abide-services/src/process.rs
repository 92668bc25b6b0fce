//! A server's process, its signals and its end.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::{ServiceError, net::until};

/// How long a killed process may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// What waits outside: when its input ends, this process is gone without having stopped the server,
/// and the server and its folder have to go, too. A line of input says that all is well.
const WATCHER: &str = r#"
read -r line && exit 0
children=$(cat "/proc/$1/task/$1/children" 2>/dev/null)
kill -s "$3" "$1" 2>/dev/null
kill -s CONT "$1" $children 2>/dev/null
for tenth in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  kill -s 0 "$1" 2>/dev/null || break
  sleep 0.1
done
kill -s KILL "$1" $children 2>/dev/null
if [ -n "$2" ]; then sleep 0.2; rm -rf "$2"; fi
"#;
/// How long a server may take to end by the signal that it knows, before it is killed.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A server's process with the processes that it started. It ends when this is dropped, and also when the
/// process that dropped nothing was killed itself.
#[derive(Debug)]
pub struct Process {
    child: Child,
    watcher: Child,
    last: Option<&'static str>,
}

impl Process {
    /// Starts a server. `folder` goes with it if this process is killed. `last` is the signal by which it ends
    /// at once and gives back to the system what does not go with its processes, if it has such: shared memory.
    ///
    /// # Errors
    /// That the program cannot be started, with its name.
    pub fn spawn(
        command: &mut Command,
        folder: Option<&Path>,
        last: Option<&'static str>,
    ) -> Result<Self, ServiceError> {
        let name = command.get_program().display().to_string();
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| ServiceError::new(format!("{name} cannot be started: {error}")))?;
        let watcher = Command::new("sh")
            .args(["-c", WATCHER, "watcher"])
            .arg(child.id().to_string())
            .arg(folder.unwrap_or(Path::new("")))
            .arg(last.unwrap_or("KILL"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watcher {
            Ok(watcher) => Ok(Self { child, watcher, last }),
            Err(error) => {
                let mut child = child;
                let _ = child.kill();
                let _ = child.wait();
                Err(ServiceError::new(format!("sh cannot be started: {error}")))
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ServiceError> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    /// That there is no such process any more.
    pub fn signal(&self, signal: &str) -> Result<(), ServiceError> {
        send(signal, &[self.id()])
    }

    /// Sends a signal to the process and to what it started, the process first.
    ///
    /// # Errors
    /// That there is no such process any more.
    pub fn signal_all(&self, signal: &str) -> Result<(), ServiceError> {
        self.signal(signal)?;
        let children = children(self.id());
        if !children.is_empty() {
            // A child that ended meanwhile is no fault.
            let _ = send(signal, &children);
        }
        Ok(())
    }

    /// Kills the process and what it started with signal 9, at one moment as far as they can tell,
    /// and waits until all are gone.
    ///
    /// # Errors
    /// That one of them is still there after half a minute.
    pub fn kill9(&mut self) -> Result<(), ServiceError> {
        if self.ended()?.is_none() {
            // Stopped first, it starts no other child while they are counted.
            self.signal("STOP")?;
            let mut all = children(self.id());
            all.push(self.id());
            let _ = send("KILL", &all);
            self.child.wait()?;
            until("the end of a killed server", GONE_WITHIN, || Ok(all.iter().all(|id| is_gone(*id)).then_some(())))?;
        }
        Ok(())
    }

    /// Waits until it has ended by itself or after a signal.
    ///
    /// # Errors
    /// That it is still there after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, ServiceError> {
        until("the end of a server", limit, || self.child.try_wait().map_err(ServiceError::from))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let (Some(last), Ok(None)) = (self.last, self.ended()) {
            let _ = self.signal(last);
            // A stopped one could not end.
            let _ = self.signal_all("CONT");
            let _ = self.wait(ENDS_WITHIN);
        }
        let _ = self.kill9();
        if let Some(mut input) = self.watcher.stdin.take() {
            let _ = input.write_all(b"done\n");
        }
        let _ = self.watcher.wait();
    }
}

fn send(signal: &str, ids: &[u32]) -> Result<(), ServiceError> {
    let ids = ids.iter().map(u32::to_string);
    let sent = Command::new("kill").arg(format!("-{signal}")).args(ids).stderr(Stdio::null()).status()?;
    if sent.success() { Ok(()) } else { Err(ServiceError::new(format!("signal {signal} found no process"))) }
}

/// The processes whose parent is `id`.
fn children(id: u32) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|process| parent(*process) == Some(id)).collect()
}

fn parent(id: u32) -> Option<u32> {
    fields(id)?.split(' ').nth(1)?.parse().ok()
}

/// Whether a process is gone, or only waits for its parent to notice.
fn is_gone(id: u32) -> bool {
    fields(id).is_none_or(|fields| fields.starts_with('Z'))
}

/// State, parent and so on of a process: what comes after its name.
fn fields(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(with_child: bool) -> Process {
        let script = if with_child { "sleep 600 & sleep 600; true" } else { "exec sleep 600" };
        Process::spawn(Command::new("sh").args(["-c", script]), None, None).unwrap()
    }

    #[test]
    fn a_dropped_process_is_gone_with_what_it_started() {
        let process = sleeper(true);
        let id = process.id();
        let below =
            until("two children", GONE_WITHIN, || Ok(Some(children(id)).filter(|children| children.len() == 2)));
        let below = below.unwrap();
        drop(process);
        assert!(is_gone(id));
        assert!(below.into_iter().all(is_gone));
    }

    #[test]
    fn a_process_ends_when_nobody_is_left_to_drop_it() {
        let mut process = sleeper(false);
        let id = process.id();
        drop(process.watcher.stdin.take());
        let ended = process.wait(GONE_WITHIN).unwrap();
        assert!(!ended.success());
        assert!(is_gone(id));
    }
}
