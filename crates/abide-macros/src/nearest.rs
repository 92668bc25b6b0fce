//! Which known name an unknown one was probably meant to be.

/// The known name that is most like `name`, if one is like it at all.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let likeness = |candidate: &&str| strsim::jaro_winkler(name, candidate);
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.75).then_some(best)
}

/// The advice that ends an error about an unknown name.
pub(crate) fn advice(name: &str, known: &[&str]) -> String {
    if let [only] = known {
        return format!("the only one is `{only}`");
    }
    let all: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    let all = all.join(", ");
    match nearest(name, known) {
        Some(nearest) => format!("did you mean `{nearest}`? There are {all}"),
        None => format!("there are {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_stranger_is_not() {
        let known = ["hibernate_after", "shutdown_after", "history"];
        assert_eq!(nearest("hibernate", &known), Some("hibernate_after"));
        assert_eq!(nearest("histroy", &known), Some("history"));
        assert_eq!(nearest("q", &known), None);
        assert_eq!(nearest("q", &[]), None);
    }
}
