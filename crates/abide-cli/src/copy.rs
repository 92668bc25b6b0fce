//! Copies a store's SQLite file while it may be in use.

use std::{path::Path, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use rusqlite::{
    Connection, OpenFlags,
    backup::{Backup, StepResult},
};

use crate::failure::{Failure, Outcome};

/// Marks a SQLite file as a store: "Abid" in ASCII, as `docs/format/sqlite.md` says.
const APPLICATION_ID: i64 = 0x4162_6964;
/// Pages copied before the progress is shown again.
const STEP_PAGES: i32 = 256;
/// How long to wait for somebody else's lock.
const BUSY: Duration = Duration::from_secs(10);

/// The file of a `sqlite:` URL.
pub(crate) fn sqlite_path(url: &str) -> Outcome<&Path> {
    match url.split_once(':') {
        Some(("sqlite", rest)) if !rest.is_empty() && rest != ":memory:" => {
            Ok(Path::new(rest.strip_prefix("//").unwrap_or(rest)))
        }
        _ => Err(Failure::usage(format!("{url:?} is not a store with a file"))
            .hint("this version copies SQLite stores: write for example sqlite:data/abide.db")),
    }
}

/// Opens a store's file to read it, beside a node that may be running on it.
pub(crate) fn open_source(path: &Path) -> Outcome<Connection> {
    let fault = |error: rusqlite::Error| Failure::new("store", format!("{} cannot be read: {error}", path.display()));
    if !path.is_file() {
        return Err(Failure::new("not_found", format!("there is no file {}", path.display())));
    }
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fault)?;
    conn.busy_timeout(BUSY).map_err(fault)?;
    let application: i64 = conn.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(fault)?;
    match application {
        APPLICATION_ID => Ok(conn),
        _ => Err(Failure::new("store", format!("{} is not an Abide store", path.display()))),
    }
}

/// Opens a file to copy into.
pub(crate) fn open_target(path: &Path) -> Outcome<Connection> {
    let conn = Connection::open(path).map_err(|error| unwritable(path, &error))?;
    conn.busy_timeout(BUSY).map_err(|error| unwritable(path, &error))?;
    Ok(conn)
}

/// Copies a store as it is at one moment, in one transaction. Returns how many bytes it has.
pub(crate) fn copy(source: &Connection, target: &mut Connection, bar: &ProgressBar) -> Outcome<u64> {
    let failed = |error: rusqlite::Error| Failure::new("store", format!("the copy failed: {error}"));
    let page_bytes: u64 = source.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0)).map_err(failed)?.into();
    // An open read transaction holds the moment: without it a writer would make the copy begin anew.
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    let copied = (|| {
        let backup = Backup::new(source, target)?;
        loop {
            let step = backup.step(STEP_PAGES)?;
            let progress = backup.progress();
            let pages = |number: i32| u64::try_from(number).unwrap_or(0);
            bar.set_length(pages(progress.pagecount) * page_bytes);
            bar.set_position(pages(progress.pagecount - progress.remaining) * page_bytes);
            match step {
                StepResult::Done => return Ok(pages(progress.pagecount) * page_bytes),
                StepResult::More => {}
                _ => pause(),
            }
        }
    })();
    let ended = source.execute_batch("COMMIT");
    let bytes = copied.map_err(failed)?;
    ended.map_err(failed)?;
    bar.finish_and_clear();
    Ok(bytes)
}

/// Makes a copy one file that needs no others beside it, and checks it.
pub(crate) fn seal(conn: &Connection, path: &Path) -> Outcome {
    let fault = |error: rusqlite::Error| unwritable(path, &error);
    conn.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(fault)?;
    let check: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fault)?;
    match check.as_str() {
        "ok" => Ok(()),
        fault => Err(Failure::new("store", format!("the copy {} is damaged: {fault}", path.display()))
            .hint("check the store with `abide store verify`")),
    }
}

/// A bar of bytes on standard error; hidden with `--json`.
pub(crate) fn progress_bar(hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[expect(clippy::disallowed_methods, reason = "a copy runs on a thread of its own, without a runtime")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}

fn unwritable(path: &Path, error: &rusqlite::Error) -> Failure {
    Failure::new("store", format!("{} cannot be written: {error}", path.display()))
}

/// Writes what is in a file, and its name, to the disk.
pub(crate) fn sync(path: &Path) -> Outcome {
    std::fs::File::open(path)?.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(std::fs::File::open(folder)?.sync_all()?)
}
