//! One room, as it is seen from here.

use std::{collections::BTreeMap, future::pending, time::Duration};

use abide::{
    Change, Json,
    client::{News, Watch},
    json,
};
use chat_example::Line;
use serde::Deserialize;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// How many lines are shown when a room is entered.
const SHOWN: usize = 20;
/// After a lost connection, who is not back by then has left.
const COME_BACK_WITHIN: Duration = Duration::from_secs(10);

/// What somebody shows of itself beside a room.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Shown {
    name: String,
    #[serde(default)]
    typing: bool,
}

pub(crate) struct Room {
    name: String,
    /// The number of the last line that was shown.
    last: Option<u64>,
    here: BTreeMap<String, Shown>,
    /// Who was here when the connection was lost, and is not back yet.
    away: BTreeMap<String, Shown>,
    /// The client that this is: another one, when it came back too late.
    me: Option<String>,
    typing: watch::Sender<bool>,
}

impl Room {
    /// Watches a room; what happens there comes through `news`, with its name.
    pub(crate) fn enter(name: &str, me: &str, watch: Watch, news: mpsc::Sender<(String, News)>) -> Self {
        let (typing, is_typing) = watch::channel(false);
        tokio::spawn(follow(name.to_owned(), me.to_owned(), watch, is_typing, news));
        Self { name: name.to_owned(), last: None, here: BTreeMap::new(), away: BTreeMap::new(), me: None, typing }
    }

    pub(crate) fn typing(&self, is: bool) {
        self.typing.send_replace(is);
    }

    /// The names of who is here, besides this client.
    pub(crate) fn here(&self, me: Option<&str>) -> Vec<&str> {
        let others = self.here.iter().filter(|(client, _)| Some(client.as_str()) != me);
        others.map(|(_, shown)| shown.name.as_str()).collect()
    }

    /// The clients of this name.
    pub(crate) fn clients(&self, name: &str) -> Vec<String> {
        self.here.iter().filter(|(_, shown)| shown.name == name).map(|(client, _)| client.clone()).collect()
    }

    /// What is to be shown of what happened.
    pub(crate) fn take(&mut self, news: News, me: Option<&str>) -> Vec<String> {
        if let Some(earlier) = self.me.take().filter(|earlier| Some(earlier.as_str()) != me) {
            self.here.remove(&earlier);
        }
        self.me = me.map(str::to_owned);
        match news {
            News::Snapshot { state, .. } | News::Reset { state, .. } => self.state(state),
            News::Change(change) => change.decode().map(|change| self.change(&change)).unwrap_or_default(),
            News::Presence { whole, members } => self.presence(whole, members, me),
            News::Broadcast { .. } => Vec::new(),
        }
    }

    fn state(&mut self, state: Option<Json>) -> Vec<String> {
        #[derive(Default, Deserialize)]
        struct State {
            #[serde(default)]
            lines: Vec<Line>,
        }
        let State { lines } = state.and_then(|state| state.decode().ok()).unwrap_or_default();
        let from = if self.last.is_none() { lines.len().saturating_sub(SHOWN) } else { 0 };
        let mut shown = Vec::new();
        if let (Some(last), Some(first)) = (self.last, lines.first())
            && first.n > last + 1
        {
            shown.push(format!("* [{}] {} older lines are not shown", self.name, first.n - last - 1));
        }
        shown.extend(lines.iter().skip(from).filter_map(|line| self.line(line)));
        self.last.get_or_insert(0);
        shown
    }

    fn change(&mut self, change: &Change) -> Vec<String> {
        let said = change.events.iter().filter(|event| event.kind == "Said");
        let lines: Vec<Line> = said.filter_map(|event| Line::deserialize(&event.data).ok()).collect();
        lines.iter().filter_map(|line| self.line(line)).collect()
    }

    /// A line, unless it was shown already.
    fn line(&mut self, line: &Line) -> Option<String> {
        if self.last.is_some_and(|last| line.n <= last) {
            return None;
        }
        self.last = Some(line.n);
        Some(format!("[{}] {}: {}", self.name, line.from, line.text))
    }

    fn presence(&mut self, whole: bool, members: BTreeMap<String, Option<Json>>, me: Option<&str>) -> Vec<String> {
        let settled = !whole && members.is_empty();
        let before = self.here.clone();
        if whole {
            // Others come back from a lost connection when they do: it is not said of them that they left.
            self.away.append(&mut self.here);
        }
        for (client, data) in members {
            match data.and_then(|data| data.decode::<Shown>().ok()) {
                Some(shown) => drop(self.here.insert(client, shown)),
                None => drop(self.here.remove(&client)),
            }
        }
        let mut shown = Vec::new();
        let room = &self.name;
        let knows = |known: &BTreeMap<String, Shown>, name: &str| known.values().any(|other| other.name == name);
        for (client, Shown { name, typing }) in self.here.iter().filter(|(client, _)| Some(client.as_str()) != me) {
            let known = before.get(client);
            if known.is_none() && !knows(&before, name) && !knows(&self.away, name) {
                shown.push(format!("* [{room}] {name} is here"));
            }
            if *typing && !known.is_some_and(|known| known.typing) {
                shown.push(format!("* [{room}] {name} is typing…"));
            }
        }
        self.away.retain(|_, away| !knows(&self.here, &away.name));
        let gone = if settled { std::mem::take(&mut self.away) } else { BTreeMap::new() };
        let left = before.iter().filter(|(client, _)| !whole && !self.here.contains_key(*client)).chain(&gone);
        for (_, Shown { name, .. }) in left.filter(|(client, _)| Some(client.as_str()) != me) {
            if !knows(&self.here, name) {
                shown.push(format!("* [{room}] {name} has left"));
            }
        }
        shown
    }
}

/// Tells what happens in a room, and shows this client there, until either is not wanted any more.
async fn follow(
    room: String,
    me: String,
    mut watch: Watch,
    mut typing: watch::Receiver<bool>,
    news: mpsc::Sender<(String, News)>,
) {
    let _ = watch.present(json!({"name": me})).await;
    let mut settles_at = None;
    loop {
        let settled = async {
            match settles_at {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            next = watch.next() => {
                let Some(Ok(next)) = next else { return };
                if matches!(next, News::Presence { whole: true, .. }) {
                    settles_at = Some(Instant::now() + COME_BACK_WITHIN);
                }
                if news.send((room.clone(), next)).await.is_err() {
                    return;
                }
            }
            () = settled => {
                settles_at = None;
                let nobody = News::Presence { whole: false, members: BTreeMap::new() };
                if news.send((room.clone(), nobody)).await.is_err() {
                    return;
                }
            }
            changed = typing.changed() => {
                if changed.is_err() {
                    return;
                }
                let is = *typing.borrow_and_update();
                let _ = watch.present(json!({"name": me, "typing": is})).await;
            }
        }
    }
}
