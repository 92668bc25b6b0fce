use std::{ops::Range, sync::Arc};

use abide_core::{
    Epoch, FeedPosition, Json, Key, Namespace, Seq, Shard, Store, StoreError, Timestamp,
    port::{
        BoxFuture,
        store::{
            AlarmCursor, AlarmsPage, AlarmsQuery, ChangesPage, Commit, Committed, Export, FeedPage, KindIndexes,
            ListPage, ListQuery, Loaded, MessageId, OutboxPage, Outcome, Row, Status,
        },
    },
};
use futures_util::future::{join_all, select_all};
use tokio::sync::Mutex;

use super::{
    away::{Away, reachable},
    export::chained,
    import::{self, Sorted},
    merge::{alarms, all, list, messages, named, sum},
};

/// One store in several databases, each with a range of its shards.
pub struct SplitStore {
    held: Arc<[Held]>,
    shards: u32,
    /// The import that is under way in this process.
    importing: Arc<Mutex<Option<Sorted>>>,
}

/// A database, and which shards it holds.
pub(super) struct Held {
    /// How it is called in messages.
    pub(super) name: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) range: Range<u32>,
    pub(super) away: Away,
}

type Answered<T> = BoxFuture<'static, Result<T, StoreError>>;

/// Commits, each with its place in the batch.
type Placed = (Vec<usize>, Vec<Commit>);

/// Answers of one database, and where they belong in the batch.
type Asked = (usize, Vec<usize>, BoxFuture<'static, Result<Vec<Committed>, StoreError>>);

impl SplitStore {
    /// Databases in the order of their ranges, which cover all shards.
    pub(super) fn of(held: Vec<Held>, shards: u32) -> Self {
        Self { held: held.into(), shards, importing: Arc::default() }
    }

    fn part(&self, shard: Shard) -> usize {
        part(&self.held, shard)
    }

    fn of_shard(&self, shard: Shard) -> &Held {
        &self.held[self.part(shard)]
    }

    fn of_key(&self, key: &Key) -> &Held {
        self.of_shard(key.shard(self.shards))
    }

    /// The commits of each database, each with its place in the batch.
    fn sorted(&self, batch: Vec<Commit>) -> Result<Vec<Placed>, StoreError> {
        let groups = batch.chunk_by(|one, next| one.group.is_some() && one.group == next.group);
        let mut numbers = Vec::with_capacity(batch.len());
        for (number, group) in (0..).zip(groups) {
            let mut parts = group.iter().map(|commit| self.part(commit.shard));
            let first = parts.next();
            if parts.any(|part| Some(part) != first) {
                return Err(StoreError::Unsupported(format!(
                    "{} and others of its transaction are in different databases, which do not commit together: send \
                     messages between them instead",
                    group[0].key
                )));
            }
            // Groups that stood apart in the batch may come to stand side by side.
            numbers.extend(group.iter().map(|commit| commit.group.map(|_| number)));
        }
        let mut sorted: Vec<Placed> = self.held.iter().map(|_| Default::default()).collect();
        for (place, (commit, group)) in batch.into_iter().zip(numbers).enumerate() {
            let (places, commits) = &mut sorted[self.part(commit.shard)];
            places.push(place);
            commits.push(Commit { group, ..commit });
        }
        Ok(sorted)
    }
}

/// Which database holds a shard.
pub(super) fn part(held: &[Held], shard: Shard) -> usize {
    let number = shard.number();
    held.partition_point(|held| held.range.end <= number).min(held.len() - 1)
}

/// Puts the answers of several databases together. Where one of them could not take its commits, those of
/// the others stand.
async fn answers(held: &[Held], commits: usize, asked: Vec<Asked>) -> Result<Vec<Committed>, StoreError> {
    let alone = asked.len() == 1;
    let answered = join_all(asked.into_iter().map(async |(part, places, asked)| (part, places, asked.await))).await;
    let mut whole = vec![Committed::Unavailable; commits];
    for (part, places, answer) in answered {
        match answer {
            Ok(answers) => places.into_iter().zip(answers).for_each(|(place, answer)| whole[place] = answer),
            // The others' commits are made, or not, whatever this one's trouble is.
            Err(error) if !alone && !matches!(error, StoreError::Unknown(_)) => {
                tracing::warn!(database = held[part].name, %error, "a part of a batch was not committed");
            }
            Err(error) => return Err(named(&held[part].name, error)),
        }
    }
    Ok(whole)
}

/// What is asked of a database that is not away: to take messages out.
type Acknowledging = (usize, Vec<MessageId>, Option<Answered<Vec<MessageId>>>);

/// Gives back the messages that are still there.
async fn acknowledged(held: &[Held], asked: Vec<Acknowledging>) -> Result<Vec<MessageId>, StoreError> {
    let answer = async |(part, messages, asked): Acknowledging| {
        let answer: Option<Result<_, StoreError>> = match asked {
            Some(asked) => Some(asked.await),
            None => None,
        };
        (&held[part], messages, answer)
    };
    let mut left = Vec::new();
    for (held, messages, answer) in join_all(asked.into_iter().map(answer)).await {
        match answer {
            Some(Ok(there)) => left.extend(there),
            Some(Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::Unknown(_)))) => {
                if matches!(error, StoreError::Unavailable(_)) {
                    held.away.begin(&held.store);
                }
                tracing::warn!(database = held.name, %error, "delivered messages stay in the outbox for now");
                left.extend(messages);
            }
            Some(Err(error)) => return Err(named(&held.name, error)),
            None => left.extend(messages),
        }
    }
    Ok(left)
}

fn refused<T: Send + 'static>(error: StoreError) -> Answered<T> {
    Box::pin(std::future::ready(Err(error)))
}

impl Store for SplitStore {
    fn name(&self) -> &'static str {
        "split"
    }

    fn shards(&self) -> u32 {
        self.shards
    }

    fn groups(&self) -> bool {
        self.held.iter().all(|held| held.store.groups())
    }

    fn together(&self, shards: &[Shard]) -> bool {
        let mut parts = shards.iter().map(|shard| self.part(*shard));
        let Some(first) = parts.next() else { return true };
        parts.all(|part| part == first) && self.held[first].store.together(shards)
    }

    fn needs_index(&self) -> bool {
        self.held.iter().any(|held| held.store.needs_index())
    }

    fn claim(&self) -> BoxFuture<'_, Result<Vec<Epoch>, StoreError>> {
        Box::pin(async {
            let claims =
                self.held.iter().map(async |held| held.store.claim().await.map_err(|error| named(&held.name, error)));
            let claimed = futures_util::future::try_join_all(claims).await?;
            import::settle(&self.held).await?;
            let of_part = |(held, epochs): (&Held, Vec<Epoch>)| {
                let range = held.range.start as usize..held.range.end as usize;
                epochs.get(range).map(<[Epoch]>::to_vec).unwrap_or_default()
            };
            Ok(self.held.iter().zip(claimed).flat_map(of_part).collect())
        })
    }

    fn load(&self, key: &Key) -> Answered<Option<Loaded>> {
        self.of_key(key).store.load(key)
    }

    fn commit(&self, batch: Vec<Commit>) -> Answered<Vec<Committed>> {
        let commits = batch.len();
        let sorted = match self.sorted(batch) {
            Ok(sorted) => sorted,
            Err(error) => return refused(error),
        };
        let sorted = sorted.into_iter().enumerate().filter(|(_, (places, _))| !places.is_empty());
        let ask = |(part, (places, commits)): (usize, _)| (part, places, self.held[part].store.commit(commits));
        // All are asked now, so that batches keep their order in each database.
        let asked: Vec<Asked> = sorted.map(ask).collect();
        let held = Arc::clone(&self.held);
        Box::pin(async move { answers(&held, commits, asked).await })
    }

    fn acknowledge(&self, messages: Vec<MessageId>) -> Answered<Vec<MessageId>> {
        let mut sorted: Vec<Vec<MessageId>> = self.held.iter().map(|_| Vec::new()).collect();
        for message in messages {
            sorted[self.part(message.sender.shard(self.shards))].push(message);
        }
        let sorted = sorted.into_iter().enumerate().filter(|(_, messages)| !messages.is_empty());
        let ask = |(part, messages): (usize, Vec<MessageId>)| {
            let held = &self.held[part];
            let asked = (!held.away.is_so()).then(|| held.store.acknowledge(messages.clone()));
            (part, messages, asked)
        };
        let asked: Vec<_> = sorted.map(ask).collect();
        let held = Arc::clone(&self.held);
        Box::pin(async move { acknowledged(&held, asked).await })
    }

    fn changes(&self, key: &Key, after: Seq, limit: usize) -> Answered<ChangesPage> {
        self.of_key(key).store.changes(key, after, limit)
    }

    fn snapshot(&self, key: &Key, at: Seq) -> Answered<Option<(Seq, Json)>> {
        self.of_key(key).store.snapshot(key, at)
    }

    fn feed(&self, shard: Option<Shard>, after: FeedPosition, limit: usize) -> Answered<FeedPage> {
        match shard {
            Some(shard) => self.of_shard(shard).store.feed(Some(shard), after, limit),
            None => refused(StoreError::Unsupported(
                "a store in several databases has a feed for each shard and none over all: name a shard".into(),
            )),
        }
    }

    fn feed_moved(&self, shard: Option<Shard>) -> BoxFuture<'static, ()> {
        match shard {
            Some(shard) => self.of_shard(shard).store.feed_moved(Some(shard)),
            None => {
                let any = select_all(self.held.iter().map(|held| held.store.feed_moved(None)));
                Box::pin(async move { drop(any.await) })
            }
        }
    }

    fn feed_heads(&self) -> Answered<Vec<(Shard, FeedPosition)>> {
        let held = Arc::clone(&self.held);
        Box::pin(async move { Ok(all(&held, |held| held.store.feed_heads()).await?.concat()) })
    }

    fn due_alarms(&self, until: Timestamp, after: Option<AlarmCursor>, limit: usize) -> Answered<AlarmsPage> {
        let held = Arc::clone(&self.held);
        Box::pin(async move {
            let ask = |held: &Held| held.store.due_alarms(until, after.clone(), limit);
            let (pages, partial) = reachable(&held, ask).await?;
            Ok(alarms(pages, limit, partial))
        })
    }

    fn alarms(&self, query: AlarmsQuery) -> Answered<AlarmsPage> {
        if let Some(key) = &query.key {
            return self.of_key(key).store.alarms(query);
        }
        let held = Arc::clone(&self.held);
        Box::pin(async move {
            let pages = all(&held, |held| held.store.alarms(query.clone())).await?;
            Ok(alarms(pages, query.limit, false))
        })
    }

    fn outbox(&self, after: Option<MessageId>, limit: usize) -> Answered<OutboxPage> {
        let held = Arc::clone(&self.held);
        Box::pin(async move {
            // What is sent by an object is in one database: of each sender, what is in the page follows one
            // another, whichever database is away.
            let (pages, partial) = reachable(&held, |held| held.store.outbox(after.clone(), limit)).await?;
            Ok(messages(pages, limit, partial))
        })
    }

    fn outcome(&self, key: &Key, caller: &str, call_key: &str, now: Timestamp) -> Answered<Option<Outcome>> {
        self.of_key(key).store.outcome(key, caller, call_key, now)
    }

    fn received(&self, key: &Key, sender: &Key) -> Answered<u64> {
        self.of_key(key).store.received(key, sender)
    }

    fn list(&self, query: ListQuery) -> Answered<ListPage> {
        Box::pin(list(Arc::clone(&self.held), query))
    }

    fn namespaces(&self, after: Option<Namespace>, limit: usize) -> Answered<Vec<Namespace>> {
        let held = Arc::clone(&self.held);
        Box::pin(async move {
            let mut pages = all(&held, |held| held.store.namespaces(after.clone(), limit)).await?.concat();
            pages.sort();
            pages.dedup();
            pages.truncate(limit);
            Ok(pages)
        })
    }

    fn index(&self, wanted: Vec<KindIndexes>) -> Answered<()> {
        let held = Arc::clone(&self.held);
        Box::pin(async move { all(&held, |held| held.store.index(wanted.clone())).await.map(drop) })
    }

    fn clean(&self, now: Timestamp, limit: usize) -> Answered<u64> {
        let held = Arc::clone(&self.held);
        Box::pin(async move {
            let mut removed = 0;
            for held in held.iter() {
                let left = limit.saturating_sub(usize::try_from(removed).unwrap_or(usize::MAX));
                if left == 0 {
                    break;
                }
                removed += held.store.clean(now, left).await.map_err(|error| named(&held.name, error))?;
            }
            Ok(removed)
        })
    }

    fn status(&self) -> Answered<Status> {
        let (held, name) = (Arc::clone(&self.held), self.name());
        Box::pin(async move {
            let mut status = sum(name, all(&held, |held| held.store.status()).await?);
            if let Some(importing) = &mut status.importing {
                importing.rows = import::progress(&held).await?.map_or(0, |progress| progress.rows);
            }
            Ok(status)
        })
    }

    fn export(&self) -> Answered<Box<dyn Export>> {
        let (held, shards) = (Arc::clone(&self.held), self.shards);
        Box::pin(async move {
            // Each is of a later moment than those before it.
            let mut exports = Vec::with_capacity(held.len());
            for held in held.iter() {
                exports.push(held.store.export().await.map_err(|error| named(&held.name, error))?);
            }
            let of = move |key: &Key| part(&held, key.shard(shards));
            Ok(Box::new(chained(exports, of)) as Box<dyn Export>)
        })
    }

    fn import_begin(&self, source: String, replace: bool) -> Answered<u64> {
        let (held, importing) = (Arc::clone(&self.held), Arc::clone(&self.importing));
        Box::pin(async move { import::begin(&held, &importing, source, replace).await })
    }

    fn import(&self, from: u64, rows: Vec<Row>) -> Answered<()> {
        let (held, shards, importing) = (Arc::clone(&self.held), self.shards, Arc::clone(&self.importing));
        Box::pin(async move { import::take(&held, shards, &importing, from, rows).await })
    }

    fn import_done(&self, rows: u64) -> Answered<()> {
        let (held, importing) = (Arc::clone(&self.held), Arc::clone(&self.importing));
        Box::pin(async move { import::done(&held, &importing, rows).await })
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        let closing: Vec<_> = self.held.iter().map(|held| held.store.close()).collect();
        Box::pin(async move { drop(join_all(closing).await) })
    }

    fn verify(&self, limit: usize) -> Answered<Vec<String>> {
        let held = Arc::clone(&self.held);
        Box::pin(async move {
            let mut faults = Vec::new();
            for (held, found) in held.iter().zip(all(&held, |held| held.store.verify(limit)).await?) {
                faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", held.name)));
                let heads = held.store.feed_heads().await?;
                let strays = heads.iter().filter(|(shard, _)| !held.range.contains(&shard.number()));
                faults.extend(strays.map(|(shard, _)| format!("{}: shard {shard} is not its own", held.name)));
            }
            faults.truncate(limit);
            Ok(faults)
        })
    }
}
