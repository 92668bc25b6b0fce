//! What the macros' code names. Not for anybody else.

pub use abide_core::{
    Encoder, Error, Operations, State,
    collection::probe::{Probe, ProbeCollection, ProbeOther},
    schema::schema_of,
};
pub use serde;
pub use serde_json;

pub use crate::rejection::*;
pub use crate::{
    Access, Borrowed, Call, Context, Definition, Durability, Handle, Handler, History, Hook, Layout, Object, Options,
    Parameter, Running,
};
