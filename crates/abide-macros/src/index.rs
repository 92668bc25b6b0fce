//! `#[index]` on a field of a state.

use syn::{Attribute, Field, GenericArgument, Meta, PathArguments, Type};

use crate::mistakes::Mistakes;

/// Types whose values have no order among themselves: lists and maps of the standard library and ours.
const UNORDERED: [&str; 11] =
    ["Vec", "VecDeque", "HashMap", "BTreeMap", "IndexMap", "HashSet", "BTreeSet", "IndexSet", "List", "Map", "Set"];

/// Whether a field, stored under `name`, is indexed.
pub(crate) fn read(field: &Field, name: &str, skip: bool, mistakes: &mut Mistakes) -> bool {
    let mut attributes = field.attrs.iter().filter(|attribute| attribute.path().is_ident("index"));
    let Some(attribute) = attributes.next() else {
        return false;
    };
    if let Some(again) = attributes.next() {
        mistakes.add(again, "the field is indexed already: write `#[index]` once".to_owned());
    }
    if !matches!(attribute.meta, Meta::Path(_)) {
        mistakes.add(attribute, "an index is over the whole field and has no options: write `#[index]`".to_owned());
    }
    if skip {
        let text = "a field that is not stored cannot be found by its value: take off `#[index]` or `#[state(skip)]`";
        mistakes.add(attribute, text.to_owned());
    }
    if let Some(what) = unordered(&field.ty) {
        mistakes.add(
            &field.ty,
            format!(
                "an index orders numbers, texts and booleans, and {what} is none of them: index a field that holds one value, such as its length"
            ),
        );
    }
    if name.contains(|c: char| c == '"' || c == '\\' || c.is_control()) {
        let text = "the stored name of an indexed field has no quotes, backslashes or control characters: rename it";
        mistakes.add(attribute, text.to_owned());
    }
    true
}

/// An index on the struct itself is one on no field.
pub(crate) fn refuse_on_struct(attributes: &[Attribute], mistakes: &mut Mistakes) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("index")) {
        mistakes.add(attribute, "`#[index]` goes on the field by which objects are to be found".to_owned());
    }
}

/// The field as a filter writes it.
pub(crate) fn path(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// What a type is, if its values have no order. An `Option` has that of what it holds.
fn unordered(ty: &Type) -> Option<String> {
    match ty {
        Type::Array(_) | Type::Tuple(_) | Type::Slice(_) => Some("a list".into()),
        Type::Paren(paren) => unordered(&paren.elem),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let name = last.ident.to_string();
            if name == "Option" {
                let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
                let Some(GenericArgument::Type(inner)) = arguments.args.first() else { return None };
                return unordered(inner);
            }
            UNORDERED.contains(&name.as_str()).then(|| format!("`{name}`"))
        }
        _ => None,
    }
}
