//! Filters and orders as SQL over `state`.

use abide_core::{
    filter::{Comparison, Expr, Literal, Operator, Path},
    port::store::Order,
};
use serde_json::Value;

use super::{
    form::numeric,
    text::{escaped, quoted},
};

/// How many characters of a text are in an index: longer ones would not fit.
const INDEXED_CHARS: usize = 200;

/// A field, as SQL sees it. None of the expressions is ever NULL.
pub(super) struct Field {
    /// `null` 0, `false` 1, `true` 2, numbers 3, texts 4, lists and objects 5.
    pub(super) rank: String,
    /// The number; 0 for everything else.
    pub(super) number: String,
    /// The text; empty for everything else. In the order of its bytes.
    pub(super) text: String,
    /// The beginning of the text.
    pub(super) beginning: String,
}

impl Field {
    pub(super) fn new(path: &Path) -> Self {
        // `->` with a name looks into objects only, and gives NULL for everything else.
        let steps: String = path.segments().iter().map(|name| format!(" -> {}", quoted(name))).collect();
        let value = format!("(state{steps})");
        let rank = format!(
            "(CASE jsonb_typeof({value}) WHEN 'boolean' THEN CASE {value} #>> '{{}}' WHEN 'true' THEN 2 ELSE 1 END \
             WHEN 'number' THEN 3 WHEN 'string' THEN 4 WHEN 'array' THEN 5 WHEN 'object' THEN 5 ELSE 0 END)"
        );
        let number =
            format!("(CASE jsonb_typeof({value}) WHEN 'number' THEN ({value} #>> '{{}}')::numeric ELSE 0 END)");
        let text =
            format!("((CASE jsonb_typeof({value}) WHEN 'string' THEN {value} #>> '{{}}' ELSE '' END) COLLATE \"C\")");
        let beginning = format!("left({text}, {INDEXED_CHARS})");
        Self { rank, number, text, beginning }
    }

    /// What an index of a kind holds.
    pub(super) fn indexed(&self, name: &str, kind: &str) -> String {
        let Self { rank, number, beginning, .. } = self;
        let of_kind = of_kind(kind);
        format!("{name} ON objects (namespace, {rank}, {number}, ({beginning}), id) WHERE {of_kind}")
    }

    /// What rows are sorted by.
    pub(super) fn order(&self, descending: bool) -> String {
        let Self { rank, number, text, beginning } = self;
        let way = if descending { " DESC" } else { "" };
        format!("{rank}{way}, {number}{way}, {beginning}{way}, {text}{way}, id{way}")
    }
}

/// What an index of a kind is restricted to, and so must stand in a query word for word.
pub(super) fn of_kind(kind: &str) -> String {
    format!("kind = {} AND state IS NOT NULL", quoted(kind))
}

/// A condition and the values that it names as `$n`.
pub(super) struct Condition {
    pub(super) sql: String,
    pub(super) values: Vec<String>,
}

impl Condition {
    /// Adds a value, and gives its name.
    pub(super) fn value(&mut self, text: &str) -> String {
        self.values.push(escaped(text).into_owned());
        format!("${}::text", self.values.len())
    }

    /// Adds a filter.
    pub(super) fn filter(&mut self, expr: &Expr) {
        let sql = self.expr(expr);
        self.sql += &format!(" AND {sql}");
    }

    /// Restricts to what comes after a place in an order.
    pub(super) fn after(&mut self, order: &Order, value: &Value, id: &str) {
        let Field { rank, number, text, beginning } = Field::new(&order.path);
        let (place, numbered, texted) = match value {
            Value::Null => (0, None, ""),
            Value::Bool(value) => (1 + i32::from(*value), None, ""),
            Value::Number(number) => (3, Some(numeric(number)), ""),
            Value::String(text) => (4, None, text.as_str()),
            Value::Array(_) | Value::Object(_) => (5, None, ""),
        };
        let numbered = self.value(numbered.as_deref().unwrap_or("0"));
        let (texted, id) = (self.value(texted), self.value(id));
        let beyond = if order.descending { "<" } else { ">" };
        self.sql += &format!(
            " AND ({rank}, {number}, {beginning}) {beyond}= ({place}, {numbered}::numeric, left({texted}, {INDEXED_CHARS})) \
             AND ({rank}, {number}, {beginning}, {text}, id) {beyond} \
             ({place}, {numbered}::numeric, left({texted}, {INDEXED_CHARS}), {texted}, {id})"
        );
    }

    fn expr(&mut self, expr: &Expr) -> String {
        let mut join = |all: &[Expr], between: &str| {
            let all: Vec<String> = all.iter().map(|expr| self.expr(expr)).collect();
            format!("({})", all.join(between))
        };
        match expr {
            Expr::And(all) => join(all, " AND "),
            Expr::Or(any) => join(any, " OR "),
            Expr::Not(expr) => format!("(NOT {})", self.expr(expr)),
            Expr::Comparison(comparison) => self.comparison(comparison),
        }
    }

    fn comparison(&mut self, comparison: &Comparison) -> String {
        let field = Field::new(&comparison.path);
        let operator = match comparison.operator {
            Operator::NotEqual => {
                let equal = Comparison { operator: Operator::Equal, ..comparison.clone() };
                return format!("(NOT {})", self.comparison(&equal));
            }
            operator => operator.as_str(),
        };
        let equal = comparison.operator == Operator::Equal;
        match &comparison.literal {
            // Only equality knows these.
            Literal::Null | Literal::Bool(_) if !equal => "false".into(),
            Literal::Null => format!("({} = 0)", field.rank),
            Literal::Bool(value) => format!("({} = {})", field.rank, 1 + i32::from(*value)),
            Literal::Number(number) => {
                let value = self.value(&numeric(number));
                format!("({} = 3 AND {} {operator} {value}::numeric)", field.rank, field.number)
            }
            Literal::Text(text) => {
                let value = self.value(text);
                // The beginning may be equal where the text is not.
                let loose = operator.trim_end_matches('=').to_owned() + "=";
                format!(
                    "({} = 4 AND {} {loose} left({value}, {INDEXED_CHARS}) AND {} {operator} {value})",
                    field.rank, field.beginning, field.text
                )
            }
        }
    }
}
