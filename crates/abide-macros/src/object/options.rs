//! The options in `#[object(…)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, Lit, LitStr, Meta, Path, Token, parse::Parser, punctuated::Punctuated};

use super::value::{flag, integer, literal, number, path, text, value, wrong};
use crate::{duration, mistakes::Mistakes, nearest, types};

const KNOWN: [&str; 15] = [
    "name",
    "hibernate_after",
    "shutdown_after",
    "history",
    "durability",
    "version",
    "migrate",
    "stateless",
    "autoload",
    "mailbox",
    "reentrant",
    "layout",
    "prefix",
    "channel",
    "session",
];

/// The longest kind and id, in bytes.
const NAME_BYTES_MAX: usize = 128;
const ID_BYTES_MAX: usize = 512;

/// The options of a block: those that were given.
#[derive(Default)]
pub(super) struct Options {
    root: Option<Path>,
    pub(super) name: Option<String>,
    pub(super) reentrant: bool,
    pub(super) migrate: Option<Path>,
    hibernate_after: Option<Wait>,
    shutdown_after: Option<Wait>,
    history: Option<History>,
    durability: Option<Durability>,
    version: Option<u32>,
    stateless: bool,
    autoload: Option<Vec<String>>,
    mailbox: Option<usize>,
    distobject: bool,
    prefix: Option<LitStr>,
    channel: Option<LitStr>,
    pub(super) session: bool,
}

/// A time in milliseconds, or never.
enum Wait {
    Never,
    After(u64),
}

enum History {
    None,
    All,
    Changes(u64),
    For(u64),
}

enum Durability {
    Commit,
    Behind(u64),
    Volatile,
}

impl Options {
    /// Reads them all; those with a mistake are left out.
    pub(super) fn read(tokens: TokenStream, mistakes: &mut Mistakes) -> Self {
        let mut options = Self::default();
        let list = match Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens) {
            Ok(list) => list,
            Err(error) => {
                let text =
                    format!("{error}: options are written like `#[object(hibernate_after = \"5m\", stateless)]`");
                mistakes.join(syn::Error::new(error.span(), text));
                return options;
            }
        };
        let mut seen = Vec::new();
        for option in &list {
            let name = types::text(option.path());
            if seen.contains(&name) {
                mistakes.add(option, format!("`{name}` is given twice: remove one"));
                continue;
            }
            mistakes.keep(options.take(&name, option));
            seen.push(name);
        }
        if let (Some(migrate), None | Some(1)) = (&options.migrate, options.version) {
            mistakes.add(
                migrate,
                "`migrate` brings the states of older versions up to this one, and this is the first: write `version = 2` beside it",
            );
        }
        for (name, given) in [("prefix", &options.prefix), ("channel", &options.channel)] {
            if let (Some(given), false) = (given, options.distobject) {
                mistakes.add(given, format!("`{name}` belongs to a layout: write `layout = \"distobject\"` beside it"));
            }
        }
        options
    }

    fn take(&mut self, name: &str, option: &Meta) -> syn::Result<()> {
        match name {
            "crate" => self.root = Some(path(option, "crate = ::abide")?),
            "name" => self.name = Some(kind(option)?),
            "hibernate_after" => self.hibernate_after = Some(wait(option)?),
            "shutdown_after" => self.shutdown_after = Some(wait(option)?),
            "history" => self.history = Some(history(option)?),
            "durability" => self.durability = Some(durability(option)?),
            "version" => self.version = Some(number(option, "version = 2")?),
            "migrate" => self.migrate = Some(path(option, "migrate = path::to::function")?),
            "stateless" => self.stateless = flag(option)?,
            "autoload" => self.autoload = Some(ids(option)?),
            "mailbox" => self.mailbox = Some(number(option, "mailbox = 1000")?),
            "layout" => self.distobject = layout(option)?,
            "prefix" => self.prefix = Some(some_text(option, "prefix = \"user\"")?),
            "channel" => self.channel = Some(some_text(option, "channel = \"user-updates\"")?),
            "reentrant" => self.reentrant = flag(option)?,
            "session" => self.session = flag(option)?,
            _ => {
                let advice = nearest::advice(name, &KNOWN);
                let text = format!("`{name}` is not an option of an object: {advice}");
                return Err(syn::Error::new_spanned(option.path(), text));
            }
        }
        Ok(())
    }

    /// The path of what the generated code uses.
    pub(super) fn private(&self) -> TokenStream {
        match &self.root {
            Some(root) => quote!(#root::__private),
            None => quote!(::abide::__private),
        }
    }

    /// The value of type `Options`.
    pub(super) fn generate(&self) -> TokenStream {
        let private = self.private();
        let mut fields = TokenStream::new();
        let mut set = |name: TokenStream, value: Option<TokenStream>| {
            fields.extend(value.map(|value| quote!(#name: #value,)));
        };
        if self.session {
            // A session lives as long as its client is there, and needs no disk unless it says so.
            set(quote!(session), Some(quote!(true)));
            set(quote!(shutdown_after), self.shutdown_after.is_none().then(|| Wait::Never.generate()));
            let volatile = || Durability::Volatile.generate(&private);
            set(quote!(durability), self.durability.is_none().then(volatile));
        }
        set(quote!(hibernate_after), self.hibernate_after.as_ref().map(Wait::generate));
        set(quote!(shutdown_after), self.shutdown_after.as_ref().map(Wait::generate));
        set(quote!(history), self.history.as_ref().map(|history| history.generate(&private)));
        set(quote!(durability), self.durability.as_ref().map(|durability| durability.generate(&private)));
        set(quote!(version), self.version.map(ToTokens::into_token_stream));
        set(quote!(stateless), self.stateless.then(|| quote!(true)));
        set(quote!(autoload), self.autoload.as_ref().map(|ids| quote!(&[#(#ids),*])));
        set(quote!(mailbox), self.mailbox.map(|many| quote!(::core::option::Option::Some(#many))));
        set(quote!(layout), self.distobject.then(|| self.layout(&private)));
        quote! {
            #private::Options {
                #fields
                ..<#private::Options as ::core::default::Default>::default()
            }
        }
    }
}

impl Options {
    /// The layout of distobject, with what its programs use where nothing else is said.
    fn layout(&self, private: &TokenStream) -> TokenStream {
        let text = |given: &Option<LitStr>, otherwise: &str| given.as_ref().map_or(otherwise.to_owned(), LitStr::value);
        let (prefix, channel) = (text(&self.prefix, "object"), text(&self.channel, "object-updates"));
        quote!(#private::Layout::Distobject { prefix: #prefix, channel: #channel })
    }
}

impl Wait {
    fn generate(&self) -> TokenStream {
        match self {
            Self::Never => quote!(::core::option::Option::None),
            Self::After(ms) => {
                let duration = generate_duration(*ms);
                quote!(::core::option::Option::Some(#duration))
            }
        }
    }
}

impl History {
    fn generate(&self, private: &TokenStream) -> TokenStream {
        match self {
            Self::None => quote!(#private::History::None),
            Self::All => quote!(#private::History::All),
            Self::Changes(many) => quote!(#private::History::Changes(#many)),
            Self::For(ms) => {
                let duration = generate_duration(*ms);
                quote!(#private::History::For(#duration))
            }
        }
    }
}

impl Durability {
    fn generate(&self, private: &TokenStream) -> TokenStream {
        match self {
            Self::Commit => quote!(#private::Durability::Commit),
            Self::Volatile => quote!(#private::Durability::Volatile),
            Self::Behind(ms) => {
                let duration = generate_duration(*ms);
                quote!(#private::Durability::Behind(#duration))
            }
        }
    }
}

fn layout(option: &Meta) -> syn::Result<bool> {
    const WRITE: &str = "layout = \"distobject\"";
    let text = text(option, WRITE)?;
    match text.value().as_str() {
        "distobject" => Ok(true),
        other => Err(wrong(&text, format!("{other:?} is not a layout: write `{WRITE}`, or leave it out"))),
    }
}

fn some_text(option: &Meta, write: &str) -> syn::Result<LitStr> {
    let text = text(option, write)?;
    match text.value().is_empty() {
        true => Err(wrong(&text, format!("this cannot be empty: write `{write}`"))),
        false => Ok(text),
    }
}

fn generate_duration(ms: u64) -> TokenStream {
    quote!(::core::time::Duration::from_millis(#ms))
}

fn kind(option: &Meta) -> syn::Result<String> {
    let text = text(option, "name = \"Counter\"")?;
    let kind = text.value();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let fits = kind.len() <= NAME_BYTES_MAX && kind.starts_with(|c: char| c.is_ascii_alphanumeric());
    if fits && kind.chars().all(legal) {
        return Ok(kind);
    }
    Err(wrong(
        text,
        "a kind has 1 to 128 letters, digits, `_`, `-` and `.`, and starts with a letter or digit: write a name like \"Counter\"",
    ))
}

fn milliseconds(text: &LitStr, duration: &str, otherwise: &str) -> syn::Result<u64> {
    duration::milliseconds(duration).ok_or_else(|| {
        let accepted = duration::ACCEPTED;
        wrong(text, format!("{duration:?} is not a duration: write {accepted}{otherwise}"))
    })
}

fn wait(option: &Meta) -> syn::Result<Wait> {
    let name = types::text(option.path());
    let text = text(option, &format!("{name} = \"5m\"` or `{name} = \"never\""))?;
    match text.value().as_str() {
        "never" => Ok(Wait::Never),
        duration => milliseconds(&text, duration, "; or \"never\"").map(Wait::After),
    }
}

fn history(option: &Meta) -> syn::Result<History> {
    const WRITE: &str = "history = 1000`, `\"7d\"`, `\"all\"` or `\"none\"";
    let value = value(option, WRITE)?;
    match literal(value) {
        Some(Lit::Int(many)) => integer(many, WRITE).map(History::Changes),
        Some(Lit::Str(text)) => match text.value().as_str() {
            "none" => Ok(History::None),
            "all" => Ok(History::All),
            duration => milliseconds(text, duration, "; or a number of changes, \"all\" or \"none\"").map(History::For),
        },
        _ => Err(wrong(value, format!("this is a number of changes or a text: write `{WRITE}`"))),
    }
}

fn durability(option: &Meta) -> syn::Result<Durability> {
    const WRITE: &str = "durability = \"commit\"`, `\"behind:100ms\"` or `\"volatile\"";
    let text = text(option, WRITE)?;
    let value = text.value();
    match (value.as_str(), value.strip_prefix("behind:")) {
        ("commit", _) => Ok(Durability::Commit),
        ("volatile", _) => Ok(Durability::Volatile),
        (_, Some(interval)) => milliseconds(&text, interval, "").map(Durability::Behind),
        _ => Err(wrong(&text, format!("{value:?} is not a durability: write `{WRITE}`"))),
    }
}

fn ids(option: &Meta) -> syn::Result<Vec<String>> {
    const WRITE: &str = "autoload = \"id\"` or `autoload = [\"a\", \"b\"]";
    let value = value(option, WRITE)?;
    let elements: Vec<&Expr> = match value {
        Expr::Array(array) => array.elems.iter().collect(),
        single => vec![single],
    };
    let id = |element: &Expr| match literal(element) {
        Some(Lit::Str(id)) if (1..=ID_BYTES_MAX).contains(&id.value().len()) => Ok(id.value()),
        _ => Err(wrong(element, format!("an id is a text of 1 to 512 bytes: write `{WRITE}`"))),
    };
    elements.into_iter().map(id).collect()
}
