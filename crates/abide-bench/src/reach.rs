//! What is to be reached at least, and whether it was: the aims of the stores and of the front door.

use anyhow::{Context, ensure};

use crate::{
    plan::Plan,
    report::{Field, Section, Spread, number},
};

/// The name under which all scenarios with aims are run.
pub(crate) const REACH: &str = "reach";

/// A thousandth of a second, in microseconds.
const MILLI: f64 = 1_000.0;
/// 300 MB, in MiB.
const STORE_MOVE_MIB: f64 = 300e6 / 1_048_576.0;

/// One aim: which figure of which scenario is judged, and by what.
struct Goal {
    what: &'static str,
    scenario: &'static str,
    /// The label of the row, which is the first cell of it.
    row: &'static str,
    measured: Figure,
    /// What it stands beside, unless that is the aim itself.
    limit: Option<Figure>,
    /// What is compared with the aim.
    judged: Figure,
    aim: Aim,
}

/// A column, and which percentile of it if it has some.
type Figure = (&'static str, Option<&'static str>);

#[derive(Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

/// All aims, in the order in which they are shown.
const GOALS: [Goal; 20] = [
    ratio("PostgreSQL, of bare UNNEST batches", "postgres", "256", "abide/s", "bare/s", "of bare", 0.5),
    ratio(
        "PostgreSQL, of pgbench, one object a transaction",
        "postgres",
        "256",
        "abide/s",
        "pgbench/s",
        "of pgbench",
        2.0,
    ),
    ratio("Redis, of HSET + PUBLISH", "redis", "256", "abide/s", "HSET + PUBLISH/s", "of both", 0.5),
    ratio("Redis, of a script by hand for the same", "redis", "256", "abide/s", "script/s", "of the script", 0.5),
    moved("copy SQLite → PostgreSQL, objects/s", "SQLite → PostgreSQL"),
    moved("backup of SQLite, objects/s", "SQLite → file"),
    moved("restore to PostgreSQL, objects/s", "file → PostgreSQL"),
    moved("restore to SQLite, objects/s", "file → SQLite"),
    light("copy SQLite → PostgreSQL, peak MiB", "SQLite → PostgreSQL"),
    light("backup of SQLite, peak MiB", "SQLite → file"),
    light("restore to PostgreSQL, peak MiB", "file → PostgreSQL"),
    transfers("transfers of plain calls, 64 callers", "64"),
    transfers("transfers of plain calls, 256 callers", "256"),
    frames("WebSocket calls of an echo, pipelined", "WebSocket, 16 under way each"),
    frames("WebSocket calls of an echo, one at a time", "WebSocket, 1 under way each"),
    frames("gRPC unary calls of an echo", "gRPC unary"),
    watchers("10,000 idle watchers of one object, bytes each", "one object"),
    watchers("10,000 idle watchers of an object each, bytes each", "an object each"),
    Goal {
        what: "a change to 1,000 WebSocket watchers, p99 in µs",
        scenario: "fanout",
        row: "WebSocket (bare: events)",
        measured: ("abide p50/p99 µs", Some("p99")),
        limit: None,
        judged: ("abide p50/p99 µs", Some("p99")),
        aim: Aim::AtMost(50.0 * MILLI),
    },
    Goal {
        what: "the TypeScript client, bytes gzipped",
        scenario: "bundle",
        row: "@abide/client",
        measured: ("bytes gzipped", None),
        limit: None,
        judged: ("bytes gzipped", None),
        aim: Aim::AtMost(8_192.0),
    },
];

const fn ratio(
    what: &'static str,
    scenario: &'static str,
    row: &'static str,
    measured: &'static str,
    limit: &'static str,
    judged: &'static str,
    least: f64,
) -> Goal {
    let (measured, limit, judged) = ((measured, None), Some((limit, None)), (judged, None));
    Goal { what, scenario, row, measured, limit, judged, aim: Aim::AtLeast(least) }
}

const fn moved(what: &'static str, row: &'static str) -> Goal {
    let rate = ("objects/s", None);
    Goal { what, scenario: "moving", row, measured: rate, limit: None, judged: rate, aim: Aim::AtLeast(50_000.0) }
}

const fn light(what: &'static str, row: &'static str) -> Goal {
    let peak = ("peak MiB", None);
    Goal { what, scenario: "moving", row, measured: peak, limit: None, judged: peak, aim: Aim::AtMost(STORE_MOVE_MIB) }
}

const fn transfers(what: &'static str, row: &'static str) -> Goal {
    ratio(what, "transfers", row, "transfers/s", "plain/s", "of plain", 1.0 / 3.0)
}

const fn frames(what: &'static str, row: &'static str) -> Goal {
    ratio(what, "frames", row, "abide/s", "echo/s", "of echo", 0.6)
}

const fn watchers(what: &'static str, row: &'static str) -> Goal {
    let bytes = ("bytes each", None);
    Goal { what, scenario: "watchers", row, measured: bytes, limit: None, judged: bytes, aim: Aim::AtMost(20_000.0) }
}

/// Whether a scenario has something to reach.
pub(crate) fn has_aims(scenario: &str) -> bool {
    GOALS.iter().any(|goal| goal.scenario == scenario)
}

/// What was reached, of the aims that the scenarios which ran have. `None` if they have none.
pub(crate) fn judged(sections: &[Section], all: bool) -> Option<Section> {
    let title = "what is to be reached at least, and whether it was, as far as it was measured in this run";
    let columns = ["what", "measured", "limit", "ratio", "aim", "reached"];
    let mut section = Section::new(REACH, title, &columns);
    let mut any = false;
    for goal in &GOALS {
        let found = sections.iter().find(|section| section.name() == goal.scenario);
        if found.is_some() || all {
            section.row(goal.row(found));
            any = true;
        }
    }
    any.then_some(section)
}

impl Goal {
    fn row(&self, section: Option<&Section>) -> Vec<Field> {
        let figure = |(column, part): Figure| section?.figure(self.row, column, part);
        let shown = |value: Option<f64>| Field::label(value.map_or_else(|| "–".into(), plain));
        let judged = figure(self.judged);
        let reached = match judged.map(|judged| self.aim.reached(judged)) {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "not measured",
        };
        vec![
            Field::label(self.what),
            shown(figure(self.measured)),
            shown(self.limit.and_then(figure)),
            shown(judged.map(|judged| self.aim.ratio(judged, self.limit.is_some()))),
            Field::label(self.aim.text()),
            Field::label(reached),
        ]
    }
}

impl Aim {
    fn reached(self, judged: f64) -> bool {
        match self {
            Self::AtLeast(least) => judged >= least,
            Self::AtMost(most) => judged <= most,
        }
    }

    /// How it stands to its limit, or, if it has none, to the aim.
    fn ratio(self, judged: f64, limited: bool) -> f64 {
        match self {
            _ if limited => judged,
            Self::AtLeast(aim) | Self::AtMost(aim) => judged / aim,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", plain(least)),
            Self::AtMost(most) => format!("≤ {}", plain(most)),
        }
    }
}

/// Small numbers with two digits, larger ones with none.
fn plain(value: f64) -> String {
    number(value, if value < 100.0 { 2 } else { 0 })
}

/// How large the TypeScript client is: its own test builds and weighs it.
pub(crate) fn bundle(plan: &Plan) -> anyhow::Result<Section> {
    const SAYS: &str = "@abide/client: ";
    plan.expect(1);
    plan.step("bundle: the TypeScript client");
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients/typescript");
    let mut npm = std::process::Command::new("npm");
    npm.args(["run", "test", "--", "test/size.test.ts"]).current_dir(client);
    let output = npm.output().context("npm cannot be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = text.lines().find_map(|line| line.split(SAYS).nth(1)?.split(' ').next()?.parse::<f64>().ok());
    ensure!(
        bytes.is_some(),
        "the client was not weighed; `npm ci` at the top of the repository may be missing: {text}"
    );
    let mut section = Section::new("bundle", "the TypeScript client, minified", &["what", "bytes gzipped"]);
    section.row([Field::label("@abide/client"), Field::count(Spread::of(bytes))]);
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::SCENARIOS;

    #[test]
    fn every_aim_is_one_of_a_scenario() {
        for goal in &GOALS {
            assert!(SCENARIOS.contains(&goal.scenario), "{}", goal.scenario);
        }
    }

    #[test]
    fn an_aim_is_judged_by_the_figure_of_its_row() {
        let mut watchers = Section::new("watchers", "", &["watchers of", "at once", "bytes each"]);
        for (name, bytes) in [("one object", 19_000.0), ("an object each", 21_000.0)] {
            watchers.row([Field::label(name), Field::label("10,000"), Field::count(Spread::of([bytes]))]);
        }
        let rows = judged(&[watchers], false).expect("watchers have aims").json();
        let reached: Vec<_> = rows["rows"].as_array().unwrap().iter().map(|row| row["reached"].clone()).collect();
        assert_eq!(reached, ["yes", "NO"]);
    }

    #[test]
    fn what_was_not_measured_is_not_reached() {
        let all = judged(&[], true).expect("there are aims").json();
        let rows = all["rows"].as_array().unwrap();
        assert_eq!(rows.len(), GOALS.len());
        assert!(rows.iter().all(|row| row["reached"] == "not measured"));
        assert!(judged(&[], false).is_none());
    }

    #[test]
    fn a_percentile_is_found_in_its_column() {
        let mut fanout = Section::new("fanout", "", &["watchers", "abide p50/p99 µs"]);
        let mut rounds = crate::report::Rounds::default();
        let mut latency = crate::load::Latency::new();
        latency.note(std::time::Duration::from_millis(60));
        rounds.push(latency.over(std::time::Duration::from_secs(1)));
        fanout.row([Field::label("WebSocket (bare: events)"), rounds.latency(0)]);
        let rows = judged(&[fanout], false).expect("it has an aim").json();
        assert_eq!(rows["rows"][0]["reached"], "NO");
    }
}
