use abide_core::frame::{Presence, Reset, Snapshot};

use super::*;
use crate::shelf::{Take, shelf};

struct Reader {
    news: Take,
    begun: oneshot::Receiver<Result<Seq>>,
}

impl Reader {
    fn seqs(&mut self) -> Vec<u64> {
        let mut seqs = Vec::new();
        while let Some(Ok(news)) = self.news.try_next() {
            seqs.extend(match news {
                News::Change(change) => Some(change.seq.number()),
                News::Snapshot { seq, .. } | News::Reset { seq, .. } => Some(seq.number()),
                News::Broadcast { .. } | News::Presence { .. } => None,
            });
        }
        seqs
    }
}

/// A watch with number 1 and room for so much, whose first number on the wire is 10.
fn begin(start: Start, room: usize) -> (Watches, Reader) {
    let mut watches = Watches::default();
    let (sink, news) = shelf(room, 1 << 20);
    let (begun, at) = oneshot::channel();
    let kind = Kind::new("Counter").unwrap();
    watches.add(NewWatch { n: 1, kind, id: "a".into(), start, presence: true, sink, begun });
    assert!(asked(&mut watches, 10).is_some());
    (watches, Reader { news, begun: at })
}

/// What is asked for next.
fn asked(watches: &mut Watches, n: u64) -> Option<frame::Watch> {
    let text = watches.next(|| n)?;
    match ClientFrame::parse(&text, 1 << 20).unwrap() {
        ClientFrame::Watch(watch) => Some(watch),
        other => panic!("{other:?} is no watch"),
    }
}

fn change(watches: &mut Watches, n: u64, seq: u64) -> Option<ClientFrame> {
    let json = format!(r#"{{"seq":{seq},"at":"2026-01-02T03:04:05.678Z","patch":{{"count":{seq}}}}}"#);
    watches.change(n, Json::parse(&json).unwrap())
}

fn snapshot(n: u64, seq: u64) -> Snapshot {
    Snapshot { n, seq: Seq::new(seq), state: Json::null() }
}

#[test]
fn a_watch_begins_anew_where_the_client_is_another_tenants() {
    for start in [Start::State, Start::Now, Start::After(Seq::new(4))] {
        let (mut watches, mut reader) = begin(start, 8);
        if start != Start::After(Seq::new(4)) {
            watches.snapshot(snapshot(10, 4));
        }
        change(&mut watches, 10, 5);
        while reader.news.try_next().is_some() {}
        watches.lost();
        watches.change_tenant();
        assert_eq!(asked(&mut watches, 11).unwrap().after, None, "{start:?}");
        watches.snapshot(snapshot(11, 2));
        assert!(matches!(reader.news.try_next(), Some(Ok(News::Reset { seq, .. })) if seq == Seq::new(2)), "{start:?}");
        change(&mut watches, 11, 3);
        assert_eq!(reader.seqs(), [3], "{start:?}");
    }
}

#[test]
fn a_watch_goes_on_after_the_last_change_that_came() {
    let (mut watches, mut reader) = begin(Start::State, 8);
    assert_eq!(watches.snapshot(snapshot(10, 4)), None);
    assert_eq!((change(&mut watches, 10, 5), change(&mut watches, 10, 6)), (None, None));
    watches.lost();
    let again = asked(&mut watches, 11).unwrap();
    assert_eq!((again.n, again.after), (11, Some(Seq::new(6))));
    // What the old connection still had to say does not count, nor does what is known.
    assert_eq!((change(&mut watches, 10, 7), change(&mut watches, 11, 6)), (None, None));
    assert_eq!(change(&mut watches, 11, 7), None);
    let reset = Reset { n: 11, reason: ResetReason::Trimmed, seq: Seq::new(40), state: Json::null() };
    assert_eq!(watches.reset(reset), None);
    assert_eq!(change(&mut watches, 11, 41), None);
    assert_eq!(reader.seqs(), [4, 5, 6, 7, 40, 41]);
}

#[test]
fn a_gap_is_not_handed_out_but_asked_for() {
    let (mut watches, mut reader) = begin(Start::After(Seq::new(2)), 8);
    assert_eq!(change(&mut watches, 10, 4), Some(ClientFrame::Unwatch { n: 10 }));
    assert_eq!(asked(&mut watches, 11).unwrap().after, Some(Seq::new(2)));
    assert_eq!((change(&mut watches, 11, 3), change(&mut watches, 11, 4)), (None, None));
    assert_eq!(reader.seqs(), [3, 4]);
}

#[test]
fn a_slow_reader_gets_the_rest_when_it_has_caught_up() {
    let (mut watches, mut reader) = begin(Start::After(Seq::ZERO), 4);
    for seq in 1..=4 {
        assert_eq!(change(&mut watches, 10, seq), None);
    }
    assert_eq!(change(&mut watches, 10, 5), Some(ClientFrame::Unwatch { n: 10 }));
    assert_eq!((watches.sweep(), watches.any_ready(), watches.any_paused()), (Vec::new(), false, true));
    assert_eq!(reader.seqs(), [1, 2, 3, 4]);
    assert_eq!((watches.sweep(), watches.any_paused()), (Vec::new(), false));
    assert_eq!(asked(&mut watches, 11).unwrap().after, Some(Seq::new(4)));
    assert_eq!(change(&mut watches, 11, 5), None);
    assert_eq!(reader.seqs(), [5]);
}

#[test]
fn a_watch_from_now_on_says_where_it_begins_and_hands_out_no_state() {
    let (mut watches, mut reader) = begin(Start::Now, 4);
    assert!(reader.begun.try_recv().is_err());
    assert_eq!(watches.snapshot(snapshot(10, 7)), None);
    assert_eq!(reader.begun.try_recv().unwrap(), Ok(Seq::new(7)));
    assert_eq!(change(&mut watches, 10, 8), None);
    assert_eq!(reader.seqs(), [8]);
}

fn refusal(n: u64, code: Code) -> ErrorFrame {
    ErrorFrame::new(Some(n), &Error::new(code, "no"))
}

#[test]
fn a_watch_that_is_refused_ends_and_one_that_may_go_well_is_asked_for_again() {
    let now = Instant::now();
    let (mut watches, mut reader) = begin(Start::State, 4);
    assert_eq!(watches.fail(&refusal(10, Code::Unavailable), now, 0), Some(ClientFrame::Unwatch { n: 10 }));
    assert!(!watches.any_ready());
    assert!(watches.tick(watches.wakes_at().unwrap()).is_empty());
    assert!(asked(&mut watches, 11).is_some());
    assert_eq!(watches.fail(&refusal(11, Code::Denied), now, 0), Some(ClientFrame::Unwatch { n: 11 }));
    assert_eq!(reader.news.try_next().unwrap().unwrap_err().code(), Code::Denied);
    assert!(reader.news.try_next().is_none());
    watches.lost();
    assert!(asked(&mut watches, 12).is_none());
}

#[test]
fn pauses_of_a_watch_grow_until_the_object_is_heard_of() {
    let now = Instant::now();
    let (mut watches, _reader) = begin(Start::State, 8);
    let wait = |watches: &mut Watches, n| {
        watches.fail(&refusal(n, Code::Unavailable), now, 0);
        let at = watches.wakes_at().unwrap();
        watches.tick(at);
        assert!(asked(watches, n + 1).is_some());
        at - now
    };
    let first = wait(&mut watches, 10);
    watches.presence(Presence { n: 11, whole: true, members: BTreeMap::new() });
    let second = wait(&mut watches, 11);
    assert!(second > first, "{second:?} after {first:?}");
    assert_eq!(watches.snapshot(snapshot(12, 3)), None);
    assert_eq!(wait(&mut watches, 12), first);
}

#[test]
fn who_is_not_shown_watches_on_and_is_shown_when_that_may_go_well() {
    let now = Instant::now();
    let (mut watches, mut reader) = begin(Start::State, 8);
    let ada = Json::parse(r#"{"name":"Ada"}"#).unwrap();
    let shown = |data: &Json| ClientFrame::Present(frame::Present { n: 10, data: data.clone() });
    assert_eq!(watches.snapshot(snapshot(10, 4)), None);
    watches.presence(Presence { n: 10, whole: true, members: BTreeMap::new() });
    assert_eq!(watches.present(1, Some(ada.clone())), Some(shown(&ada)));
    let no = |code| ErrorFrame::of_present(10, &Error::new(code, "no"));
    watches.not_shown(&no(Code::TooLarge), now, 0);
    assert_eq!(watches.wakes_at(), None);
    // It is asked once however often it was refused, and less and less often.
    watches.not_shown(&no(Code::Overloaded), now, 0);
    watches.not_shown(&no(Code::Overloaded), now, 0);
    let first = watches.wakes_at().unwrap();
    assert_eq!((watches.tick(first), watches.wakes_at()), (vec![shown(&ada)], None));
    watches.not_shown(&no(Code::Overloaded), first, 0);
    let second = watches.wakes_at().unwrap();
    assert!(second - first > first - now);
    assert_eq!(watches.present(1, None), Some(shown(&Json::null())));
    assert_eq!(watches.tick(second), [shown(&Json::null())]);
    assert_eq!((change(&mut watches, 10, 5), watches.any_ready()), (None, false));
    assert_eq!(reader.seqs(), [4, 5]);
}

#[test]
fn what_is_shown_waits_until_it_cannot_be_lost_and_is_shown_again() {
    let (mut watches, _reader) = begin(Start::State, 8);
    let ada = Json::parse(r#"{"name":"Ada"}"#).unwrap();
    assert_eq!(watches.present(1, Some(ada.clone())), None);
    let whole = |n| Presence { n, whole: true, members: BTreeMap::new() };
    let shown = |n| ClientFrame::Present(frame::Present { n, data: ada.clone() });
    assert_eq!(watches.presence(whole(10)), [shown(10)]);
    assert!(watches.presence(whole(10)).is_empty());
    watches.lost();
    assert!(asked(&mut watches, 11).is_some());
    assert_eq!(watches.presence(whole(11)), [shown(11)]);
}

#[test]
fn a_watch_that_was_dropped_is_ended() {
    let (mut watches, reader) = begin(Start::State, 8);
    drop(reader);
    assert_eq!(watches.sweep(), [ClientFrame::Unwatch { n: 10 }]);
    assert_eq!((watches.sweep(), watches.remove(1)), (Vec::new(), None));
}
