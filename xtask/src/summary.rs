//! Reads from what test runners print how many tests passed and failed, and which failed.

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed, timed out or could not be started.
    pub(crate) failed: u64,
}

impl Counts {
    /// One test, for a command that counts as a whole.
    pub(crate) fn one(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed) }
    }

    /// The sum of what was found; `None` only if nothing was.
    pub(crate) fn sum(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(Self { passed: a.passed + b.passed, failed: a.failed + b.failed }),
            (one, None) | (None, one) => one,
        }
    }
}

/// Whose summary to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `Summary [ 0.1s] 3 tests run: 2 passed (1 slow), 1 failed, 0 skipped`
    Nextest,
    /// `test result: ok. 5 passed; 0 failed; 0 ignored; …`, once a program
    Libtest,
    /// `Tests  1 failed | 11 passed (12)`, once a project
    Vitest,
    /// `5 passed, 0 failed` alone on a line
    Plain,
}

impl Runner {
    /// The counts in `line`, if it is this runner's summary.
    pub(crate) fn parse(self, line: &str) -> Option<Counts> {
        let line = without_colour(line);
        let line = line.trim();
        match self {
            Self::Nextest => {
                let rest = line.strip_prefix("Summary [")?;
                let (_, list) = rest.split_once(" run: ")?;
                counts(&without_parentheses(list), ',')
            }
            Self::Libtest => {
                let rest = line.strip_prefix("test result: ")?;
                let (_, list) = rest.split_once(". ")?;
                counts(list, ';')
            }
            Self::Vitest => {
                let list = line.strip_prefix("Tests  ")?;
                counts(&without_parentheses(list), '|')
            }
            Self::Plain => {
                let (passed, failed) = line.split_once(", ")?;
                Some(Counts {
                    passed: passed.strip_suffix(" passed")?.parse().ok()?,
                    failed: failed.strip_suffix(" failed")?.parse().ok()?,
                })
            }
        }
    }

    /// If `line` tells of a failure: how many lines after it tell more.
    fn lines_of_failure(self, line: &str) -> Option<usize> {
        let starts = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
        let is_name = match self {
            Self::Nextest => starts(&["FAIL [", "TIMEOUT [", "SIG", "TRY ", "FLAKY "]),
            Self::Libtest => line.starts_with("test ") && line.ends_with("FAILED"),
            Self::Vitest => line.contains("(retry x"),
            Self::Plain => starts(&["failed ", "FAILED"]),
        };
        let tells_more = line.contains("panicked at ") || (self == Self::Vitest && starts(&["FAIL "]));
        match (is_name, tells_more) {
            (_, true) => Some(4),
            (true, false) => Some(0),
            (false, false) => None,
        }
    }
}

/// What a run printed that counts at its end, when its own output is far above.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The sum of the summaries; `None` if there was none.
    pub(crate) counts: Option<Counts>,
    /// Which tests failed or passed only at a second try, and what they said first: at most `REMARKS_MAX` lines.
    pub(crate) remarks: Vec<String>,
    /// How many of the next lines belong to the remark before them.
    following: usize,
}

/// How many lines of a run are shown again.
const REMARKS_MAX: usize = 60;

/// How many bytes of such a line.
const REMARK_MAX: usize = 300;

impl Report {
    /// Of a command that counts as one test and said nothing else.
    pub(crate) fn one(passed: bool) -> Self {
        Self { counts: Some(Counts::one(passed)), ..Self::default() }
    }

    /// Looks at one more line that `runner` printed.
    pub(crate) fn read(&mut self, runner: Runner, line: &str) {
        self.counts = Counts::sum(self.counts, runner.parse(line));
        let line = without_colour(line);
        let line = line.trim();
        match runner.lines_of_failure(line) {
            Some(following) => self.following = following,
            None if self.following > 0 => self.following -= 1,
            None => return,
        }
        self.remark(line);
    }

    /// Adds what another output of the same run said.
    pub(crate) fn add(&mut self, other: &Self) {
        self.counts = Counts::sum(self.counts, other.counts);
        other.remarks.iter().for_each(|line| self.remark(line));
    }

    /// Runners say some lines twice: where it happened and at the end.
    fn remark(&mut self, line: &str) {
        let shown = &line[..line.floor_char_boundary(REMARK_MAX)];
        let is_new = !shown.is_empty() && self.remarks.iter().all(|remark| remark != shown);
        if is_new && self.remarks.len() < REMARKS_MAX {
            self.remarks.push(shown.to_owned());
        }
    }
}

/// Adds up a list such as `2 passed, 1 timed out, 3 skipped`.
fn counts(list: &str, separator: char) -> Option<Counts> {
    let mut found = None;
    for entry in list.split(separator) {
        let Some((number, what)) = entry.trim().split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse() else {
            continue;
        };
        let one = match what.trim() {
            "passed" => Counts { passed: number, failed: 0 },
            "failed" | "timed out" | "exec failed" => Counts { passed: 0, failed: number },
            _ => continue,
        };
        found = Counts::sum(found, Some(one));
    }
    found
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_u32;
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// Drops terminal colours: `ESC [ … letter`.
fn without_colour(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runner: Runner, line: &str, passed: u64, failed: u64) {
        assert_eq!(runner.parse(line), Some(Counts { passed, failed }), "{line}");
    }

    #[test]
    fn nextest_summaries_are_read() {
        let nextest = Runner::Nextest;
        check(nextest, "     Summary [   0.007s] 3 tests run: 3 passed, 0 skipped\n", 3, 0);
        check(
            nextest,
            "     Summary [   3.0s] 9 tests run: 6 passed (1 slow, 2 leaky), 1 failed, 1 timed out, 1 exec failed, 4 skipped",
            6,
            3,
        );
        check(nextest, "     Summary [   3.0s] 2/5 tests run: 0 passed, 2 failed, 0 skipped", 0, 2);
    }

    #[test]
    fn a_coloured_summary_is_read_like_a_plain_one() {
        check(
            Runner::Nextest,
            "\u{1b}[32;1m     Summary\u{1b}[0m [   0.007s] \u{1b}[1m3\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m1\u{1b}[0m \u{1b}[31;1mfailed\u{1b}[0m, 0 skipped",
            2,
            1,
        );
    }

    #[test]
    fn vitest_summaries_are_read_and_its_counts_of_files_are_not() {
        check(Runner::Vitest, "      Tests  19 passed (19)", 19, 0);
        check(Runner::Vitest, "      Tests  1 failed | 11 passed | 2 skipped (14)", 11, 1);
        assert_eq!(Runner::Vitest.parse(" Test Files  3 passed (3)"), None);
    }

    #[test]
    fn libtest_summaries_are_read() {
        let libtest = Runner::Libtest;
        check(
            libtest,
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            5,
            0,
        );
        check(
            libtest,
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 3.00s",
            2,
            1,
        );
    }

    #[test]
    fn a_plain_summary_stands_alone_on_its_line() {
        check(Runner::Plain, "2000 passed, 0 failed\n", 2000, 0);
        for line in ["so far 3 passed, 0 failed", "3 passed, 0 failed, 1 skipped", "passed, failed"] {
            assert_eq!(Runner::Plain.parse(line), None, "{line}");
        }
    }

    #[test]
    fn other_lines_are_no_summary() {
        for line in ["", "running 3 tests", "test a_summary_is_read ... ok", "test result: unknown"] {
            for runner in [Runner::Nextest, Runner::Libtest, Runner::Plain] {
                assert_eq!(runner.parse(line), None, "{line}");
            }
        }
    }

    fn report(runner: Runner, text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.read(runner, line));
        report
    }

    #[test]
    fn failed_tests_are_named_once_with_what_they_said_first() {
        let text = "        PASS [   0.1s] (1/3) core good\n        FAIL [   0.2s] (2/3) core bad\n\
            thread 'bad' panicked at core/src/a.rs:7:5:\nleft is not right\n\n\
            \u{1b}[31;1m  TIMEOUT\u{1b}[0m [  60.0s] (3/3) core slow\n        FAIL [   0.2s] (2/3) core bad\n\
            Summary [ 1.0s] 3 tests run: 1 passed, 1 failed, 1 timed out, 0 skipped";
        let Report { counts, remarks, .. } = report(Runner::Nextest, text);
        assert_eq!(counts, Some(Counts { passed: 1, failed: 2 }));
        let expected = [
            "FAIL [   0.2s] (2/3) core bad",
            "thread 'bad' panicked at core/src/a.rs:7:5:",
            "left is not right",
            "TIMEOUT [  60.0s] (3/3) core slow",
        ];
        assert_eq!(remarks, expected);
    }

    #[test]
    fn a_test_that_passed_at_its_second_try_is_named() {
        let flaky = report(Runner::Nextest, "   FLAKY 2/2 [   0.013s] core sometimes\n");
        assert_eq!(flaky.remarks, ["FLAKY 2/2 [   0.013s] core sometimes"]);
        let flaky = report(Runner::Vitest, " ✓ sometimes 12ms (retry x1)\n ✓ always 3ms\n");
        assert_eq!(flaky.remarks, ["✓ sometimes 12ms (retry x1)"]);
    }

    #[test]
    fn a_failure_in_a_browser_is_told_with_its_reason() {
        let text = "  FAIL  chat.test.ts > two tabs talk\nError: no line came\n at chat.test.ts:7";
        let remarks = report(Runner::Vitest, text).remarks;
        assert_eq!(remarks, ["FAIL  chat.test.ts > two tabs talk", "Error: no line came", "at chat.test.ts:7"]);
    }

    #[test]
    fn remarks_have_a_limit_in_lines_and_in_bytes() {
        let text: String = (0..1000).map(|n| format!("FAIL [ {n}s] {}\n", "ä".repeat(1000))).collect();
        let remarks = report(Runner::Nextest, &text).remarks;
        assert_eq!(remarks.len(), REMARKS_MAX);
        assert!(remarks.iter().all(|line| line.len() <= REMARK_MAX));
    }

    #[test]
    fn sums_keep_what_one_side_lacks() {
        let three = Some(Counts { passed: 2, failed: 1 });
        assert_eq!(Counts::sum(three, None), three);
        assert_eq!(Counts::sum(None, three), three);
        assert_eq!(Counts::sum(None, None), None);
        assert_eq!(Counts::sum(three, three), Some(Counts { passed: 4, failed: 2 }));
    }
}
