//! What types look like, and what to write instead of one that cannot be used.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    Ident, Lifetime, PathArguments, PathSegment, Type, TypeImplTrait, TypePath, TypeReference,
    visit_mut::{self, VisitMut},
};

/// The type without the invisible or visible parentheses around it.
pub(crate) fn plain(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => plain(&group.elem),
        Type::Paren(paren) => plain(&paren.elem),
        ty => ty,
    }
}

/// The last segment of the path that the type is.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match plain(ty) {
        Type::Path(TypePath { qself: None, path, .. }) => path.segments.last(),
        _ => None,
    }
}

/// Whether the type is written `…::name` or `…::name<…>`.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// Whether the type is written as a `Result`: `Result`, `Result<…>` or an alias like `DbResult<T>`.
pub(crate) fn is_result(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| {
        let name = segment.ident.to_string();
        let generic = matches!(segment.arguments, PathArguments::AngleBracketed(_));
        name == "Result" || (generic && name.ends_with("Result"))
    })
}

/// The type with `Self` replaced by the object's type: it is used outside the impl block.
pub(crate) fn without_self(ty: &Type, object: &Type) -> Type {
    struct Replace<'a>(&'a Type);
    impl VisitMut for Replace<'_> {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            visit_mut::visit_type_mut(self, ty);
            if matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident("Self")) {
                *ty = self.0.clone();
            }
        }
    }
    let mut ty = ty.clone();
    Replace(object).visit_type_mut(&mut ty);
    ty
}

/// Something in a type that keeps it from being sent or stored, and what to write instead.
pub(crate) struct Unowned {
    /// The tokens at fault.
    pub(crate) at: TokenStream,
    /// What they are, for the error.
    pub(crate) what: String,
    /// The owned type to write, where one is obvious.
    pub(crate) instead: Option<String>,
}

/// Finds the first borrow, lifetime or `impl Trait` in a type.
pub(crate) fn unowned(ty: &Type) -> Option<Unowned> {
    struct Find(Option<Unowned>);
    impl Find {
        fn found(&mut self, at: impl ToTokens, what: String, instead: Option<String>) {
            let at = at.into_token_stream();
            self.0.get_or_insert(Unowned { at, what, instead });
        }
    }
    impl VisitMut for Find {
        fn visit_type_reference_mut(&mut self, ty: &mut TypeReference) {
            self.found(&*ty, format!("`{}` is borrowed", text(&*ty)), Some(owned(&ty.elem)));
        }
        fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
            if lifetime.ident != "static" {
                self.found(&*lifetime, format!("`{lifetime}` is the lifetime of a borrow"), None);
            }
        }
        fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
            self.found(&*ty, format!("`{}` does not name a type", text(&*ty)), None);
        }
    }
    let mut find = Find(None);
    find.visit_type_mut(&mut ty.clone());
    find.0
}

/// The owned form of what a reference points to.
fn owned(target: &Type) -> String {
    match plain(target) {
        Type::Path(path) if path.path.is_ident("str") => "String".into(),
        Type::Path(path) if path.path.is_ident("Path") => "PathBuf".into(),
        Type::Slice(slice) => format!("Vec<{}>", text(&slice.elem)),
        other => text(other),
    }
}

/// A type as people write it.
pub(crate) fn text(tokens: impl ToTokens) -> String {
    let mut text = quote!(#tokens).to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
        (" ;", ";"),
        ("' ", "'"),
    ] {
        text = text.replace(spaced, tight);
    }
    text
}

/// The name without `r#`, as it is stored and sent.
pub(crate) fn unraw(name: &Ident) -> String {
    syn::ext::IdentExt::unraw(name).to_string()
}
