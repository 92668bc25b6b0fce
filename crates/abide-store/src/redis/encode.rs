//! Commits as the arguments of their script.

use abide_core::{
    Json,
    port::store::{AlarmWrite, Commit, SharedKind, Write},
};
use redis::Cmd;

use super::{
    codec,
    distobject::{self, Layouts},
    indexes::Declared,
    names::{self, Names},
    script,
    state::{Layout, split},
    value,
};

/// The arguments of one commit, in a row. The first says how many there are.
struct Args {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// The width of the first argument, which is known last.
const COUNT_WIDTH: usize = 9;

impl Args {
    fn new() -> Self {
        Self { bytes: vec![b'0'; COUNT_WIDTH], ends: vec![COUNT_WIDTH] }
    }

    fn add(&mut self, argument: impl AsRef<[u8]>) {
        self.bytes.extend_from_slice(argument.as_ref());
        self.ends.push(self.bytes.len());
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        use std::io::Write as _;
        // Writing to a vector does not fail.
        let _ = write!(self.bytes, "{number}");
        self.ends.push(self.bytes.len());
    }

    /// Puts them behind those of others. Those of a plain commit begin with a `p`.
    fn give_to(mut self, cmd: &mut Cmd, plain: bool) {
        let mut count = format!("{:0COUNT_WIDTH$}", self.ends.len());
        if plain {
            count.replace_range(..1, "p");
        }
        self.bytes[..COUNT_WIDTH].copy_from_slice(count.as_bytes());
        let mut from = 0;
        for end in self.ends {
            cmd.arg(&self.bytes[from..end]);
            from = end;
        }
    }
}

/// A call of the commit script with these commits, which all belong to one part.
pub(super) fn commits<'c>(
    names: &Names,
    declared: &Declared,
    layouts: &Layouts,
    part: u32,
    commits: impl ExactSizeIterator<Item = &'c Commit>,
) -> Cmd {
    let mut cmd = call(names, declared, part, commits.len());
    for commit in commits {
        let layout = distobject::of(layouts, &commit.key);
        if let Some(args) = plain(commit, declared, layout) {
            args.give_to(&mut cmd, true);
            continue;
        }
        let mut args = args(commit, declared);
        add_flat(&mut args, commit, layout);
        args.give_to(&mut cmd, false);
    }
    cmd
}

fn call(names: &Names, declared: &Declared, part: u32, commits: usize) -> Cmd {
    let tag = names.tag(part);
    let mut cmd = script::COMMIT.call(tag);
    cmd.arg(tag).arg(names.channel()).arg(declared.generation).arg(commits);
    cmd
}

/// What programs of distobject see of the commit, or what of theirs it takes in.
fn add_flat(args: &mut Args, commit: &Commit, layout: Option<&SharedKind>) {
    let Some(layout) = layout else { return args.add("") };
    if !commit.taken.is_empty() {
        args.add("a");
        args.add(distobject::flat(layout, &commit.key));
        return add_strings(args, &commit.taken.iter().collect::<Vec<_>>());
    }
    let strings = match &commit.write {
        Write::Keep => return args.add(""),
        Write::Delete { .. } => Vec::new(),
        Write::Put { state, updated_at, .. } => distobject::strings(state, *updated_at),
    };
    args.add("m");
    args.add(distobject::flat(layout, &commit.key));
    args.add(&layout.channel);
    add_strings(args, &strings.iter().map(|(field, text)| (field, text)).collect::<Vec<_>>());
}

fn add_strings(args: &mut Args, strings: &[(&String, &String)]) {
    args.number(strings.len());
    for (field, text) in strings {
        args.add(field);
        args.add(text);
    }
}

/// How many fields a plain commit has at most: Lua's stack holds a few thousand values.
const PLAIN_FIELDS: usize = 1_000;

/// A commit that does what most do: a state in fields, one change, nothing else. The script has a short
/// way for it.
fn plain(commit: &Commit, declared: &Declared, layout: Option<&SharedKind>) -> Option<Args> {
    let (Write::Put { state, version, created_at, updated_at }, [change]) = (&commit.write, &commit.changes[..]) else {
        return None;
    };
    let more = commit.group.is_some()
        || change.snapshot.is_some()
        || !commit.keep_changes
        || commit.trim.is_some()
        || !(commit.alarms.is_empty() && commit.outbox.is_empty())
        || !(commit.received.is_empty() && commit.outcomes.is_empty())
        || layout.is_some()
        || !declared.paths(commit.key.kind()).is_empty();
    if more {
        return None;
    }
    let Layout::Fields { order, fields } = split(state) else { return None };
    if fields.len() > PLAIN_FIELDS {
        return None;
    }
    let mut args = Args::new();
    add_head(&mut args, commit);
    args.number(updated_at.as_millis());
    args.number(version);
    args.number(created_at.as_millis());
    args.number(commit.incarnation);
    args.add(order);
    args.add(format!("{} {}", change.at.as_millis(), change.json));
    args.number(fields.len());
    for (name, value) in fields {
        args.add(name);
        args.add(value);
    }
    Some(args)
}

/// Of which object a commit is, and on what it builds.
fn add_head(args: &mut Args, commit: &Commit) {
    args.add(commit.key.namespace().as_str());
    args.add(commit.key.kind().as_str());
    args.add(commit.key.id());
    args.number(commit.shard);
    args.number(commit.epoch);
    args.number(commit.id);
    args.number(commit.expected);
    args.number(commit.head());
}

fn args(commit: &Commit, declared: &Declared) -> Args {
    let mut args = Args::new();
    add_head(&mut args, commit);
    args.number(commit.incarnation);
    match commit.group {
        Some(group) => args.number(group),
        None => args.add(""),
    }
    add_write(&mut args, commit);
    add_changes(&mut args, commit);
    add_alarms(&mut args, commit);
    add_rest(&mut args, commit);
    add_indexes(&mut args, commit, declared);
    args
}

fn add_write(args: &mut Args, commit: &Commit) {
    match &commit.write {
        Write::Keep => {
            args.add("k");
            match commit.changes.last() {
                Some(change) => args.number(change.at.as_millis()),
                None => args.add(""),
            }
        }
        Write::Delete { at } => {
            args.add("d");
            args.number(at.as_millis());
        }
        Write::Put { state, version, created_at, updated_at } => {
            args.add("p");
            args.number(version);
            args.number(created_at.as_millis());
            args.number(updated_at.as_millis());
            add_state(args, state);
        }
    }
}

fn add_state(args: &mut Args, state: &Json) {
    match split(state) {
        Layout::Whole(text) => {
            args.add("");
            args.add(text);
        }
        Layout::Fields { order, fields } => {
            args.add(order);
            args.number(fields.len());
            for (name, value) in fields {
                args.add(name);
                args.add(value);
            }
        }
    }
}

fn add_changes(args: &mut Args, commit: &Commit) {
    args.number(commit.changes.len());
    args.add(if commit.keep_changes { "1" } else { "0" });
    match commit.trim {
        Some(trim) => args.number(trim.min(commit.head())),
        None => args.add(""),
    }
    for change in &commit.changes {
        args.number(change.seq);
        args.add(format!("{} {}", change.at.as_millis(), change.json));
        args.add(change.snapshot.as_ref().map_or("", Json::as_str));
    }
}

fn add_alarms(args: &mut Args, commit: &Commit) {
    args.number(commit.alarms.len());
    for write in &commit.alarms {
        match write {
            AlarmWrite::Set(alarm) => {
                args.add("s");
                args.add(&*alarm.name);
                args.add(names::due(alarm.due));
                args.add(if alarm.dead.is_some() { "-" } else { "+" });
                args.add(codec::encode_alarm(alarm));
            }
            AlarmWrite::Remove(name) => {
                args.add("r");
                args.add(&**name);
            }
        }
    }
}

fn add_rest(args: &mut Args, commit: &Commit) {
    args.number(commit.outbox.len());
    for message in &commit.outbox {
        args.add(names::message_member(&message.id));
        args.add(codec::encode_message(message));
    }
    args.number(commit.received.len());
    for (sender, n) in &commit.received {
        args.add(names::name(sender));
        args.add(format!("{n:020}"));
    }
    args.number(commit.outcomes.len());
    for outcome in &commit.outcomes {
        args.add(names::outcome_field(&outcome.caller, &outcome.call_key));
        args.number(outcome.expires_at.as_millis());
        args.add(codec::encode_outcome(outcome));
    }
}

fn add_indexes(args: &mut Args, commit: &Commit, declared: &Declared) {
    let paths = declared.paths(commit.key.kind());
    let Write::Put { state, .. } = &commit.write else { return args.number(0) };
    args.number(paths.len());
    if paths.is_empty() {
        return;
    }
    let state = state.value();
    for path in paths {
        args.add(path.to_string());
        args.add(value::encode(path.find(&state)));
    }
}
