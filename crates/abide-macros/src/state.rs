//! `#[derive(State)]`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Field, Fields, Generics, Ident, Lit, LitStr, Path, Type,
    parse::ParseStream, spanned::Spanned,
};

use crate::{index, mistakes::Mistakes, nearest, types};

/// What may stand in `#[state(…)]` on a field, and on the struct.
const FIELD_OPTIONS: [&str; 3] = ["rename", "alias", "skip"];
const STRUCT_OPTIONS: [&str; 1] = ["crate"];

/// One field of the state.
struct StateField {
    ident: Ident,
    ty: Type,
    /// Its name in the stored state.
    name: String,
    /// Older names that it is read under.
    aliases: Vec<LitStr>,
    /// Whether it is left out of the stored state.
    skip: bool,
    /// Whether it is indexed.
    indexed: bool,
}

/// Implements `State` for a struct.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut mistakes = Mistakes::default();
    if !input.generics.params.is_empty() {
        return refuse_generics(&input.generics);
    }
    let root = root(&input.attrs, &mut mistakes);
    index::refuse_on_struct(&input.attrs, &mut mistakes);
    let fields: Vec<_> = fields(&input, &mut mistakes).iter().filter_map(|field| read(field, &mut mistakes)).collect();
    refuse_doubles(&fields, &mut mistakes);
    let implementation = implement(&input.ident, &root, &fields);
    let mistakes = mistakes.into_tokens();
    quote!(#implementation #mistakes)
}

fn refuse_generics(generics: &Generics) -> TokenStream {
    let text = "the state of an object has no generics, for its kind is one name for one type: write concrete types in its fields";
    syn::Error::new_spanned(generics, text).into_compile_error()
}

/// The crate that the generated code refers to, by default `::abide`.
fn root(attributes: &[Attribute], mistakes: &mut Mistakes) -> TokenStream {
    let mut root = quote!(::abide);
    for attribute in attributes.iter().filter(|a| a.path().is_ident("state")) {
        let read = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("crate") {
                root = meta.value()?.call(Path::parse_mod_style)?.into_token_stream();
                return Ok(());
            }
            let name = types::text(&meta.path);
            let advice = nearest::advice(&name, &STRUCT_OPTIONS);
            Err(meta.error(format!("`{name}` is not an option of a state: {advice}")))
        });
        mistakes.keep(read);
    }
    root
}

fn fields<'a>(input: &'a DeriveInput, mistakes: &mut Mistakes) -> Vec<&'a Field> {
    let name = &input.ident;
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return fields.named.iter().collect(),
            Fields::Unit => {}
            Fields::Unnamed(fields) => mistakes.add(
                fields,
                format!("the fields of a state are stored by name: write `struct {name} {{ value: … }}`"),
            ),
        },
        Data::Enum(data) => mistakes.add(
            data.enum_token,
            format!("the state of an object is a struct with named fields: write `struct {name} {{ … }}` and keep the enum in one of its fields"),
        ),
        Data::Union(data) => mistakes.add(
            data.union_token,
            format!("the state of an object is a struct with named fields: write `struct {name} {{ … }}`"),
        ),
    }
    Vec::new()
}

fn read(field: &Field, mistakes: &mut Mistakes) -> Option<StateField> {
    let ident = field.ident.clone()?;
    let mut read = StateField {
        name: types::unraw(&ident),
        ident,
        ty: field.ty.clone(),
        aliases: Vec::new(),
        skip: false,
        indexed: false,
    };
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("state")) {
        let options = attribute.parse_nested_meta(|meta| {
            let name = types::text(&meta.path);
            match name.as_str() {
                "rename" => read.name = text(&name, meta.value()?)?.value(),
                "alias" => read.aliases.push(text(&name, meta.value()?)?),
                "skip" => read.skip = true,
                _ => {
                    let advice = nearest::advice(&name, &FIELD_OPTIONS);
                    return Err(meta.error(format!("`{name}` is not an option of a field: {advice}")));
                }
            }
            Ok(())
        });
        mistakes.keep(options);
    }
    read.indexed = index::read(field, &read.name, read.skip, mistakes);
    Some(read)
}

/// The text after `option =`.
fn text(option: &str, value: ParseStream) -> syn::Result<LitStr> {
    let value: Expr = value.parse()?;
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if !text.value().is_empty() => Ok(text),
        other => {
            Err(syn::Error::new_spanned(other, format!("the field's name is a text: write `{option} = \"name\"`")))
        }
    }
}

fn refuse_doubles(fields: &[StateField], mistakes: &mut Mistakes) {
    let mut seen: Vec<String> = Vec::new();
    for field in fields.iter().filter(|field| !field.skip) {
        let aliases = field.aliases.iter().map(LitStr::value);
        for name in aliases.chain([field.name.clone()]) {
            if seen.contains(&name) {
                mistakes.add(&field.ident, format!("two fields are stored as `{name}`: give one of them another name"));
            }
            seen.push(name);
        }
    }
}

fn implement(state: &Ident, root: &TokenStream, fields: &[StateField]) -> TokenStream {
    let private = quote!(#root::__private);
    let stored = || fields.iter().filter(|field| !field.skip);
    let encode = stored().map(StateField::encode);
    let decode = stored().map(|field| field.decode(&private));
    let operations = fields.iter().map(|field| field.operations(&private));
    let kept = fields.iter().filter(|field| field.skip).map(StateField::keep);
    let indexes = stored().filter(|field| field.indexed).map(|field| index::path(&field.name));
    let schemas = stored().map(|field| field.schema(&private));
    quote! {
        #[automatically_derived]
        #[allow(unused_imports, unused_variables, unreachable_code, deprecated, clippy::all, clippy::pedantic)]
        impl #private::State for #state {
            fn encode(
                &self,
                out: &mut #private::Encoder,
            ) -> ::core::result::Result<(), #private::serde_json::Error> {
                #(#encode)*
                ::core::result::Result::Ok(())
            }

            fn decode_field<'de, A: #private::serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> ::core::result::Result<bool, A::Error> {
                match name {
                    #(#decode)*
                    _ => return ::core::result::Result::Ok(false),
                }
                ::core::result::Result::Ok(true)
            }

            fn take_operations(&mut self, out: &mut #private::Operations) {
                use #private::{ProbeCollection as _, ProbeOther as _};
                #(#operations)*
            }

            fn keep_unstored(&mut self, from: &mut Self) {
                #(#kept)*
            }

            fn indexes() -> &'static [&'static str] {
                &[#(#indexes),*]
            }

            fn schema() -> #private::serde_json::Value {
                #private::serde_json::json!({
                    "type": "object",
                    "properties": { #(#schemas),* }
                })
            }
        }
    }
}

impl StateField {
    /// Where errors about the field's type are shown.
    fn span(&self) -> Span {
        self.ty.span().resolved_at(Span::call_site())
    }

    fn encode(&self) -> TokenStream {
        let Self { ident, name, .. } = self;
        let value = quote_spanned!(self.span()=> &self.#ident);
        quote!(out.field(#name, #value)?;)
    }

    fn decode(&self, private: &TokenStream) -> TokenStream {
        let Self { ident, name, aliases, .. } = self;
        let next = quote_spanned!(self.span()=> #private::serde::de::MapAccess::next_value);
        quote!(#name #(| #aliases)* => self.#ident = #next(map)?,)
    }

    /// What a collection did. One that is not stored is asked as well: it belongs to its own field
    /// from then on, and cannot bring operations into another that it is moved to.
    fn operations(&self, private: &TokenStream) -> TokenStream {
        let Self { ident, name, .. } = self;
        let take = quote!(#private::Probe(&mut self.#ident).take_operations(#name));
        if self.skip { quote!(let _ = #take;) } else { quote!(out.push(#name, #take);) }
    }

    /// A field that is not stored is taken over as it is.
    fn keep(&self) -> TokenStream {
        let ident = &self.ident;
        quote!(::core::mem::swap(&mut self.#ident, &mut from.#ident);)
    }

    fn schema(&self, private: &TokenStream) -> TokenStream {
        let Self { ty, name, .. } = self;
        let schema = quote_spanned!(self.span()=> #private::schema_of::<#ty>());
        quote!(#name: #schema)
    }
}
