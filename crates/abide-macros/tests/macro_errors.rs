//! Programs that must compile and run, and mistakes that must be told at the user's own tokens.
//!
//! After a text was changed on purpose: `TRYBUILD=overwrite cargo test -p abide-macros --test macro_errors`.

#[test]
fn macro_errors_are_told_where_they_are_and_right_programs_run() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
