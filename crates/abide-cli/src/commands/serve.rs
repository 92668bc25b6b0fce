use std::{ffi::OsString, io::IsTerminal, path::PathBuf};

use abide::{
    Abide,
    server::{Door, ServerOptions, install_metrics},
};
use clap::Args;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, Flags},
    demo,
    failure::{Failure, Outcome},
    session::Session,
    web,
};

/// Run a node with the demo objects, on embedded SQLite or on the PostgreSQL or Redis that you name.
///
/// Settings come from abide.toml, then from ABIDE_… in the environment, then from these flags.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The file to read instead of abide.toml.
    #[arg(long, value_name = "FILE", env = "ABIDE_CONFIG")]
    config: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:7070]; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The store: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, redis://HOST:PORT or memory:
    /// [default: sqlite:data/abide.db]. A password is safer in ABIDE_STORE: others see flags.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    store: Option<String>,
    /// The folder of the default store, made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What to log: error, warn, info, debug, or for example warn,abide_node=debug.
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl Serve {
    /// Starts the node and serves until it is told to stop.
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let Self { config, listen, store, data, log } = self;
        let flags = Flags { config, listen, store, data, log };
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let config = Config::load(&flags, std::env::vars_os().filter_map(text))?;
        start_log(&config.log)?;
        let metrics = install_metrics();
        // The port first: if it is taken, no store is made or opened.
        let options = options(&config, metrics)?;
        let keys = options.auth.as_ref().is_some_and(|auth| auth.keys.is_some());
        let door = Door::bind(options).await.map_err(explain)?;
        let abide = start(&config).await?;
        let server = door.open(abide.node().clone()).extra_routes(web::routes());
        banner(session, &config, &server.url(), keys)?;
        Ok(server.run_until_signal().await?)
    }
}

async fn start(config: &Config) -> Outcome<Abide> {
    let limits = &config.limits;
    let builder = demo::register(Abide::open(&config.store)).configure(|options| {
        options.metered = true;
        options.mailbox = limits.mailbox;
        options.objects_max = limits.objects;
        options.memory_max = limits.memory;
        options.call_timeout = limits.call_timeout;
        options.drain_timeout = limits.server.drain_timeout;
    });
    Ok(builder.start().await?)
}

fn options(config: &Config, metrics: abide::server::PrometheusHandle) -> Outcome<ServerOptions> {
    let mut options = ServerOptions::on(&config.listen);
    let limits = &mut options.limits;
    limits.clone_from(&config.limits.server);
    limits.decompressed_bytes = limits.decompressed_bytes.max(limits.body_bytes);
    options.hosts.clone_from(&config.hosts);
    options.origins.clone_from(&config.origins);
    options.metrics = Some(metrics);
    config.security.apply(&mut options)?;
    Ok(options)
}

/// An address that is refused is bad usage; one that is taken is not.
fn explain(error: abide::Error) -> Failure {
    match error.code() {
        abide::Code::BadRequest => Failure::usage(error.detail()),
        _ => Failure::from(error).hint("--listen names another address, for example --listen 127.0.0.1:0"),
    }
}

/// Text on a terminal, JSON otherwise; always on standard error.
fn start_log(filter: &str) -> Outcome {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::usage(format!("the log filter {filter:?} cannot be read: {error}"))
            .hint("write error, warn, info, debug, or for example warn,abide_node=debug")
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match std::io::stderr().is_terminal() {
        true => log.with_ansi(console::colors_enabled_stderr()).with_target(false).try_init(),
        false => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Failure::new("log", error.to_string()))
}

/// How this program was called, so that what is shown can be copied.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    let is_installed = !called.contains(std::path::MAIN_SEPARATOR);
    if is_installed || called.is_empty() { "abide".into() } else { called }
}

fn banner(session: &Session, config: &Config, url: &str, keys: bool) -> Outcome {
    let output = &session.output;
    let store = abide::store::shown(&config.store);
    if output.is_json() {
        return output.value(&json!({"url": url, "store": store, "pid": std::process::id()}));
    }
    let (name, version) = (output.bold("abide"), env!("CARGO_PKG_VERSION"));
    let program = program();
    let at = if url == "http://127.0.0.1:7070" { String::new() } else { format!(" --url {url}") };
    let kept = if config.store == "memory:" { "nothing is kept" } else { "what was answered is kept" };
    let link = |path: &str| output.cyan(format!("{url}{path}"));
    output.line(format!(
        "
  {name} {version} on {store}

  look      {page}
  inspect   {inspector}
  chat      {chat}
  play      {tic_tac_toe}  {arena}
  API       {openapi}
  metrics   {metrics}

  {try_it}
  curl {url}/v1/objects/Counter/visits/increment --json '{{\"amount\": 5}}'
  curl {url}/v1/objects/Counter/visits
  curl -N {url}/v1/objects/Counter/visits/changes -H 'Accept: text/event-stream'
  {program} call Counter visits increment amount=5{at}
  {program} kinds{at}
{known}
  {stop}
",
        page = link("/"),
        inspector = link("/inspector/"),
        chat = link("/chat/"),
        tic_tac_toe = link("/tic-tac-toe/"),
        arena = link("/arena/"),
        openapi = link("/openapi.json"),
        metrics = link("/metrics"),
        known = match keys {
            true => {
                let make = format!("{program} keys new --subject NAME --role ROLE");
                format!(
                    "\n  {}\n  {make}\n",
                    output.dim("callers show a key, in ABIDE_TOKEN or as `Authorization: Bearer KEY`:")
                )
            }
            false => String::new(),
        },
        try_it = output.dim("try, in another terminal:"),
        stop = output.dim(format!("Ctrl-C stops it; {kept}.")),
    ))
}
