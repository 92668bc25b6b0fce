use std::str::FromStr;

/// Words that cannot be the name of a crate or a module.
const RESERVED: [&str; 44] = [
    "abide", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in", "let", "lib", "loop", "macro",
    "main", "match", "mod", "move", "mut", "object", "pub", "ref", "return", "self", "serde", "static", "std",
    "struct", "test", "tokio",
];

/// The name of a project: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CrateName(String);

/// The name of an object's type, `ChatRoom`; its module is `chat_room`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TypeName(String);

impl CrateName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its name in Rust code.
    pub(super) fn ident(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl TypeName {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn module(&self) -> String {
        let mut module = String::new();
        let mut before_is_lower = false;
        for c in self.0.chars() {
            if c.is_ascii_uppercase() && before_is_lower {
                module.push('_');
            }
            before_is_lower = !c.is_ascii_uppercase();
            module.push(c.to_ascii_lowercase());
        }
        module
    }
}

impl FromStr for CrateName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(legal) || text.len() > 64 {
            return Err("a project's name has lower-case letters, digits, - and _, and begins with a letter".into());
        }
        match RESERVED.contains(&text) {
            true => Err("that name means something else; choose another".into()),
            false => Ok(Self(text.into())),
        }
    }
}

impl FromStr for TypeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let words = text.split(['_', '-']).filter(|word| !word.is_empty());
        let capital =
            |word: &str| word.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(word.chars().skip(1)).collect();
        let name: String = words.map(capital).collect::<Vec<String>>().concat();
        if !text.chars().all(legal) || text.len() > 64 || !name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Err("an object's name is that of a type, for example ChatRoom".into());
        }
        match RESERVED.contains(&Self(name.clone()).module().as_str()) {
            true => Err("that name means something else; choose another".into()),
            false => Ok(Self(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_a_module_of_its_name() {
        for (text, name, module) in [
            ("ChatRoom", "ChatRoom", "chat_room"),
            ("chat_room", "ChatRoom", "chat_room"),
            ("chat-room", "ChatRoom", "chat_room"),
            ("HTTPServer", "HTTPServer", "httpserver"),
            ("Tea2", "Tea2", "tea2"),
        ] {
            let read: TypeName = text.parse().unwrap();
            assert_eq!((read.as_str(), read.module().as_str()), (name, module));
        }
        for text in ["", "_", "2Tea", "Tea Room", "Ünder", "Self", "match", "a/b"] {
            assert!(text.parse::<TypeName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_project_has_the_name_of_a_crate() {
        assert_eq!("my-app".parse::<CrateName>().unwrap().ident(), "my_app");
        for text in ["", "My", "2x", "a b", "../x", "a/b", "test", "abide", "é"] {
            assert!(text.parse::<CrateName>().is_err(), "{text:?}");
        }
    }
}
