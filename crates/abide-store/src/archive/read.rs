use std::io::{self, ErrorKind, Read};

use abide_core::port::store::{Digest, Row, Tally};

use super::{
    about::About,
    error::ArchiveError,
    frame::{ABOUT_BYTES_MAX, BLOCK, BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, END, END_BYTES, MAGIC, VERSION, checksum},
};

/// Reads a backup, block by block. What it gives was checked, but that the backup is whole is known only at
/// its end: [`check`] it before anything is made of it.
pub struct Reader<R> {
    from: Source<R>,
    about: About,
    checksum: u64,
    blocks: u64,
    /// The number of the next row.
    row: u64,
    /// What was read, unless something was passed over.
    tally: Option<Tally>,
    frame: Vec<u8>,
}

/// Rows that stand next to each other in a backup.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The number of the first one, counted from zero.
    pub first: u64,
    /// The rows.
    pub rows: Vec<Row>,
    /// How many bytes of the backup are behind.
    pub offset: u64,
}

/// Bytes, and how many of them were read.
struct Source<R> {
    input: R,
    offset: u64,
}

/// Reads all of a backup and says what it holds. `progress` is told how many bytes were read, now and then.
///
/// # Errors
/// [`ArchiveError`] if any byte of it is not as it was written.
pub fn check(input: impl Read, mut progress: impl FnMut(u64)) -> Result<(About, Tally), ArchiveError> {
    let mut reader = Reader::new(input)?;
    while let Some(block) = reader.next(0)? {
        progress(block.offset);
    }
    let tally = reader.tally.unwrap_or_default();
    Ok((reader.about, tally))
}

impl<R: Read> Reader<R> {
    /// Reads the beginning of a backup.
    ///
    /// # Errors
    /// [`ArchiveError`] says what is wrong with it.
    pub fn new(input: R) -> Result<Self, ArchiveError> {
        let mut from = Source { input, offset: 0 };
        let mut head = Vec::new();
        from.fill(&mut head, MAGIC.len() as u64)?;
        if head != MAGIC {
            let why = if head.is_empty() { "it is empty" } else { "it does not begin as a backup does" };
            return Err(ArchiveError::NotABackup { why: why.into() });
        }
        from.append(&mut head, 2 + 4)?;
        let mut fields = Fields(&head[MAGIC.len()..]);
        let version = fields.take().map(u16::from_le_bytes).unwrap_or_default();
        if version > VERSION || version == 0 {
            return Err(ArchiveError::NewerVersion { found: version, known: VERSION });
        }
        let length = fields.u32();
        if length > ABOUT_BYTES_MAX {
            return Err(damaged(0, format!("it would say {length} bytes of itself")));
        }
        let text = head.len();
        from.append(&mut head, length.into())?;
        let checksum = from.checked(0, &head)?;
        let about = serde_json::from_slice(&head[text..]);
        let about = about.map_err(|error| damaged(0, format!("what it says of itself cannot be read: {error}")))?;
        Ok(Self { from, about, checksum, blocks: 0, row: 0, tally: Some(Tally::default()), frame: Vec::new() })
    }

    /// What the backup says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The next block that has a row with the number `from` or a later one; blocks before are passed over,
    /// though their checksums are compared. `None` at the end, where the counts, and the digest if nothing
    /// was passed over, are compared with what was read.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if a byte is not as it was written, or if bytes are missing or too many.
    pub fn next(&mut self, from: u64) -> Result<Option<Block>, ArchiveError> {
        loop {
            let start = self.from.offset;
            self.frame.clear();
            self.from.append(&mut self.frame, 1)?;
            match self.frame[0] {
                BLOCK => {
                    if let Some(block) = self.block(start, from)? {
                        return Ok(Some(block));
                    }
                }
                END => {
                    self.end(start)?;
                    return Ok(None);
                }
                other => return Err(damaged(start, format!("there is no frame with the tag {other}"))),
            }
        }
    }

    fn block(&mut self, start: u64, from: u64) -> Result<Option<Block>, ArchiveError> {
        self.from.append(&mut self.frame, BLOCK_HEAD_BYTES as u64 - 1)?;
        let mut fields = Fields(&self.frame[1..]);
        let (first, rows, plain, packed) = (fields.u64(), fields.u32(), fields.u32(), fields.u32());
        if plain.max(packed) > BLOCK_BYTES_MAX {
            return Err(damaged(start, format!("a block would have {} bytes", plain.max(packed))));
        }
        self.from.append(&mut self.frame, packed.into())?;
        self.checksum = self.from.checked(self.checksum, &self.frame)?;
        if first != self.row {
            return Err(damaged(start, format!("a block begins with row {first}, where {} is expected", self.row)));
        }
        self.row += u64::from(rows);
        self.blocks += 1;
        if self.row <= from {
            self.tally = None;
            return Ok(None);
        }
        let rows = self.unpack(rows, plain).map_err(|why| damaged(start, why))?;
        Ok(Some(Block { first, rows, offset: self.from.offset }))
    }

    fn unpack(&mut self, count: u32, length: u32) -> Result<Vec<Row>, String> {
        let mut plain = Vec::new();
        let decoder = zstd::Decoder::with_buffer(&self.frame[BLOCK_HEAD_BYTES..]);
        // It grows as it is read: a length alone makes nobody take memory.
        let mut limited = decoder.map_err(|error| error.to_string())?.take(u64::from(length) + 1);
        limited.read_to_end(&mut plain).map_err(|error| format!("a block cannot be decompressed: {error}"))?;
        if plain.len() as u64 != u64::from(length) {
            return Err(format!("a block has not the {length} bytes that it should"));
        }
        let mut rest = plain.as_slice();
        let mut rows = Vec::new();
        for _ in 0..count {
            let before = rest;
            let row = Row::read(&mut rest).map_err(|error| error.to_string())?;
            if let Some(tally) = &mut self.tally {
                tally.add(&row, &before[..before.len() - rest.len()]);
            }
            rows.push(row);
        }
        if rest.is_empty() { Ok(rows) } else { Err(format!("a block has more than its {count} rows")) }
    }

    fn end(&mut self, start: u64) -> Result<(), ArchiveError> {
        self.from.append(&mut self.frame, END_BYTES as u64 - 1)?;
        self.from.checked(self.checksum, &self.frame)?;
        let mut fields = Fields(&self.frame[1..]);
        let blocks = fields.u64();
        let tally = Tally {
            objects: fields.u64(),
            changes: fields.u64(),
            alarms: fields.u64(),
            received: fields.u64(),
            outcomes: fields.u64(),
            messages: fields.u64(),
            digest: Digest::new(fields.take().map(u128::from_le_bytes).unwrap_or_default()),
        };
        let counted = (self.blocks, self.row) == (blocks, tally.rows());
        if !counted || self.tally.is_some_and(|read| read != tally) {
            return Err(damaged(start, "its end counts other rows than there are".into()));
        }
        let mut more = Vec::new();
        self.from.fill(&mut more, 1)?;
        if more.is_empty() { Ok(()) } else { Err(damaged(self.from.offset - 1, "there is more after its end".into())) }
    }
}

impl<R: Read> Source<R> {
    /// Reads so many bytes, or as many as there are.
    fn fill(&mut self, to: &mut Vec<u8>, bytes: u64) -> Result<u64, ArchiveError> {
        let read = self.input.by_ref().take(bytes).read_to_end(to);
        let read = read.map_err(|error: io::Error| match error.kind() {
            ErrorKind::IsADirectory => ArchiveError::NotABackup { why: "it is a folder".into() },
            _ => ArchiveError::Failed(error.to_string()),
        })? as u64;
        self.offset += read;
        Ok(read)
    }

    /// Reads so many bytes.
    fn append(&mut self, to: &mut Vec<u8>, bytes: u64) -> Result<(), ArchiveError> {
        let start = self.offset;
        match self.fill(to, bytes)? {
            read if read == bytes => Ok(()),
            _ => Err(damaged(start, "it ends in the middle".into())),
        }
    }

    /// Reads the checksum of what was read and gives it, if it is right.
    fn checked(&mut self, before: u64, bytes: &[u8]) -> Result<u64, ArchiveError> {
        let start = self.offset - bytes.len() as u64;
        let mut stored = Vec::new();
        self.append(&mut stored, 8)?;
        let expected = checksum(before, bytes);
        if Fields(&stored).u64() == expected { Ok(expected) } else { Err(damaged(start, "a checksum is wrong".into())) }
    }
}

/// Fields of a frame. Their number was seen to before.
struct Fields<'f>(&'f [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> u32 {
        self.take().map(u32::from_le_bytes).unwrap_or_default()
    }

    fn u64(&mut self) -> u64 {
        self.take().map(u64::from_le_bytes).unwrap_or_default()
    }
}

fn damaged(at: u64, why: String) -> ArchiveError {
    ArchiveError::Damaged { at, why }
}
