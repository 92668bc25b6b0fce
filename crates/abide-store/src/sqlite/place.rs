use abide_core::Seq;

/// Where an object is in the file and how far its log goes: all the writer must know of an object
/// to commit to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The object's row.
    pub(super) oid: i64,
    /// Its head.
    pub(super) head: Seq,
    /// Its floor.
    pub(super) floor: Seq,
    /// Where its last entry in the log is.
    pub(super) pos: i64,
    /// Whether it has no row yet.
    pub(super) new: bool,
    /// The last group that touched it.
    pub(super) group: u64,
    /// Its index among the objects that group touched.
    pub(super) slot: usize,
}

impl Place {
    /// The place of an object that is not there yet.
    pub(super) fn new(oid: i64) -> Self {
        Self { oid, head: Seq::ZERO, floor: Seq::ZERO, pos: 0, new: true, group: 0, slot: 0 }
    }
}
