//! What the macros write, as snapshots, and the mistakes they find.

use proc_macro2::{TokenStream, TokenTree};
use quote::quote;
use syn::LitStr;

use crate::{object, state};

fn pretty(tokens: &TokenStream) -> String {
    let file = syn::parse2(tokens.clone()).unwrap_or_else(|error| panic!("{error}: {tokens}"));
    prettyplease::unparse(&file)
}

/// The text of every `compile_error!`, in order.
fn errors(tokens: &TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut after_name = false;
    for token in tokens.clone() {
        let is_name = matches!(&token, TokenTree::Ident(name) if name == "compile_error");
        let is_bang = matches!(&token, TokenTree::Punct(bang) if bang.as_char() == '!');
        if let TokenTree::Group(group) = token {
            match syn::parse2::<LitStr>(group.stream()) {
                Ok(text) if after_name => found.push(text.value()),
                _ => found.extend(errors(&group.stream())),
            }
        }
        after_name = is_name || (after_name && is_bang);
    }
    found
}

#[test]
fn a_state_is_encoded_field_by_field() {
    let tokens = state::expand(quote! {
        #[state(crate = ::abide_node)]
        struct Counter {
            count: i64,
            #[index]
            #[state(rename = "kind", alias = "type")]
            r#type: Option<String>,
            tags: Set<String>,
            #[state(skip)]
            cache: Vec<u8>,
        }
    });
    insta::assert_snapshot!(pretty(&tokens));
}

#[test]
fn an_object_gets_arguments_handlers_a_definition_and_a_handle() {
    let options = quote!(hibernate_after = "5m", history = 1000, autoload = ["a"], version = 2, migrate = up);
    let tokens = object::expand(
        options,
        &quote! {
            /// Counts.
            ///
            /// More about it.
            impl Counter {
                /// Adds an amount
                /// to the count.
                #[handler]
                fn increment(&mut self, ctx: &mut Context, amount: i64, note: Option<String>) -> i64 {
                    self.count += amount;
                    self.count
                }
                #[handler(reentrant)]
                async fn get(&self, #[arg(default = 1)] times: i64) -> Result<Self, Broken> { todo(self, times) }
                #[alarm]
                async fn tick(&mut self, payload: Payload) {}
                #[alarm]
                fn tock(&mut self, ctx: &Context) {}
                #[hook]
                fn on_create(&mut self) {}
                fn plain(&self) {}
            }
        },
    );
    insta::assert_snapshot!(pretty(&tokens));
}

fn object_errors(options: TokenStream, item: &TokenStream) -> Vec<String> {
    errors(&object::expand(options, item))
}

/// Checks that one method is refused with a text that holds all the parts.
fn refused(method: &TokenStream, parts: &[&str]) {
    let found = object_errors(TokenStream::new(), &quote!(impl Counter { #method }));
    let [error] = found.as_slice() else { panic!("{method}: {found:?}") };
    for part in parts {
        assert!(error.contains(part), "{method}: {error:?} lacks {part:?}");
    }
}

#[test]
fn a_handler_that_cannot_work_is_refused_with_what_to_write() {
    for (method, parts) in [
        (
            quote!(
                #[handler]
                fn f() {}
            ),
            ["`&mut self`", "`&self`"],
        ),
        (
            quote!(
                #[handler]
                fn f(self) {}
            ),
            ["borrows the object", "`&mut self`"],
        ),
        (
            quote!(
                #[handler]
                fn f(self: Arc<Self>) {}
            ),
            ["borrows the object", "`&mut self`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&'a self) {}
            ),
            ["lifetime", "without one"],
        ),
        (
            quote!(
                #[handler]
                fn f<T>(&self) {}
            ),
            ["generics", "concrete"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self)
                where
                    u8: Copy,
                {
                }
            ),
            ["`where`", "concrete"],
        ),
        (
            quote!(
                #[handler]
                unsafe fn f(&self) {}
            ),
            ["unsafe", "anybody"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, ctx: Context) {}
            ),
            ["context", "`&Context`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&mut self, ctx: Context) {}
            ),
            ["context", "`&mut Context`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, ctx: &mut Context) {}
            ),
            ["`&Context`", "`&mut self`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&mut self, n: i64, ctx: &mut Context) {}
            ),
            ["first", "`self`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&mut self, #[arg(default)] ctx: &mut Context) {}
            ),
            ["`#[arg]`", "node"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, name: &str) {}
            ),
            ["`&str` is borrowed", "`String`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, name: Option<&[u8]>) {}
            ),
            ["`&[u8]` is borrowed", "`Vec<u8>`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, name: Cow<'a, str>) {}
            ),
            ["lifetime", "owned"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, name: impl Into<String>) {}
            ),
            ["impl Into<String>", "owned"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, (a, b): (u8, u8)) {}
            ),
            ["by name", "body"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, _: u8) {}
            ),
            ["by name", "body"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, #[arg(defalt = 1)] n: u8) {}
            ),
            ["the only one is `default`", ""],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, #[arg] n: u8) {}
            ),
            ["`#[arg(default = 1)]`", ""],
        ),
        (
            quote!(
                #[handler]
                fn f(&self, #[arg()] n: u8) {}
            ),
            ["says nothing", "`#[arg(default = 1)]`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self) -> &str {
                    ""
                }
            ),
            ["`&str` is borrowed", "`String`"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self) -> impl Iterator<Item = u8> {
                    x
                }
            ),
            ["concrete type", "impl Iterator"],
        ),
        (
            quote!(
                #[handler]
                fn f(&self) -> impl Future<Output = u8> {
                    x
                }
            ),
            ["`async fn`", ""],
        ),
        (
            quote!(
                #[handler(reentrant)]
                fn f(&mut self) {}
            ),
            ["`&self`", "before that turn"],
        ),
        (
            quote!(
                #[handler(reentrent)]
                fn f(&self) {}
            ),
            ["the only one is `reentrant`", ""],
        ),
        (
            quote!(
                #[handler]
                fn invoke(&self) {}
            ),
            ["`invoke`", "another name"],
        ),
        (
            quote!(
                #[handler]
                fn on_create(&mut self) {}
            ),
            ["name of a hook", "`#[hook]`"],
        ),
    ] {
        refused(&method, &parts);
    }
}

#[test]
fn an_alarm_or_hook_that_cannot_work_is_refused_with_what_to_write() {
    for (method, parts) in [
        (
            quote!(
                #[hook]
                fn on_connect(&mut self) {}
            ),
            ["hook of sessions", "`#[object(session)]`"],
        ),
        (
            quote!(
                #[alarm]
                fn f(&self) {}
            ),
            ["an alarm", "`&mut self`"],
        ),
        (
            quote!(
                #[alarm]
                fn f() {}
            ),
            ["an alarm", "`&mut self`"],
        ),
        (
            quote!(
                #[alarm]
                fn f(&mut self, a: u8, b: u8) {}
            ),
            ["one payload", "struct"],
        ),
        (
            quote!(
                #[alarm]
                fn f(&mut self, #[arg(default)] a: u8) {}
            ),
            ["`Option`", ""],
        ),
        (
            quote!(
                #[alarm(x)]
                fn f(&mut self) {}
            ),
            ["no options", "`#[alarm]`"],
        ),
        (
            quote!(
                #[hook]
                fn on_start(&mut self) {}
            ),
            ["`on_start` is not a hook", "`on_activate`"],
        ),
        (
            quote!(
                #[hook]
                fn on_create(&mut self, a: u8) {}
            ),
            ["no arguments", "`self`"],
        ),
        (
            quote!(
                #[hook]
                fn on_create(&self) {}
            ),
            ["a hook", "`&mut self`"],
        ),
        (
            quote!(
                fn on_delete(&mut self) {}
            ),
            ["add `#[hook]`", "rename"],
        ),
        (
            quote!(
                #[handler]
                #[alarm]
                fn f(&mut self) {}
            ),
            ["one thing", "`#[alarm]`"],
        ),
    ] {
        refused(&method, &parts);
    }
}

#[test]
fn an_option_that_cannot_be_is_refused_with_what_to_write() {
    for (options, part) in [
        (quote!(hibernate = "5m"), "did you mean `hibernate_after`"),
        (quote!(hibernate_after = 5), "`hibernate_after = \"5m\"`"),
        (quote!(hibernate_after), "needs a value"),
        (quote!(hibernate_after = "5"), "\"1h30m\""),
        (quote!(shutdown_after = "30m1h"), "or \"never\""),
        (quote!(history = 0), "whole number from 1"),
        (quote!(history = "some"), "\"all\" or \"none\""),
        (quote!(history = true), "`history = 1000`"),
        (quote!(durability = "fast"), "`\"behind:100ms\"`"),
        (quote!(durability = "behind:fast"), "\"fast\" is not a duration"),
        (quote!(version = "2"), "`version = 2`"),
        (quote!(version = 5_000_000_000), "`version = 2`"),
        (quote!(mailbox = 10u8), "`mailbox = 1000`"),
        (quote!(migrate = up), "`version = 2`"),
        (quote!(version = 2, migrate = "up"), "this is a path"),
        (quote!(stateless = true), "write `stateless` alone"),
        (quote!(autoload = 1), "`autoload = \"id\"`"),
        (quote!(autoload = ["a", ""]), "1 to 512 bytes"),
        (quote!(name = "no spaces"), "starts with a letter"),
        (quote!(mailbox = 1, mailbox = 2), "given twice"),
        (quote!(mailbox: 1), "`#[object(hibernate_after"),
    ] {
        let found = object_errors(options.clone(), &quote!(impl Counter {}));
        let [error] = found.as_slice() else { panic!("{options}: {found:?}") };
        assert!(error.contains(part), "{options}: {error:?} lacks {part:?}");
    }
}

#[test]
fn an_item_that_cannot_be_an_object_is_refused_with_what_to_write() {
    for (item, part) in [
        (
            quote!(
                struct Counter {
                    count: i64,
                }
            ),
            "`#[object] impl Counter { … }`",
        ),
        (
            quote!(
                fn counter() {}
            ),
            "`#[object] impl Counter { … }`",
        ),
        (quote!(impl Clone for Counter {}), "not on that of a trait"),
        (
            quote!(
                impl<T> Counter<T> {}
            ),
            "no generics",
        ),
        (quote!(impl [u8] {}), "an object is a struct"),
    ] {
        let found = object_errors(TokenStream::new(), &item);
        let [error] = found.as_slice() else { panic!("{item}: {found:?}") };
        assert!(error.contains(part), "{item}: {error:?} lacks {part:?}");
    }
}

#[test]
fn a_state_that_cannot_be_is_refused_with_what_to_write() {
    for (item, part) in [
        (
            quote!(
                struct Counter(i64);
            ),
            "`struct Counter { value: … }`",
        ),
        (
            quote!(
                enum Counter {
                    A,
                }
            ),
            "`struct Counter { … }`",
        ),
        (quote!(union Counter { a: u8 }), "`struct Counter { … }`"),
        (
            quote!(
                struct Counter<T> {
                    count: T,
                }
            ),
            "no generics",
        ),
        (
            quote!(
                struct Counter {
                    #[state(renam = "x")]
                    count: u8,
                }
            ),
            "did you mean `rename`",
        ),
        (
            quote!(
                struct Counter {
                    #[state(rename = 5)]
                    count: u8,
                }
            ),
            "`rename = \"name\"`",
        ),
        (
            quote!(
                struct Counter {
                    a: u8,
                    #[state(rename = "a")]
                    b: u8,
                }
            ),
            "two fields are stored as `a`",
        ),
        (
            quote!(
                struct Counter {
                    a: u8,
                    #[state(alias = "a")]
                    b: u8,
                }
            ),
            "two fields are stored as `a`",
        ),
        (
            quote!(
                #[state(tagged)]
                struct Counter {
                    a: u8,
                }
            ),
            "not an option of a state",
        ),
    ] {
        let found = errors(&state::expand(item.clone()));
        let [error] = found.as_slice() else { panic!("{item}: {found:?}") };
        assert!(error.contains(part), "{item}: {error:?} lacks {part:?}");
    }
}

#[test]
fn all_the_mistakes_of_a_block_are_found_at_once_and_the_rest_still_works() {
    let tokens = object::expand(
        quote!(histroy = 1, mailbox = "many"),
        &quote! {
            impl Counter {
                #[handler] fn one(&self, name: &str, (a, b): (u8, u8)) -> &str { "" }
                #[alarm] fn two() {}
                #[handler] fn three(&self) {}
                #[handler] fn three(&self) {}
                #[handler] fn good(&self) -> i64 { 1 }
            }
        },
    );
    assert_eq!(errors(&tokens).len(), 7, "{:#?}", errors(&tokens));
    let text = pretty(&tokens);
    assert!(text.contains("handler::<__Counter_good>()"));
    assert!(!text.contains("__Counter_one"));
    assert!(!text.contains("#[handler]"), "an attribute was left on a method");
}

#[test]
fn a_state_without_fields_is_fine() {
    for item in [
        quote!(
            struct Echo;
        ),
        quote!(
            struct Echo {}
        ),
    ] {
        assert_eq!(errors(&state::expand(item)), Vec::<String>::new());
    }
}

#[test]
fn a_handler_attribute_outside_an_object_says_where_it_belongs() {
    for item in [
        quote!(
            fn f(&self) -> u8 {
                1
            }
        ),
        quote!(
            struct X;
        ),
    ] {
        let found = errors(&object::misplaced("handler", &item));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`#[handler]` works only inside an `#[object]` impl"), "{found:?}");
    }
}
