//! The README's auth example: every action as every role, in two tenants.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::node::{Node, abide, finish};

/// A caller: who, its roles, and its key if it has one.
struct Caller {
    name: &'static str,
    roles: &'static [&'static str],
    key: Option<String>,
}

/// Something to do, as a request and as a question, and the names of those who may.
struct Attempt {
    method: &'static str,
    path: &'static str,
    question: &'static [&'static str],
    allowed: &'static [&'static str],
}

const fn attempt(
    method: &'static str,
    path: &'static str,
    question: &'static [&'static str],
    allowed: &'static [&'static str],
) -> Attempt {
    Attempt { method, path, question, allowed }
}

const ALL: &[&str] = &["guest", "nora", "alice", "bob", "root", "olga"];

/// Every action, with an object that is there and one that is not, with one's own and another's.
const ATTEMPTS: &[Attempt] = &[
    attempt(
        "POST",
        "/v1/objects/Counter/visits/increment",
        &["call", "Counter", "visits", "increment"],
        &["alice", "bob", "olga"],
    ),
    attempt(
        "POST",
        "/v1/objects/Counter/new-{who}/increment",
        &["create", "Counter", "new", "increment"],
        &["alice", "bob", "olga"],
    ),
    attempt("POST", "/v1/objects/Document/alice%2Fa/set", &["call", "Document", "alice/a", "set"], &["alice", "olga"]),
    attempt("POST", "/v1/objects/Document/bob%2F{who}/set", &["create", "Document", "bob/b", "set"], &["bob", "olga"]),
    attempt("POST", "/v1/objects/Wallet/visits/deposit", &["call", "Wallet", "visits", "deposit"], &["olga"]),
    attempt("GET", "/v1/objects/Counter/visits", &["watch", "Counter", "visits"], &["alice", "bob", "olga"]),
    attempt("GET", "/v1/objects/Counter/visits/changes", &["watch", "Counter", "visits"], &["alice", "bob", "olga"]),
    attempt("GET", "/v1/objects/Counter/visits/alarms", &["watch", "Counter", "visits"], &["alice", "bob", "olga"]),
    attempt(
        "GET",
        "/v1/objects/Counter/public%2Fx",
        &["watch", "Counter", "public/x"],
        &["guest", "nora", "alice", "bob", "root", "olga"],
    ),
    attempt("GET", "/v1/objects/Document/alice%2Fa", &["watch", "Document", "alice/a"], &["alice", "olga"]),
    attempt("GET", "/v1/objects/Counter", &["list", "Counter"], &["olga"]),
    attempt("GET", "/v1/objects/Document", &["list", "Document"], &["olga"]),
    attempt("GET", "/v1/objects/Document?prefix=alice/", &["list", "Document", "alice/"], &["alice", "olga"]),
    attempt("GET", "/v1/alarms", &["list"], &["olga"]),
    attempt("DELETE", "/v1/objects/Counter/gone", &["delete", "Counter", "gone"], &["olga"]),
    attempt("DELETE", "/v1/objects/Document/bob%2Fgone", &["delete", "Document", "bob/gone"], &["bob", "olga"]),
    attempt("GET", "/v1/kinds", &[], ALL),
    attempt("GET", "/metrics", &["admin"], &["root"]),
    attempt("GET", "/v1/inspect/node", &["admin"], &["root"]),
];

#[test]
fn with_the_example_of_the_readme_every_role_may_do_what_it_says_and_nothing_else() {
    let folder = folder();
    let (home, other) = (callers(&folder, "default"), callers(&folder, "acme"));
    let node = Node::start_in(folder, "127.0.0.1:0");
    for (tenant, callers) in [("default", &home), ("acme", &other)] {
        let olga = callers.iter().find(|caller| caller.name == "olga").unwrap();
        for path in ["Counter/visits/increment", "Counter/public%2Fx/increment", "Document/alice%2Fa/set"] {
            assert_eq!(status(&node, "POST", &format!("/v1/objects/{path}"), olga, None), 200, "{path}");
        }
        for (caller, attempt) in callers.iter().flat_map(|caller| ATTEMPTS.iter().map(move |attempt| (caller, attempt)))
        {
            let Attempt { method, path, question, allowed } = attempt;
            let path = path.replace("{who}", caller.name);
            // A tenant's own administrator does not look after the node, and guests belong to the default one.
            let expected = allowed.contains(&caller.name) && (*question != ["admin"] || tenant == "default");
            let status = status(&node, method, &path, caller, None);
            assert_eq!(status, if expected { 200 } else { 403 }, "{} in {tenant}: {method} {path}", caller.name);
            if !question.is_empty() {
                assert_eq!(explained(&node, caller, tenant, question), expected, "{} {question:?}", caller.name);
            }
        }
    }
    for (callers, away) in [(&home, "acme"), (&other, "default")] {
        for (caller, attempt) in callers.iter().flat_map(|caller| ATTEMPTS.iter().map(move |attempt| (caller, attempt)))
        {
            let path = attempt.path.replace("{who}", "away");
            let expected = caller.name == "olga" && attempt.allowed.contains(&"olga");
            let status = status(&node, attempt.method, &path, caller, Some(away));
            assert_eq!(status, if expected { 200 } else { 403 }, "{} into {away}: {path}", caller.name);
        }
    }
}

#[test]
fn a_node_that_asks_who_is_calling_serves_other_machines() {
    let folder = folder();
    let key = issue(&folder, "alice", &["user"], "default");
    let node = Node::start_in(folder, "0.0.0.0:0");
    let refused = node.run(&["call", "Counter", "visits", "increment", "--json"]);
    assert!(refused.code == 1 && refused.err.contains("\"denied\""), "{refused:?}");
    assert!(refused.err.contains("ABIDE_TOKEN"), "who has shown no token is told how: {refused:?}");
    // Where nobody is asked, no token would help.
    let open = Node::start();
    let elsewhere = open.run(&["--namespace", "acme", "call", "Counter", "visits", "increment", "--json"]);
    assert!(elsewhere.code == 1 && elsewhere.err.contains("\"denied\""), "{elsewhere:?}");
    assert!(!elsewhere.err.contains("ABIDE_TOKEN"), "{elsewhere:?}");
    let wrong = node.run(&["--token", "abide-x", "call", "Counter", "visits", "increment", "--json"]);
    assert!(wrong.code == 1 && wrong.err.contains("\"unauthenticated\""), "{wrong:?}");
    assert_eq!(node.run(&["--token", &key, "call", "Counter", "visits", "increment"]).text(), "1");
    let log = node.run(&["--token", &key, "log", "Counter", "visits", "--json"]);
    assert!(log.out.contains("\"principal\":\"alice\""), "{log:?}");
}

#[test]
fn a_node_that_asks_for_certificates_believes_those_of_its_authority() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    file("server.pem", own.cert.pem());
    file("server-key.pem", own.signing_key.serialize_pem());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    file("clients.pem", params.self_signed(&key).unwrap().pem());
    let authority = Issuer::new(params, key);
    for (name, role) in [("billing", "user"), ("eve", "guest")] {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.distinguished_name.push(DnType::OrganizationName, role);
        let key = KeyPair::generate().unwrap();
        file(&format!("{name}.pem"), params.signed_by(&key, &authority).unwrap().pem());
        file(&format!("{name}-key.pem"), key.serialize_pem());
    }
    let rules = "[[access]]\nallow = [\"call\", \"create\"]\nroles = [\"user\"]\n";
    let tls = "[tls]\ncert = \"server.pem\"\nkey = \"server-key.pem\"\nclient_ca = \"clients.pem\"\n";
    file("abide.toml", format!("{rules}{tls}"));
    let checked = finish(abide(folder.path()).args(["access", "check"]));
    assert!(checked.text().contains("certificates: yes") && checked.text().contains("rules: 1"), "{checked:?}");
    let node = Node::start_in(folder, "0.0.0.0:0");
    let call = |shown: &[&str]| {
        let ask = ["--ca", "server.pem", "--json", "call", "Counter", "visits", "increment"];
        node.run(&[shown, &ask].concat())
    };
    let billing = ["--cert", "billing.pem", "--cert-key", "billing-key.pem"];
    assert_eq!(call(&billing).text(), r#"{"result":1,"seq":1}"#);
    let eve = call(&["--cert", "eve.pem", "--cert-key", "eve-key.pem"]);
    assert!(eve.code == 1 && eve.err.contains("\"denied\""), "{eve:?}");
    assert!(!eve.err.contains("token"), "who has shown a certificate lacks a rule and no token: {eve:?}");
    let without = call(&[]);
    assert!(without.code == 1 && without.err.contains("--cert-key"), "nobody connects without one: {without:?}");
    assert_eq!(call(&["--cert", "billing.pem"]).code, 2, "it is of no use without its key");
    let hint = |arguments: &[&str], wanted: &str| {
        let done = node.run(arguments);
        assert!(done.code == 1 && done.err.contains(wanted) && !done.err.contains("may have run"), "{done:?}");
    };
    hint(&["kinds"], "name the file of who vouches for it with --ca");
    hint(&["kinds", "--url", &node.url.replace("https://", "http://")], "begins with https://");
    let plain = Node::start();
    hint(&["kinds", "--url", &plain.url.replace("http://", "https://")], "begins with http://");
}

#[test]
fn keys_are_shown_once_listed_without_what_could_be_used_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finish(abide(folder.path()).args(arguments));
    assert_eq!(run(&["keys", "list"]).err.matches("abide keys new").count(), 1);
    let made = run(&["keys", "new", "--subject", "ci", "--role", "user", "--expires", "90d"]);
    let key = made.text();
    assert!(key.starts_with("abide-") && made.err.contains("shown once"), "{made:?}");
    let listed = run(&["keys", "list", "--json"]).value();
    assert_eq!((&listed["keys"][0]["subject"], &listed["keys"][0]["roles"][0]), (&"ci".into(), &"user".into()));
    let file = fs::read_to_string(folder.path().join("keys.toml")).unwrap();
    let secret = key.get(key.len() - 43..).unwrap();
    assert!(!listed.to_string().contains(secret) && !file.contains(secret));
    let id = listed["keys"][0]["id"].as_str().unwrap();
    let acme = run(&["keys", "new", "--subject", "ann", "--namespace", "acme", "--json"]).value();
    assert_eq!(acme["namespace"], "acme", "the tenant may be named as for every other command");
    let table = run(&["keys", "list"]);
    assert!(table.text().contains("EXPIRES") && table.text().contains("never"), "{table:?}");
    assert_eq!(run(&["keys", "revoke", acme["id"].as_str().unwrap()]).code, 0);
    assert_eq!(run(&["keys", "revoke", id]).code, 0);
    assert_eq!(run(&["keys", "revoke", id]).code, 1);
    assert_eq!(run(&["keys", "list", "--json"]).value()["keys"], Value::Array(Vec::new()));
    assert_eq!(run(&["keys", "new", "--subject", "anonymous"]).code, 2);
}

#[test]
fn what_is_wrong_with_a_configuration_is_said_before_a_node_starts() {
    let folder = folder();
    let run = |arguments: &[&str]| finish(abide(folder.path()).args(arguments));
    let missing = run(&["access", "check"]);
    assert!(missing.code == 1 && missing.err.contains("keys.toml"), "{missing:?}");
    issue(&folder, "alice", &["user"], "default");
    let sound = run(&["access", "check"]);
    assert!(sound.text().contains("rules: 4") && sound.text().contains("API keys: yes"), "{sound:?}");
    let why = run(&["access", "explain", "list", "Document", "--subject", "alice", "--role", "user"]);
    assert!(why.text().contains("denied: rule 2 concerns some"), "{why:?}");
    let away = run(&["access", "explain", "call", "Counter", "a", "get", "--role", "user", "--in", "acme"]);
    assert!(away.text().contains("another tenant"), "{away:?}");
}

#[test]
fn the_readme_and_the_security_page_have_the_same_example() {
    assert_eq!(example("README.md"), example("docs/security.md"));
}

/// A folder with the example as its configuration.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("abide.toml"), example("README.md")).unwrap();
    folder
}

fn example(page: &str) -> String {
    let page = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap();
    let (_, rest) = page.split_once("```toml auth\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// Everybody there is, with keys for this tenant.
fn callers(folder: &TempDir, tenant: &str) -> Vec<Caller> {
    let known: [(&str, &[&str]); 5] =
        [("nora", &[]), ("alice", &["user"]), ("bob", &["user"]), ("root", &["admin"]), ("olga", &["operator"])];
    let known = known.map(|(name, roles)| Caller { name, roles, key: Some(issue(folder, name, roles, tenant)) });
    // Guests are of the default tenant alone.
    let guest = (tenant == "default").then_some(Caller { name: "guest", roles: &["guest"], key: None });
    guest.into_iter().chain(known).collect()
}

fn issue(folder: &TempDir, name: &str, roles: &[&str], tenant: &str) -> String {
    let mut command = abide(folder.path());
    command.args(["keys", "new", "--json", "--subject", name, "--tenant", tenant]);
    command.args(roles.iter().flat_map(|role| ["--role", role]));
    finish(&mut command).value()["key"].as_str().unwrap().to_owned()
}

/// The status of a request.
fn status(node: &Node, method: &str, path: &str, caller: &Caller, within: Option<&str>) -> u16 {
    let address = node.url.trim_start_matches("http://");
    let token = caller.key.as_ref().map_or(String::new(), |key| format!("authorization: Bearer {key}\r\n"));
    let within = within.map_or(String::new(), |tenant| format!("abide-namespace: {tenant}\r\n"));
    let body = if path.ends_with("/set") { r#"{"fields":{}}"# } else { "" };
    let body = if path.ends_with("/deposit") { r#"{"amount":1}"# } else { body };
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{token}{within}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

/// Whether `abide access explain` says that the caller may.
fn explained(node: &Node, caller: &Caller, tenant: &str, question: &[&str]) -> bool {
    let mut arguments = vec!["access", "explain"];
    arguments.extend(question);
    match caller.key {
        None => arguments.push("--anonymous"),
        Some(_) => arguments.extend(["--subject", caller.name, "--tenant", tenant]),
    }
    arguments.extend(caller.roles.iter().filter(|_| caller.key.is_some()).flat_map(|role| ["--role", role]));
    node.json(&arguments)["allowed"].as_bool().unwrap()
}
