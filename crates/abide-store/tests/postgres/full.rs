use std::{path::PathBuf, process::Command};

use abide_core::{
    StoreError,
    port::store::{Commit, Write},
};
use abide_services::{Postgres, folder::Folder, postgres::Options, user};
use abide_store::contract::fixture::{Owner, at, json, key};

use super::world::{open, options, well};

/// A small disk; gone when it is dropped.
struct Disk {
    folder: Folder,
}

impl Disk {
    fn mount() -> Option<Self> {
        let folder = Folder::temporary("small-disk").unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "none"]).arg(folder.path()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self { folder })
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=200m"]).arg(self.folder.path()).status().unwrap();
        assert!(grown.success());
    }

    /// A folder on it that the server may use.
    fn space(&self) -> PathBuf {
        let space = self.folder.path().join("space");
        std::fs::create_dir(&space).unwrap();
        if let Some(user) = user::User::instead_of_root(&["postgres", "nobody"]) {
            user.owns(&space).unwrap();
        }
        space
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

/// A state that does not get smaller by compressing.
fn large(n: u64) -> String {
    let mut x = n + 1;
    let mut digit = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + ((x >> 33) % 26) as u8)
    };
    let text: String = (0..300_000).map(|_| digit()).collect();
    format!(r#"{{"text":"{text}"}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_nothing_confirmed_is_lost() {
    let Some(disk) = user::is_root().then(Disk::mount).flatten() else {
        println!("skipped: a small disk can only be mounted by root");
        return;
    };
    let server = Postgres::start_with(&Options { fsync: false, ..Options::default() }).unwrap();
    server.sql(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.space().display())).unwrap();
    server.sql("ALTER SYSTEM SET default_tablespace = 'small'").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    let owner = Owner::claim(open(&server.url(), options()).await).await;
    let put = |n: u64| {
        let write = Write::Put { state: json(&large(n)), version: 1, created_at: at(0), updated_at: at(0) };
        Commit { write, ..owner.put(&key(&n.to_string()), 0) }
    };
    let mut confirmed = 0;
    let error = loop {
        match owner.store.commit(vec![put(confirmed)]).await {
            Ok(_) => confirmed += 1,
            Err(error) => break error,
        }
        assert!(confirmed < 200, "the disk is not as small as it should be");
    };
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert!(confirmed > 3, "{confirmed}");
    for n in 0..confirmed {
        assert_eq!(owner.load(&key(&n.to_string())).await.state, Some(json(&large(n))));
    }
    assert_eq!(owner.head(&key(&confirmed.to_string())).await, 0);
    disk.grow();
    well("committing with space again", async || owner.store.commit(vec![put(confirmed)]).await.ok()).await;
    assert_eq!(owner.store.verify(9).await.unwrap(), Vec::<String>::new());
    drop(server);
}
