//! What commands do, and what is shown of what happens.

use std::{collections::BTreeMap, time::Duration};

use abide::{
    Client, Delivery, Objects, Result,
    client::{News, Push, Pushes, Status},
};
use chat_example::{ChatLobby, ChatRoom, ChatSession, LOBBY};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    input::Typed,
    room::Room,
    screen::Screen,
    speaker::{Act, Saying, UNSENT_MAX, introduce, speak},
};

const NEWS_MAX: usize = 256;
const ROOMS_MAX: usize = 100;
/// How long a question may take.
const ASK: &str = "5s";
/// How long lines that were typed may take when the chat is left.
const FAREWELL: Duration = Duration::from_secs(5);

const HELP: [&str; 8] = [
    "/list            the rooms",
    "/join ROOM       goes into a room, or back to it",
    "/leave           leaves the room you are in",
    "/messages [N]    the last lines of the room",
    "/who             who is here",
    "/w NAME TEXT     says something to one alone",
    "/quit            ends the chat",
    "anything else is said in the room",
];

pub(crate) struct App {
    client: Client,
    screen: Screen,
    name: String,
    rooms: BTreeMap<String, Room>,
    at: String,
    sayings: mpsc::Sender<Saying>,
    speaker: JoinHandle<()>,
    failures: mpsc::Receiver<String>,
    answers: mpsc::Sender<String>,
    online: Option<bool>,
    /// The client whose session knows the name.
    entered: Option<String>,
}

/// What the chat waits for.
struct Waits {
    typed: mpsc::Receiver<Typed>,
    news: mpsc::Receiver<(String, News)>,
    status: watch::Receiver<Status>,
    pushes: Pushes,
}

impl App {
    pub(crate) fn new(client: Client, screen: Screen, name: String) -> Self {
        let (sayings, said) = mpsc::channel(UNSENT_MAX);
        let (answers, failures) = mpsc::channel(NEWS_MAX);
        let speaker = tokio::spawn(speak(client.clone(), name.clone(), said, answers.clone()));
        let (rooms, at) = (BTreeMap::new(), String::new());
        Self { client, screen, name, rooms, at, sayings, speaker, failures, answers, online: None, entered: None }
    }

    /// Chats until `/quit` or the end of the input.
    pub(crate) async fn run(mut self, typed: mpsc::Receiver<Typed>, room: &str) -> Result<()> {
        let (told, news) = mpsc::channel(NEWS_MAX);
        let (status, pushes) = (self.client.statuses(), self.client.pushes());
        let mut waits = Waits { typed, news, status, pushes };
        self.status(&self.client.status());
        self.screen.line("* /help says what you can type");
        self.join(room, &told).await;
        loop {
            tokio::select! {
                biased;
                Ok(()) = waits.status.changed() => {
                    let status = waits.status.borrow_and_update().clone();
                    self.status(&status);
                    if let Status::Closed(error) = status {
                        return Err(error);
                    }
                }
                Some(answer) = self.failures.recv() => self.screen.line(&answer),
                Some((room, news)) = waits.news.recv() => self.news(&room, news),
                Some(push) = waits.pushes.next() => self.pushed(&push),
                typed = waits.typed.recv() => match typed {
                    None => break,
                    Some(Typed::Typing(is)) => self.typing(is),
                    Some(Typed::Line(line)) if line.trim() == "/quit" => break,
                    Some(Typed::Line(line)) => self.typed(line.trim(), &told).await,
                },
            }
        }
        self.leave().await;
        Ok(())
    }

    /// What was typed is still said, if the server is there.
    async fn leave(self) {
        let Self { client, screen, sayings, mut speaker, mut failures, .. } = self;
        let unsent = sayings.max_capacity() - sayings.capacity();
        drop(sayings);
        if timeout(FAREWELL, &mut speaker).await.is_err() {
            screen.line(&format!("! the server is away; {} lines were not said", unsent.max(1)));
        }
        while let Ok(failure) = failures.try_recv() {
            screen.line(&failure);
        }
        client.close().await;
        screen.end();
    }

    async fn typed(&mut self, line: &str, told: &mpsc::Sender<(String, News)>) {
        let (command, rest) = line.split_once(' ').map_or((line, ""), |(command, rest)| (command, rest.trim()));
        match command {
            "" => {}
            "/help" => HELP.iter().for_each(|line| self.screen.line(line)),
            "/list" => self.list(),
            "/join" if rest.is_empty() => self.screen.line("! say which room: /join ROOM"),
            "/join" => self.join(rest, told).await,
            "/leave" => self.leave_room(),
            "/messages" => self.messages(rest),
            "/who" => self.who(),
            "/w" => self.whisper(rest),
            _ if command.starts_with('/') => {
                self.screen.line(&format!("! there is no {command}; /help says what there is"));
            }
            _ => {
                if self.online == Some(false) && !self.at.is_empty() {
                    self.screen.line(&format!("  not said yet: {line}"));
                }
                self.say(Act::Say(line.to_owned()));
            }
        }
    }

    async fn join(&mut self, name: &str, told: &mpsc::Sender<(String, News)>) {
        if !self.rooms.contains_key(name) {
            if self.rooms.len() >= ROOMS_MAX {
                return self.screen.line(&format!("! you are in {ROOMS_MAX} rooms; /leave one first"));
            }
            let watch = match self.client.watch("ChatRoom", name).presence().await {
                Ok(watch) => watch,
                Err(error) => return self.screen.line(&format!("! {}", error.detail())),
            };
            self.rooms.insert(name.to_owned(), Room::enter(name, &self.name, watch, told.clone()));
        }
        name.clone_into(&mut self.at);
        self.say(Act::Join);
        self.screen.line(&format!("* you are in {name}"));
        self.screen.prompt(name.to_owned());
    }

    fn leave_room(&mut self) {
        if self.rooms.remove(&self.at).is_none() {
            return self.screen.line("! you are in no room; /join one");
        }
        self.say(Act::Leave);
        self.screen.line(&format!("* you left {}", self.at));
        self.at = self.rooms.keys().next().cloned().unwrap_or_default();
        self.screen.prompt(self.at.clone());
    }

    fn say(&self, act: Act) {
        if self.at.is_empty() {
            return self.screen.line("! you are in no room; /join one");
        }
        if self.sayings.try_send(Saying { room: self.at.clone(), act }).is_err() {
            self.screen.line(&format!("! {UNSENT_MAX} lines wait for the server already; this one was not taken"));
        }
    }

    fn typing(&self, is: bool) {
        if let Some(room) = self.rooms.get(&self.at) {
            room.typing(is);
        }
    }

    fn list(&self) {
        let lobby = self.client.object::<ChatLobby>(LOBBY);
        self.answer(async move {
            let rooms = lobby.rooms().timeout(ASK).await?;
            let line = |(name, listed): &(String, chat_example::Listed)| {
                let (lines, members) = (count(listed.lines, "line"), count(listed.members, "member"));
                format!("  {name}: {lines}, {members}")
            };
            let lines = rooms.iter().map(line).collect::<Vec<_>>();
            Ok(if lines.is_empty() { vec!["  there is no room yet".to_owned()] } else { lines })
        });
    }

    fn messages(&self, rest: &str) {
        let Ok(limit) = (if rest.is_empty() { Ok(20) } else { rest.parse::<usize>() }) else {
            return self.screen.line("! say how many: /messages 20");
        };
        let (room, at) = (self.client.object::<ChatRoom>(&self.at), self.at.clone());
        self.answer(async move {
            let lines = room.messages(limit).timeout(ASK).await?;
            Ok(lines.iter().map(|line| format!("  [{at}] {} {}: {}", line.n, line.from, line.text)).collect())
        });
    }

    fn who(&self) {
        let me = self.client.id();
        let others = self.rooms.get(&self.at).map(|room| room.here(me.as_deref())).unwrap_or_default();
        let line =
            if others.is_empty() { "  nobody but you".to_owned() } else { format!("  {}, and you", others.join(", ")) };
        self.screen.line(&line);
    }

    fn whisper(&self, rest: &str) {
        let Some((to, text)) = rest.split_once(' ') else {
            return self.screen.line("! say to whom, and what: /w NAME TEXT");
        };
        let clients = self.rooms.get(&self.at).map(|room| room.clients(to)).unwrap_or_default();
        let Some(me) = self.client.id().filter(|_| !clients.is_empty()) else {
            return self.screen.line(&format!("! {to} is not here"));
        };
        let session = self.client.object::<ChatSession>(&me);
        let (line, text) = (format!("  to {to}: {text}"), text.to_owned());
        self.answer(async move {
            for client in clients {
                session.whisper(client, text.clone()).delivery(Delivery::AtMostOnce).timeout(ASK).await?;
            }
            Ok(vec![line])
        });
    }

    /// Asks the server without keeping what is typed waiting.
    fn answer(&self, question: impl Future<Output = Result<Vec<String>>> + Send + 'static) {
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let lines = question.await.unwrap_or_else(|error| vec![format!("! {}", error.detail())]);
            for line in lines {
                if answers.send(line).await.is_err() {
                    return;
                }
            }
        });
    }

    fn news(&mut self, room: &str, news: News) {
        let me = self.client.id();
        let Some(room) = self.rooms.get_mut(room) else { return };
        for line in room.take(news, me.as_deref()) {
            self.screen.line(&line);
        }
    }

    fn pushed(&self, push: &Push) {
        match push {
            Push::Data(data) => {
                let data = data.value();
                if let (Some(from), Some(text)) = (data["whisper"]["from"].as_str(), data["whisper"]["text"].as_str()) {
                    self.screen.line(&format!("  {from} whispers: {text}"));
                }
            }
            Push::Missed(count) => self.screen.line(&format!("* {count} whispers were lost while you were away")),
        }
    }

    fn status(&mut self, status: &Status) {
        let online = status.is_online();
        let before = self.online.replace(online);
        match (online, before) {
            (true, None) => self.screen.line("* connected"),
            (true, Some(false)) => self.screen.line("* connected again"),
            (false, None | Some(true)) => {
                self.screen.line("* the server is away; what you type is said when it is back");
            }
            (true, Some(true)) | (false, Some(false)) => {}
        }
        let id = self.client.id().filter(|id| before != Some(true) || self.entered.as_ref() != Some(id));
        if online && let Some(id) = id {
            // A new connection may be a new client, with a session that knows neither the name nor the rooms yet.
            let (client, name) = (self.client.clone(), self.name.clone());
            let rooms: Vec<_> = self.rooms.keys().cloned().collect();
            self.entered = Some(id);
            self.answer(async move { introduce(&client, &name, rooms).await.map(|()| Vec::new()) });
        }
    }
}

/// So many of something.
fn count(n: impl Into<u64>, what: &str) -> String {
    match n.into() {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
