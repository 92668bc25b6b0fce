use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use abide_services::{Postgres, folder::Folder, postgres::Options};
use abide_store::{PostgresOptions, PostgresStore};

use super::world::options;

/// Runs `openssl` in a folder; `None` where there is none.
fn openssl(folder: &Path, arguments: &str) -> Option<()> {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    let status = command.status().ok()?;
    assert!(status.success(), "openssl {arguments}");
    Some(())
}

/// An authority, another one, and a certificate for `localhost` that the first has signed.
fn certificates(folder: &Path) -> Option<()> {
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for name in ["authority", "other"] {
        openssl(folder, &format!("req -x509 {new_key} -keyout {name}.key -out {name}.crt -days 2 -subj /CN={name}"))?;
    }
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(folder, &format!("req {new_key} -keyout server.key -out server.csr -subj /CN=localhost"))?;
    openssl(
        folder,
        "x509 -req -in server.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 -extfile names -out server.crt",
    )
}

/// A certificate for a user of the database: one of the first version, as plain commands make it, for
/// `postgres`, and of the third for others.
fn client(folder: &Path, user: &str, authority: &str) {
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let name = format!("{user}-by-{authority}");
    openssl(folder, &format!("req {new_key} -keyout {name}.key -out {name}.csr -subj /CN={user}"));
    let sign = format!("-CA {authority}.crt -CAkey {authority}.key -CAcreateserial");
    let version = if user == "postgres" { "" } else { " -extfile names" };
    openssl(folder, &format!("x509 -req -in {name}.csr {sign} -days 2{version} -out {name}.crt"));
}

#[tokio::test]
async fn a_server_proves_itself_as_far_as_the_url_asks() {
    let folder = Folder::temporary("tls").unwrap();
    if certificates(folder.path()).is_none() {
        println!("skipped: certificates for the test are made with openssl, which is not installed");
        return;
    }
    let file = |name: &str| -> PathBuf { folder.path().join(name) };
    let tls = Some((file("server.crt"), file("server.key")));
    let server = Postgres::start_with(&Options { fsync: false, tls, ..Options::default() }).unwrap();
    let (authority, other) = (file("authority.crt"), file("other.crt"));
    let (authority, other) = (authority.display(), other.display());
    for (host, mode, encrypted) in [
        ("localhost", "sslmode=disable".to_owned(), Ok("f")),
        ("localhost", "sslmode=prefer".into(), Ok("t")),
        ("127.0.0.1", "sslmode=require".into(), Ok("t")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={authority}"), Ok("t")),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={authority}"), Ok("t")),
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={authority}"), Err("not valid for name")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={other}"), Err("invalid peer certificate")),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={other}"), Err("invalid peer certificate")),
        ("localhost", "sslmode=verify-full&sslrootcert=/nowhere".into(), Err("/nowhere")),
    ] {
        let url = format!("postgres://postgres@{host}:{}/postgres?{mode}", server.port());
        let quick = PostgresOptions { wait: std::time::Duration::from_millis(10), ..options() };
        match (PostgresStore::open(&url, quick).await, encrypted) {
            (Ok(store), Ok(encrypted)) => {
                let asked = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                             WHERE application_name LIKE 'abide%'";
                assert_eq!(server.sql(asked).unwrap().trim(), encrypted, "{url}");
                abide_core::Store::close(&store).await;
                while !server.sql(asked).unwrap().is_empty() {}
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{url}: {error}"),
            (Ok(_), Err(_)) => panic!("{url} was opened"),
            (Err(error), Ok(_)) => panic!("{url}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_client_proves_itself_to_a_server_that_demands_it() {
    let folder = Folder::temporary("tls-clients").unwrap();
    if certificates(folder.path()).is_none() {
        println!("skipped: certificates for the test are made with openssl, which is not installed");
        return;
    }
    for (user, authority) in [("postgres", "authority"), ("somebody", "authority"), ("postgres", "other")] {
        client(folder.path(), user, authority);
    }
    let file = |name: &str| folder.path().join(name);
    let (tls, clients) = (Some((file("server.crt"), file("server.key"))), Some(file("authority.crt")));
    let server = Postgres::start_with(&Options { fsync: false, tls, clients, ..Options::default() }).unwrap();
    server.sql("CREATE DATABASE guarded").unwrap();
    let at = folder.path().display();
    let proof = |certificate: &str, key: &str| format!("sslmode=require&sslcert={at}/{certificate}&sslkey={at}/{key}");
    let of = |name: &str| proof(&format!("{name}.crt"), &format!("{name}.key"));
    std::fs::write(file("empty.crt"), "").unwrap();
    for (proof, refused) in [
        (of("postgres-by-authority"), None),
        (of("postgres-by-authority").replace("require", "prefer"), None),
        ("sslmode=require".to_owned(), Some("valid client certificate")),
        (of("postgres-by-authority").replace("require", "disable"), Some("pg_hba.conf rejects")),
        (of("somebody-by-authority"), Some("authentication failed")),
        (of("postgres-by-other"), Some("cannot be reached")),
        (proof("somebody-by-authority.crt", "postgres-by-other.key"), Some("is not the key of")),
        (proof("postgres-by-authority.crt", "nowhere.key"), Some("nowhere.key")),
        (proof("postgres-by-authority.crt", "names"), Some("without a password")),
        (proof("empty.crt", "postgres-by-authority.key"), Some("there is none in it")),
    ] {
        let url = format!("postgres://postgres@localhost:{}/guarded?{proof}", server.port());
        let quick = PostgresOptions { wait: std::time::Duration::from_millis(10), ..options() };
        match (PostgresStore::open(&url, quick).await, refused) {
            (Ok(store), None) => assert!(abide_core::Store::status(&store).await.is_ok()),
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{url}: {error}"),
            (Ok(_), Some(_)) => panic!("{url} was opened"),
            (Err(error), None) => panic!("{url}: {error}"),
        }
    }
}
