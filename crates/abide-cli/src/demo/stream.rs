//! An append-only stream of events, read by cursor.

use std::fmt;

use abide::{Code, Event, Seq, prelude::*};
use serde_json::Value;

/// How many events one call may append, and one page may hold.
pub const EVENTS_MAX: usize = 1000;

/// A stream of events.
///
/// The events live in the object's change log; the state knows only how many there are. A stream of
/// a million events is as quick to load as an empty one.
#[derive(Debug, Default, State)]
pub struct Stream {
    count: u64,
}

/// An event to append.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewEvent {
    /// What happened, for example `OrderPlaced`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The event's own data.
    #[serde(default)]
    pub data: Value,
    /// Whatever should travel with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// An id of its author's; a fresh ULID if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A page of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The events, oldest first. Those appended together have the same cursor.
    pub events: Vec<Appended>,
    /// Read on `after` this.
    pub next: u64,
    /// Whether there are more right now.
    pub more: bool,
}

/// An event of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Appended {
    /// Its place in the stream: read `after` it for what follows.
    pub cursor: u64,
    /// When it was appended.
    pub at: Timestamp,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Somebody else appended first. Nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// How many events the caller thought there were.
    pub expected: u64,
    /// How many there are.
    pub count: u64,
}

/// Events that are appended and never changed. Watch it to see them arrive; read it by cursor.
#[object(history = "all")]
impl Stream {
    /// Appends events, all or none, and answers with how many there are now. With `expected`, only if
    /// there are so many before.
    #[handler]
    pub fn append(&mut self, ctx: &mut Context, events: Vec<NewEvent>, expected: Option<u64>) -> Result<u64> {
        if let Some(expected) = expected
            && expected != self.count
        {
            return Err(Moved { expected, count: self.count }.into());
        }
        let many = events.len();
        if many > EVENTS_MAX {
            return Err(Error::rejected(format!("{many} events at once are too many: append up to {EVENTS_MAX}")));
        }
        for NewEvent { kind, data, metadata, id } in events {
            let id = id.unwrap_or_else(|| ctx.fresh_ulid());
            ctx.emit_event(Event { id, kind, data, metadata });
            self.count += 1;
        }
        Ok(self.count)
    }

    /// How many events there are.
    #[handler]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The events after a cursor, from the beginning if none is given, about `limit` of them: events
    /// that were appended together come together.
    #[handler]
    pub async fn read(
        &self,
        ctx: &Context,
        #[arg(default)] after: u64,
        #[arg(default = 100)] limit: usize,
    ) -> Result<Page> {
        let log = ctx.object::<Self>(ctx.key().id());
        let head = log.peek().await?.map_or(Seq::ZERO, |now| now.seq);
        let mut page = Page { events: Vec::new(), next: after, more: false };
        if head <= Seq::new(after) {
            return Ok(page);
        }
        let mut changes = log.changes(After::Seq(Seq::new(after))).await?;
        while changes.seq() < head && page.events.len() < limit.clamp(1, EVENTS_MAX) {
            match changes.next().await {
                Some(update) => page.add(&update?)?,
                None => return Err(Error::unavailable("the node is stopping; nothing was changed; read again")),
            }
        }
        page.next = changes.seq().number();
        page.more = changes.seq() < head;
        Ok(page)
    }
}

impl Page {
    fn add(&mut self, update: &Update) -> Result<()> {
        let Some(change) = update.change() else {
            let seq = update.seq().number();
            let detail = "the events after this cursor are no longer kept, for the stream was deleted since";
            return Err(Error::new(Code::NotFound, detail).with_data(json!({"next": seq})));
        };
        let (cursor, at) = (change.seq.number(), change.at);
        self.events.extend(change.events.into_iter().map(|event| Appended { cursor, at, event }));
        Ok(())
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream has {} events, not {}; nothing was appended", self.count, self.expected)
    }
}

impl From<Moved> for Error {
    fn from(moved: Moved) -> Self {
        Self::rejected(moved.to_string()).with_data(json!(moved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(n: u64) -> NewEvent {
        NewEvent { kind: "Numbered".into(), data: json!({"n": n}), metadata: None, id: None }
    }

    async fn running() -> Result<Abide> {
        Abide::open("memory:").register::<Stream>().start().await
    }

    fn numbers(page: &Page) -> Vec<u64> {
        page.events.iter().filter_map(|appended| appended.event.data["n"].as_u64()).collect()
    }

    #[tokio::test]
    async fn a_reader_gets_every_event_once_and_in_order_however_it_pages() -> Result<()> {
        let abide = running().await?;
        let orders = abide.object::<Stream>("orders");
        for n in 0..50 {
            orders.append(vec![event(2 * n), event(2 * n + 1)], None).await?;
        }
        for limit in [1, 2, 7, 100, 5000] {
            let (mut read, mut after) = (Vec::new(), 0);
            loop {
                let page = orders.read(after, limit).await?;
                read.extend(numbers(&page));
                after = page.next;
                if !page.more {
                    break;
                }
            }
            assert_eq!(read, (0..100).collect::<Vec<_>>(), "limit {limit}");
        }
        Ok(())
    }

    #[tokio::test]
    async fn reading_at_or_past_the_end_gives_an_empty_page() -> Result<()> {
        let abide = running().await?;
        let orders = abide.object::<Stream>("orders");
        assert_eq!(orders.read(0, 10).await?, Page { events: Vec::new(), next: 0, more: false });
        orders.append(vec![event(1)], None).await?;
        assert_eq!(orders.read(1, 10).await?, Page { events: Vec::new(), next: 1, more: false });
        assert_eq!(orders.read(99, 10).await?, Page { events: Vec::new(), next: 99, more: false });
        Ok(())
    }

    #[tokio::test]
    async fn of_two_writers_with_the_same_expectation_one_is_refused() -> Result<()> {
        let abide = running().await?;
        let orders = abide.object::<Stream>("orders");
        assert_eq!(orders.append(vec![event(1)], Some(0)).await?, 1);
        let refusal = orders.append(vec![event(2)], Some(0)).await.unwrap_err();
        assert_eq!(refusal.rejection::<Moved>(), Some(Moved { expected: 0, count: 1 }));
        assert_eq!(orders.count().await?, 1);
        Ok(())
    }

    #[tokio::test]
    async fn a_cursor_from_before_a_deletion_is_told_where_to_go_on() -> Result<()> {
        let abide = running().await?;
        let orders = abide.object::<Stream>("orders");
        orders.append(vec![event(1)], None).await?;
        orders.delete().await?;
        orders.append(vec![event(2)], None).await?;
        let refusal = orders.read(0, 10).await.unwrap_err();
        assert_eq!(refusal.code(), Code::NotFound);
        assert!(refusal.data().is_some_and(|data| data["next"].is_u64()), "{refusal:?}");
        Ok(())
    }
}
