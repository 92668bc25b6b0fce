//! `#[object]`: reads the options and the methods, and writes what the node needs beside them.

mod arguments;
mod definition;
mod handler;
mod method;
mod options;
mod parameter;
mod reference;
mod role;
mod value;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Ident, ImplItem, Item, ItemImpl, Type};

use self::{
    method::Method,
    options::Options,
    role::{HOOKS, Role, SESSION_HOOKS},
};
use crate::{mistakes::Mistakes, types};

/// What the generated parts of one block have in common.
struct Block {
    /// The object's type, as it stands after `impl`.
    object: Type,
    /// Its name alone.
    name: Ident,
    /// `::abide::__private`.
    private: TokenStream,
    options: Options,
    methods: Vec<Method>,
    /// The first paragraph of the block's documentation.
    description: String,
}

/// Implements `Object` beside an impl block.
pub(crate) fn expand(options: TokenStream, item: &TokenStream) -> TokenStream {
    let mut mistakes = Mistakes::default();
    let options = Options::read(options, &mut mistakes);
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            mistakes.join(not_a_block(item.clone(), error));
            let mistakes = mistakes.into_tokens();
            return quote!(#item #mistakes);
        }
    };
    let generated = read(&mut block, options, &mut mistakes).map(|block| block.generate());
    let mistakes = mistakes.into_tokens();
    quote!(#block #generated #mistakes)
}

/// The error for `#[handler]` and its like outside an `#[object]` block.
pub(crate) fn misplaced(attribute: &str, item: &TokenStream) -> TokenStream {
    let text = format!(
        "`#[{attribute}]` works only inside an `#[object]` impl: write `#[object]` above the impl block that holds this method"
    );
    let error = syn::Error::new(Span::call_site(), text).into_compile_error();
    // The error stands inside the method's body: an impl block may not hold a macro's item here.
    match syn::parse2::<syn::ImplItemFn>(item.clone()) {
        Ok(mut method) => {
            method.block.stmts.insert(0, syn::parse_quote!(#error;));
            quote!(#method)
        }
        Err(_) => quote!(#item #error),
    }
}

fn not_a_block(item: TokenStream, error: syn::Error) -> syn::Error {
    match syn::parse2::<Item>(item) {
        Ok(Item::Struct(item)) => {
            let name = &item.ident;
            let text = format!(
                "`#[object]` goes on the impl block with the handlers: write `#[derive(State, Default)]` on the struct, and `#[object] impl {name} {{ … }}`"
            );
            syn::Error::new_spanned(name, text)
        }
        Ok(item) => {
            syn::Error::new_spanned(item, "`#[object]` goes on an impl block: write `#[object] impl Counter { … }`")
        }
        Err(_) => error,
    }
}

fn read(block: &mut ItemImpl, options: Options, mistakes: &mut Mistakes) -> Option<Block> {
    if let Some((path, _)) = &block.trait_ {
        mistakes.add(
            path,
            "`#[object]` goes on the type's own impl block, not on that of a trait: write `#[object] impl Counter { … }`",
        );
        return None;
    }
    if !block.generics.params.is_empty() {
        mistakes.add(
            &block.generics,
            "an object has no generics, for its kind is one name for one type: write concrete types",
        );
        return None;
    }
    let object = (*block.self_ty).clone();
    let Some(name) = types::last_segment(&object).map(|segment| segment.ident.clone()) else {
        mistakes.add(&object, "an object is a struct: write its name after `impl`");
        return None;
    };
    let methods = methods(block, &object, mistakes);
    let sessions = |method: &&Method| matches!(method.role, Role::Hook(_)) && SESSION_HOOKS.contains(&&*method.name);
    for method in methods.iter().filter(sessions).filter(|_| !options.session) {
        let text = format!("`{}` is a hook of sessions: write `#[object(session)]`, or remove it", method.name);
        mistakes.add(&method.ident, text);
    }
    Some(Block {
        description: method::description(&block.attrs),
        private: options.private(),
        object,
        name,
        options,
        methods,
    })
}

/// Takes the methods with a role out of the block's items; what is left of the items is plain Rust.
fn methods(block: &mut ItemImpl, object: &Type, mistakes: &mut Mistakes) -> Vec<Method> {
    let mut methods: Vec<Method> = Vec::new();
    block.items.retain_mut(|item| {
        let ImplItem::Fn(function) = item else { return true };
        let Some(role) = Role::take(function, mistakes) else {
            refuse_unmarked_hook(function, mistakes);
            return true;
        };
        let Some(method) = Method::read(function, role, object, mistakes) else { return true };
        let twin = methods.iter().any(|known| known.name == method.name);
        if twin && method.conditions.is_empty() {
            mistakes.add(
                &function.sig.ident,
                format!(
                    "there are two methods `{}`: callers name a handler, so give one of them another name",
                    method.name
                ),
            );
            return false;
        }
        methods.push(method);
        true
    });
    methods
}

fn refuse_unmarked_hook(function: &syn::ImplItemFn, mistakes: &mut Mistakes) {
    let name = types::unraw(&function.sig.ident);
    if HOOKS.iter().any(|(hook, _)| *hook == name) {
        mistakes.add(
            &function.sig.ident,
            format!("a method called `{name}` is easily taken for the hook: add `#[hook]`, or rename it"),
        );
    }
}

impl Block {
    /// Everything that stands beside the impl block.
    fn generate(&self) -> TokenStream {
        let reference = self.reference();
        let arguments = self.methods.iter().map(|method| self.arguments(method));
        let handlers = self.methods.iter().map(|method| self.handler(method));
        let definition = self.definition();
        let calls = self.calls();
        quote! {
            #reference
            const _: () = {
                #(#arguments #handlers)*
                #definition
                #calls
            };
        }
    }

    /// The type that holds a method's arguments.
    fn arguments_name(&self, method: &Method) -> Ident {
        format_ident!("__{}_{}", self.name, method.name)
    }

    /// The type of the object's handle.
    fn reference_name(&self) -> Ident {
        format_ident!("{}Ref", self.name, span = self.name.span())
    }
}
