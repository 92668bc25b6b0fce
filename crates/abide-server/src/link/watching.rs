//! One watch of a connection: the state, then whatever happens to the object.

use std::sync::Arc;

use abide_core::{ChangeRecord, Error, Json, Key, Seq};
use abide_node::{After, Beginning, Broadcast, Changes, News, Update};
use futures_util::{Stream, stream};

use super::text;
use crate::reads::{Reads, Turn};

/// A watch that has been asked for, or is under way.
pub(crate) struct Watching {
    n: u64,
    key: Key,
    /// Who watches: it does not hear itself.
    me: Arc<str>,
    presence: bool,
    /// Turns to read states.
    reads: Reads,
    stage: Stage,
}

enum Stage {
    Asked(Box<Beginning>, Option<Seq>),
    /// The state was sent; who is present is not.
    Arriving(Changes),
    Under(Changes),
    Over,
}

/// What a watch has to say. It is written only when there is room for it.
pub(crate) enum Told {
    /// The state, which has its turn until it is taken.
    Snapshot(Seq, Option<Json>, Option<Turn>),
    /// The state after a gap, which has its turn as well.
    Reset(&'static str, Seq, Option<Json>, Option<Turn>),
    Change(Arc<ChangeRecord>),
    Broadcast(Key, Arc<Broadcast>),
    Presence(Arc<(Arc<str>, Option<Json>)>),
    Members(Vec<(Arc<str>, Json)>),
    /// It has ended by this error.
    Failed(Error),
}

impl Watching {
    /// A watch under this number, which reads states when it is its turn. Its client is one of the object's watchers
    /// from now on.
    pub(crate) fn new(n: u64, key: Key, beginning: Beginning, after: Option<Seq>, reads: &Reads) -> Self {
        let stage = Stage::Asked(Box::new(beginning), after);
        Self { n, key, me: "".into(), presence: false, reads: reads.clone(), stage }
    }

    /// The same, for this client, and with those who are present if it asks for them.
    pub(crate) fn of(self, me: Arc<str>, presence: bool) -> Self {
        Self { me, presence, ..self }
    }

    /// All it has to say, until it fails or the node stops.
    pub(crate) fn into_stream(self) -> impl Stream<Item = (u64, Told)> + Send {
        stream::unfold(self, |mut watching| async move {
            let told = watching.next().await?;
            Some(((watching.n, told), watching))
        })
    }

    async fn next(&mut self) -> Option<Told> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => return None,
                // What happens once has its memory for itself, and gives it back.
                Stage::Asked(beginning, after) => match Box::pin(self.begin(*beginning, after)).await {
                    Ok(Some(told)) => return Some(told),
                    Ok(None) => {}
                    Err(error) => return Some(Told::Failed(error)),
                },
                Stage::Arriving(changes) => {
                    let members = changes.members().into_iter().collect();
                    self.stage = Stage::Under(changes);
                    if self.presence {
                        return Some(Told::Members(members));
                    }
                }
                Stage::Under(mut changes) => {
                    let news = self.reads.news(&mut changes).await?;
                    match news {
                        Err(error) => return Some(Told::Failed(error)),
                        Ok((news, turn)) => {
                            self.stage = Stage::Under(changes);
                            if let Some(told) = self.tell(news, turn) {
                                return Some(told);
                            }
                        }
                    }
                }
            }
        }
    }

    async fn begin(&mut self, beginning: Beginning, after: Option<Seq>) -> Result<Option<Told>, Error> {
        match after {
            Some(seq) => {
                let changes = beginning.after(After::Seq(seq)).await?;
                self.stage = Stage::Arriving(changes);
                Ok(None)
            }
            None => {
                let turn = self.reads.turn().await?;
                let (state, changes) = beginning.state().await?;
                let seq = changes.seq();
                self.stage = Stage::Arriving(changes);
                Ok(Some(Told::Snapshot(seq, state, Some(turn))))
            }
        }
    }

    fn tell(&self, news: News, turn: Option<Turn>) -> Option<Told> {
        match news {
            News::Update(Update::Change(change)) => Some(Told::Change(change)),
            News::Update(Update::Reset { reason, seq, state }) => Some(Told::Reset(reason.as_str(), seq, state, turn)),
            News::Broadcast(broadcast) => {
                let mine = broadcast.from.as_ref().is_some_and(|from| *from == self.me);
                (!mine).then(|| Told::Broadcast(self.key.clone(), broadcast))
            }
            News::Presence(member) => self.presence.then_some(Told::Presence(member)),
            News::Members(members) => self.presence.then(|| Told::Members(members.into_iter().collect())),
        }
    }
}

impl Told {
    /// Its turn, for whoever holds it for longer.
    pub(crate) fn turn(&mut self) -> Option<Turn> {
        match self {
            Self::Snapshot(.., turn) | Self::Reset(.., turn) => turn.take(),
            Self::Change(_) | Self::Broadcast(..) | Self::Presence(_) | Self::Members(_) | Self::Failed(_) => None,
        }
    }

    /// The frame that says it.
    pub(crate) fn text(&self, n: u64) -> String {
        match self {
            Self::Snapshot(seq, state, _) => text::snapshot(n, *seq, state.as_ref()),
            Self::Reset(reason, seq, state, _) => text::reset(n, reason, *seq, state.as_ref()),
            Self::Change(change) => text::change(n, change),
            Self::Broadcast(key, broadcast) => text::broadcast(n, key, broadcast),
            Self::Presence(member) => text::presence(n, false, [(&*member.0, member.1.as_ref())]),
            Self::Members(members) => {
                text::presence(n, true, members.iter().map(|(client, data)| (&**client, Some(data))))
            }
            Self::Failed(error) => text::error(Some(n), error),
        }
    }
}
