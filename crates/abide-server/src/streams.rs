//! Streams to callers: each lasts for as long as it is known who is calling and something is taken of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use abide_core::{Code, Error, duration::format_duration};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use crate::{Caller, reads::Turn, shared::Shared, standing::Standing};

/// What `items` has to say, until it ends, its caller is not known any more, or takes nothing for
/// `write_timeout`: then `last` says why. One item waits for the caller, one more for that place, and the rest
/// is not asked for. An item that is a state has its turn until it is taken.
pub(crate) fn lasting<T: Send + 'static, S: Stream<Item = (T, Option<Turn>)> + Send + 'static>(
    shared: &Arc<Shared>,
    caller: &Caller,
    items: S,
    last: fn(&Error) -> T,
) -> impl Stream<Item = T> + Send + use<T, S> {
    let (items_in, items_out) = mpsc::channel(1);
    let cut = Arc::new(AtomicBool::new(false));
    let (patience, closing) = (shared.limits.write_timeout, shared.closing.clone());
    let (standing, cuts) = (Standing::new(shared, caller), cut.clone());
    shared.tasks.spawn(async move {
        let mut items = std::pin::pin!(items);
        let mut over = std::pin::pin!(standing.over());
        loop {
            let (item, ends) = tokio::select! {
                biased;
                error = over.as_mut() => ((last(&error), None), true),
                () = items_in.closed() => return,
                item = items.next() => match item {
                    Some(item) => (item, false),
                    None => return,
                },
            };
            tokio::select! {
                sent = items_in.send(item) => if ends || sent.is_err() {
                    return;
                },
                () = tokio::time::sleep(patience) => return cuts.store(true, Ordering::Release),
                () = closing.cancelled() => return,
            }
        }
    });
    let out = stream::unfold((items_out, None), |(mut items, turn)| async move {
        // Whoever asks for the next has taken the one before.
        drop::<Option<Turn>>(turn);
        let (item, turn) = items.recv().await?;
        Some((item, (items, turn)))
    });
    let farewell = stream::once(async move { cut.load(Ordering::Acquire) }).filter_map(move |cut| async move {
        cut.then(|| {
            let time = format_duration(patience);
            let detail = format!("nothing was taken of this stream for {time}; go on after the last that you have");
            last(&Error::new(Code::Unavailable, detail))
        })
    });
    out.chain(farewell)
}
