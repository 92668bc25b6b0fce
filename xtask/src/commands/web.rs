//! The web step of `cargo xtask test`: the TypeScript client, the pages and the inspector, checked, built and used
//! in a browser.

use super::test::{Counting, Plan};
use crate::command_line::CommandLine;
use crate::summary::Runner;
use crate::{metadata, programs, services};

/// The first version of Node.js that runs all of it.
const NODE_MAJOR: u32 = 20;

/// Names under which Chromium is installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Where built files are committed, and what builds them.
const BUILT: [(&[&str], &[&str]); 2] = [
    (
        &["examples/chat/web/dist", "examples/tic-tac-toe/web/dist", "examples/arena/web/dist"],
        &["npm", "run", "build", "--workspace", "abide-examples"],
    ),
    (&["crates/abide-server/src/inspector/built"], &["npm", "run", "build", "--prefix", "inspector"]),
];

/// What of it is on this machine.
struct Tools {
    node: Option<u32>,
    npm: bool,
    browser: bool,
}

/// Everything that needs Node.js, which is installed if it is not there and can be. Without a browser, its
/// tests alone are left out.
pub(crate) fn plan(ci: bool) -> anyhow::Result<Plan> {
    let mut tools = Tools::here();
    let packages = tools.packages();
    if !packages.is_empty() {
        services::install(&packages)?;
        tools = Tools::here();
    }
    if tools.runs_node() {
        programs::built("abide")?;
    }
    let inspector = metadata::workspace_root().join("inspector/package.json").is_file();
    Ok(plan_with(&tools, inspector, ci))
}

fn plan_with(tools: &Tools, inspector: bool, ci: bool) -> Plan {
    match tools.lack() {
        Some(lack) if ci => return Plan::Failed(lack),
        Some(lack) if !tools.runs_node() => return Plan::NotRun(lack),
        Some(lack) => println!("the browser tests are not run: {lack}"),
        None => {}
    }
    Plan::Run(commands(tools.browser, inspector), Counting::SummaryOrWhole(Runner::Vitest))
}

fn commands(browser: bool, inspector: bool) -> Vec<CommandLine> {
    let npm = |args: &[&str]| CommandLine::new("npm").args(args);
    let mut all = vec![npm(&["ci"]), npm(&["run", "check"])];
    if inspector {
        all.extend([&["ci"][..], &["run", "check"], &["test"]].map(|what| npm(what).args(["--prefix", "inspector"])));
    }
    for (folders, build) in BUILT.iter().take(1 + usize::from(inspector)) {
        let check = CommandLine::new("node").args(["tests/harness/built.mjs"]);
        all.push(check.args(*folders).args(["--"]).args(*build));
    }
    all.push(npm(&["test", "--workspace", "@abide/client"]));
    if browser {
        all.push(npm(&["test", "--workspace", "abide-browser-tests"]));
    }
    all
}

impl Tools {
    fn here() -> Self {
        let version = CommandLine::new("node").args(["--version"]).output();
        let major = |text: &str| text.trim().trim_start_matches('v').split('.').next()?.parse().ok();
        let named = std::env::var_os("ABIDE_CHROMIUM").is_some_and(|file| std::path::Path::new(&file).is_file());
        Self {
            node: version.as_deref().and_then(major),
            npm: there("npm"),
            browser: named || BROWSERS.into_iter().any(there),
        }
    }

    fn runs_node(&self) -> bool {
        self.npm && self.node.is_some_and(|major| major >= NODE_MAJOR)
    }

    /// The packages, on Debian and its relatives, that have what is not here.
    fn packages(&self) -> Vec<&'static str> {
        let missing = [("nodejs", self.node.is_some()), ("npm", self.npm), ("chromium", self.browser)];
        missing.into_iter().filter(|(_, is_here)| !is_here).map(|(package, _)| package).collect()
    }

    /// What is not here, in a sentence.
    fn lack(&self) -> Option<String> {
        let mut lacks = Vec::new();
        match self.node {
            None => lacks.push("Node.js".to_owned()),
            Some(major) if major < NODE_MAJOR => lacks.push(format!("Node.js {NODE_MAJOR} (there is {major})")),
            Some(_) => {}
        }
        lacks.extend((!self.npm).then(|| "npm".to_owned()));
        lacks.extend((!self.browser).then(|| "Chromium (on Debian: `apt-get install chromium`)".to_owned()));
        (!lacks.is_empty()).then(|| format!("not here and not installable from here: {}", lacks.join(", ")))
    }
}

fn there(program: &str) -> bool {
    CommandLine::new(program).args(["--version"]).succeeds_silently()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(tools: &Tools, ci: bool) -> String {
        match plan_with(tools, true, ci) {
            Plan::Run(commands, _) => Vec::from_iter(commands.iter().map(ToString::to_string)).join("\n"),
            Plan::NotRun(why) => format!("not run: {why}"),
            Plan::Failed(why) => format!("failed: {why}"),
        }
    }

    #[test]
    fn with_everything_there_all_of_it_runs() {
        let all = shown(&Tools { node: Some(22), npm: true, browser: true }, true);
        for part in
            ["npm ci", "npm run check", "tests/harness/built.mjs examples/chat", "abide-browser-tests", "inspector"]
        {
            assert!(all.contains(part), "{part}: {all}");
        }
    }

    #[test]
    fn without_a_browser_the_rest_runs_but_in_ci_it_fails() {
        let tools = Tools { node: Some(20), npm: true, browser: false };
        let some = shown(&tools, false);
        assert!(some.contains("@abide/client") && !some.contains("abide-browser-tests"), "{some}");
        assert!(shown(&tools, true).starts_with("failed: not here"));
    }

    #[test]
    fn an_old_node_is_named() {
        let tools = Tools { node: Some(18), npm: true, browser: true };
        assert_eq!(shown(&tools, false), "not run: not here and not installable from here: Node.js 20 (there is 18)");
    }
}
