use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::failure::{Failure, Outcome};

/// Where a project finds Abide, which is not on crates.io yet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// The crate `abide` in a checkout.
    Path(String),
    /// A git repository.
    Git(String),
}

impl Source {
    /// The checkout that is named, or that this folder is in, or that this command was built from.
    pub(super) fn checkout(named: Option<PathBuf>) -> Outcome<Self> {
        match named {
            Some(named) => Self::named(&named),
            None => Self::found(&std::env::current_dir()?, Path::new(env!("CARGO_MANIFEST_DIR"))),
        }
    }

    fn named(checkout: &Path) -> Outcome<Self> {
        let candidates = [checkout.join("crates/abide"), checkout.to_owned()];
        let found = candidates.iter().find(|folder| is_abide(folder)).ok_or_else(|| {
            Failure::usage(format!("{} is no checkout of Abide; nothing was made", checkout.display()))
                .hint("give the folder that has crates/abide in it")
        })?;
        Ok(Self::Path(fs::canonicalize(found)?.display().to_string()))
    }

    fn found(here: &Path, built_from: &Path) -> Outcome<Self> {
        let mut folders = here.ancestors().chain(built_from.ancestors());
        let checkout = folders.find(|folder| is_abide(&folder.join("crates/abide"))).ok_or_else(|| {
            Failure::usage("Abide is not on crates.io yet, and no checkout of it was found; nothing was made")
                .hint("name one: `abide new NAME --path DIR`, or a repository: `abide new NAME --git URL`")
        })?;
        Self::named(checkout)
    }

    /// What `abide = …` is in Cargo.toml, with `more` about it.
    pub(super) fn dependency(&self, more: &str) -> String {
        match self {
            Self::Path(path) => format!("{{ path = {path:?}{more} }}"),
            Self::Git(url) => format!("{{ git = {url:?}{more} }}"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Path(place) | Self::Git(place)) = self;
        f.write_str(place)
    }
}

/// Whether the folder is the crate that programs depend on.
fn is_abide(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    manifest.lines().any(|line| line.trim() == "name = \"abide\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_checkout_it_says_how_to_name_one() {
        let nowhere = tempfile::tempdir().unwrap();
        let failure = Source::found(nowhere.path(), &nowhere.path().join("gone/crates/abide-cli")).unwrap_err();
        assert_eq!(failure.exit(), 2);
        let advice = failure.advice().unwrap();
        assert!(failure.to_string().contains("not on crates.io") && failure.to_string().contains("nothing was made"));
        assert!(advice.contains("--path DIR") && advice.contains("--git URL"), "{advice}");
    }

    #[test]
    fn the_checkout_around_is_nearer_than_the_one_the_command_was_built_from() {
        let folder = tempfile::tempdir().unwrap();
        for checkout in ["one", "two"] {
            let package = folder.path().join(checkout).join("crates/abide");
            fs::create_dir_all(&package).unwrap();
            fs::write(package.join("Cargo.toml"), "[package]\nname = \"abide\"\n").unwrap();
        }
        let built_from = folder.path().join("one/crates/abide-cli");
        let check = |here: &str, expected: &str| {
            let found = Source::found(&folder.path().join(here), &built_from).unwrap().to_string();
            assert!(found.ends_with(expected), "{here}: {found}");
        };
        check("two/examples", "two/crates/abide");
        check("elsewhere", "one/crates/abide");
    }
}
