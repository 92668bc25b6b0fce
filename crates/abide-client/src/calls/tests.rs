use abide_core::{Kind, Result, frame::Call};

use super::*;

fn limits(calls: u64) -> Limits {
    Limits { frame_bytes: 1 << 20, calls, watches: 1, timeout_ms: 0 }
}

struct Waiting(oneshot::Receiver<Answer>);

impl Waiting {
    fn answer(&mut self) -> Option<Result<(Json, Seq)>> {
        self.0.try_recv().ok()
    }

    fn error(&mut self) -> Error {
        self.answer().expect("there is an answer").expect_err("it is an error")
    }
}

fn call(n: u64) -> ClientFrame {
    let kind = Kind::new("Counter").unwrap();
    let (id, handler) = ("a".to_owned(), "increment".to_owned());
    ClientFrame::Call(Call { n, kind, id, handler, args: Json::null(), key: None, timeout_ms: None })
}

fn keyed() -> Repeat {
    Repeat::Keyed(Some("k".into()))
}

fn add(calls: &mut Calls, n: u64, repeat: Repeat, deadline: Instant) -> Waiting {
    let (sink, answer) = oneshot::channel();
    calls.add(NewCall { n, frame: call(n), repeat, deadline, sink });
    Waiting(answer)
}

fn frame(n: u64, code: Code, maybe_applied: bool) -> ErrorFrame {
    let retryable = code.retryable();
    let (n, detail) = (Some(n), "no".into());
    ErrorFrame { n, present: false, code, detail, retryable, maybe_applied, retry_after_ms: None, data: None }
}

fn sent(calls: &mut Calls, now: Instant) -> Option<u64> {
    let text = calls.next(&limits(256), now)?;
    ClientFrame::parse(&text, 1 << 20).unwrap().n()
}

fn soon() -> (Instant, Instant) {
    let now = Instant::now();
    (now, now + Duration::from_secs(10))
}

#[test]
fn a_keyed_call_is_sent_again_on_the_next_connection_and_answered_once() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut first = add(&mut calls, 1, keyed(), deadline);
    let mut second = add(&mut calls, 2, Repeat::Freely, deadline);
    assert_eq!((sent(&mut calls, now), sent(&mut calls, now), sent(&mut calls, now)), (Some(1), Some(2), None));
    calls.answer(2, Json::null(), Seq::new(3));
    calls.lost();
    assert_eq!((sent(&mut calls, now), sent(&mut calls, now)), (Some(1), None));
    calls.answer(1, Json::null(), Seq::new(4));
    assert_eq!(first.answer(), Some(Ok((Json::null(), Seq::new(4)))));
    assert_eq!(second.answer(), Some(Ok((Json::null(), Seq::new(3)))));
    assert!(!calls.in_flight() && calls.wakes_at().is_none());
}

#[test]
fn a_call_without_a_key_fails_with_the_connection_unless_it_was_not_sent() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut first = add(&mut calls, 1, Repeat::Never, deadline);
    assert_eq!(sent(&mut calls, now), Some(1));
    let mut second = add(&mut calls, 2, Repeat::Never, deadline);
    calls.lost();
    let error = first.error();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Unavailable, true));
    assert_eq!(second.answer(), None);
    assert_eq!(sent(&mut calls, now), Some(2));
}

#[test]
fn no_more_calls_fly_than_the_server_takes() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let _waiting: Vec<_> = (1..=3).map(|n| add(&mut calls, n, keyed(), deadline)).collect();
    assert!(calls.next(&limits(2), now).is_some() && calls.next(&limits(2), now).is_some());
    assert!(!calls.any_ready(2) && calls.next(&limits(2), now).is_none());
    calls.answer(1, Json::null(), Seq::ZERO);
    assert!(calls.any_ready(2) && calls.next(&limits(2), now).is_some());
}

#[test]
fn what_waits_is_bounded_and_what_is_too_long_is_not_sent() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut waiting: Vec<_> = (0..=CALLS_MAX as u64).map(|n| add(&mut calls, n, keyed(), deadline)).collect();
    let last = waiting.last_mut().unwrap().error();
    assert_eq!((last.code(), last.is_maybe_applied()), (Code::Overloaded, false));
    assert_eq!(calls.next(&Limits { frame_bytes: 10, ..limits(256) }, now), None);
    assert_eq!(waiting[0].error().code(), Code::TooLarge);
}

#[test]
fn a_busy_server_is_asked_again_until_the_deadline_and_never_before_it_said() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut call = add(&mut calls, 1, keyed(), deadline);
    assert_eq!(sent(&mut calls, now), Some(1));
    let busy = ErrorFrame { retry_after_ms: Some(2000), ..frame(1, Code::Overloaded, false) };
    assert!(calls.fail(&busy, now, 0));
    calls.tick(now + Duration::from_millis(1999), None);
    assert_eq!(sent(&mut calls, now), None);
    let later = now + Duration::from_secs(2);
    calls.tick(later, None);
    assert_eq!(sent(&mut calls, later), Some(1));
    let late = ErrorFrame { retry_after_ms: Some(9000), ..frame(1, Code::Unavailable, true) };
    assert!(calls.fail(&late, later, 0));
    let error = call.error();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Unavailable, true));
}

#[test]
fn a_handler_that_refuses_a_key_proves_that_no_earlier_try_took_effect() {
    let (now, deadline) = soon();
    for (repeat, maybe) in [(keyed(), false), (Repeat::Freely, true)] {
        let mut calls = Calls::default();
        let mut call = add(&mut calls, 1, repeat, deadline);
        assert_eq!(sent(&mut calls, now), Some(1));
        calls.lost();
        assert_eq!(sent(&mut calls, now), Some(1));
        assert!(calls.fail(&frame(1, Code::Rejected, false), now, 0));
        let error = call.error();
        assert_eq!((error.code(), error.is_maybe_applied()), (Code::Rejected, maybe));
    }
}

#[test]
fn whatever_else_is_refused_after_an_earlier_try_says_nothing_about_that() {
    let (now, deadline) = soon();
    for code in Code::ALL {
        let mut calls = Calls::default();
        let mut call = add(&mut calls, 1, keyed(), deadline);
        assert_eq!(sent(&mut calls, now), Some(1));
        calls.lost();
        assert_eq!(sent(&mut calls, now), Some(1));
        let refused = ErrorFrame { retry_after_ms: Some(60_000), ..frame(1, code, false) };
        assert!(calls.fail(&refused, now, 0));
        let error = call.error();
        assert_eq!((error.code(), error.is_maybe_applied()), (code, code != Code::Rejected));
    }
    // A handler that refuses, and does not know what became of what it asked for itself.
    let mut calls = Calls::default();
    let mut call = add(&mut calls, 1, keyed(), deadline);
    assert_eq!(sent(&mut calls, now), Some(1));
    assert!(calls.fail(&frame(1, Code::Rejected, true), now, 0));
    assert!(call.error().is_maybe_applied());
}

#[test]
fn what_the_next_server_finds_too_long_may_have_taken_effect_on_the_last() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut call = add(&mut calls, 1, keyed(), deadline);
    assert_eq!(sent(&mut calls, now), Some(1));
    calls.lost();
    assert_eq!(calls.next(&Limits { frame_bytes: 10, ..limits(256) }, now), None);
    let error = call.error();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::TooLarge, true));
    assert!(error.detail().contains("not sent again"), "{error}");
}

#[test]
fn a_call_is_not_sent_again_with_the_key_of_another_caller() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut doubtful = add(&mut calls, 1, keyed(), deadline);
    let mut reads = add(&mut calls, 2, Repeat::Freely, deadline);
    assert_eq!((sent(&mut calls, now), sent(&mut calls, now)), (Some(1), Some(2)));
    let mut waits = add(&mut calls, 3, keyed(), deadline);
    calls.lost();
    calls.change_caller();
    let error = doubtful.error();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Unavailable, true));
    assert_eq!((sent(&mut calls, now), sent(&mut calls, now), sent(&mut calls, now)), (Some(2), Some(3), None));
    assert_eq!((reads.answer(), waits.answer()), (None, None));
}

#[test]
fn the_deadline_says_whether_the_call_may_have_taken_effect() {
    let (now, deadline) = soon();
    let after = deadline + GRACE;
    for send in [false, true] {
        let mut calls = Calls::default();
        let mut call = add(&mut calls, 1, keyed(), deadline);
        assert_eq!(calls.wakes_at(), Some(after));
        if send {
            assert_eq!(sent(&mut calls, now), Some(1));
        }
        assert!(calls.tick(deadline, None).is_empty());
        let told = calls.tick(after, Some(&Error::unavailable("nobody is there")));
        assert_eq!(told, if send { vec![ClientFrame::Cancel { n: 1 }] } else { Vec::new() });
        let error = call.error();
        assert_eq!((error.code(), error.is_maybe_applied()), (Code::Deadline, send));
        assert!(error.detail().contains("nobody is there"));
        assert!(calls.wakes_at().is_none() && !calls.in_flight());
    }
}

#[test]
fn a_call_that_waits_longer_than_the_server_lets_it_is_sent_again_when_the_servers_time_is_up() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut call = add(&mut calls, 1, keyed(), deadline);
    for (at, timeout_ms) in [(0, 4000), (4100, 4000), (8300, 1700)] {
        let now = now + Duration::from_millis(at);
        calls.tick(now, None);
        let text = calls.next(&Limits { timeout_ms: 4000, ..limits(256) }, now).expect("it is sent");
        let ClientFrame::Call(frame) = ClientFrame::parse(&text, 1 << 20).unwrap() else { panic!("{text}") };
        assert_eq!(frame.timeout_ms, Some(timeout_ms));
        assert!(calls.fail(&self::frame(1, Code::Deadline, true), now + Duration::from_secs(4), 511));
    }
    let error = call.error();
    assert_eq!((error.code(), error.is_maybe_applied()), (Code::Deadline, true));
}

#[test]
fn a_deadline_inside_a_handler_is_its_own_answer() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    let mut call = add(&mut calls, 1, keyed(), deadline);
    assert_eq!(sent(&mut calls, now), Some(1));
    assert!(calls.fail(&frame(1, Code::Deadline, false), now, 0));
    assert_eq!(call.error().code(), Code::Deadline);
}

#[test]
fn a_call_that_nobody_waits_for_is_forgotten_and_cancelled() {
    let (now, deadline) = soon();
    let mut calls = Calls::default();
    drop(add(&mut calls, 1, keyed(), deadline));
    drop(add(&mut calls, 2, keyed(), deadline));
    assert_eq!(sent(&mut calls, now), Some(1));
    assert_eq!(calls.sweep(), vec![ClientFrame::Cancel { n: 1 }]);
    assert_eq!((sent(&mut calls, now), calls.in_flight()), (None, false));
}

#[test]
fn pauses_grow_to_a_limit_and_chance_takes_off_at_most_half() {
    for attempts in [0, 3, 31, u32::MAX] {
        let full = pause(attempts, 0);
        assert!(full <= PAUSE_MAX && pause(attempts, 511) >= full / 2 && pause(attempts, 511) < full);
    }
    assert_eq!((pause(0, 0), pause(u32::MAX, 0)), (PAUSE_FIRST, PAUSE_MAX));
}
