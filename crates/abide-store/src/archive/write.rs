use std::io::{self, Write};

use abide_core::port::store::{Row, Tally};
use zstd::bulk::Compressor;

use super::{
    about::About,
    error::ArchiveError,
    frame::{BLOCK, BLOCK_BYTES_MAX, BLOCK_HEAD_BYTES, END, END_BYTES, MAGIC, VERSION, checksum},
};

/// About how many bytes of rows a block has before compression.
const BLOCK_BYTES: usize = 1 << 20;
/// How hard to compress: more would cost more time than the store's own reading.
const LEVEL: i32 = 1;

/// Writes a backup. What is not finished with [`Writer::finish`] is none.
pub struct Writer<W> {
    out: W,
    block_bytes: usize,
    compressor: Compressor<'static>,
    /// Rows that are not yet in a block.
    plain: Vec<u8>,
    rows: u32,
    frame: Vec<u8>,
    blocks: u64,
    checksum: u64,
    tally: Tally,
}

impl<W: Write> Writer<W> {
    /// Begins a backup.
    ///
    /// # Errors
    /// [`ArchiveError::Failed`] if it cannot be written.
    pub fn new(mut out: W, about: &About) -> Result<Self, ArchiveError> {
        let about = serde_json::to_vec(about).map_err(|error| ArchiveError::Failed(error.to_string()))?;
        let length = u32::try_from(about.len()).unwrap_or(u32::MAX);
        let head = [&MAGIC[..], &VERSION.to_le_bytes(), &length.to_le_bytes(), &about].concat();
        let checksum = checksum(0, &head);
        let write = |out: &mut W| out.write_all(&head).and_then(|()| out.write_all(&checksum.to_le_bytes()));
        write(&mut out).map_err(failed)?;
        let compressor = Compressor::new(LEVEL).map_err(failed)?;
        let (plain, frame) = (Vec::new(), Vec::new());
        let (block_bytes, tally) = (BLOCK_BYTES, Tally::default());
        Ok(Self { out, block_bytes, compressor, plain, rows: 0, frame, blocks: 0, checksum, tally })
    }

    /// Ends a block at about so many bytes before compression, a mebibyte unless said otherwise. A reader
    /// has one block in memory.
    #[must_use]
    pub fn block_bytes(self, block_bytes: usize) -> Self {
        Self { block_bytes, ..self }
    }

    /// Adds rows, in an order that an import takes.
    ///
    /// # Errors
    /// [`ArchiveError::Failed`] if they cannot be written; the backup is then of no use.
    pub fn push(&mut self, rows: &[Row]) -> Result<(), ArchiveError> {
        for row in rows {
            let start = self.plain.len();
            row.write(&mut self.plain);
            self.tally.add(row, &self.plain[start..]);
            self.rows += 1;
            if self.plain.len() >= self.block_bytes {
                self.block()?;
            }
        }
        Ok(())
    }

    /// Ends the backup. Gives back where it was written to, and what it holds.
    ///
    /// # Errors
    /// [`ArchiveError::Failed`] if it cannot be written; the backup is then of no use.
    pub fn finish(mut self) -> Result<(W, Tally), ArchiveError> {
        if self.rows > 0 {
            self.block()?;
        }
        let Tally { objects, changes, alarms, received, outcomes, messages, digest } = self.tally;
        self.frame.clear();
        self.frame.push(END);
        for number in [self.blocks, objects, changes, alarms, received, outcomes, messages] {
            self.frame.extend_from_slice(&number.to_le_bytes());
        }
        self.frame.extend_from_slice(&digest.number().to_le_bytes());
        debug_assert_eq!(self.frame.len(), END_BYTES);
        self.seal()?;
        self.out.flush().map_err(failed)?;
        Ok((self.out, self.tally))
    }

    fn block(&mut self) -> Result<(), ArchiveError> {
        let packed = self.compressor.compress(&self.plain).map_err(failed)?;
        let length = |bytes: usize| u32::try_from(bytes).ok().filter(|bytes| *bytes <= BLOCK_BYTES_MAX);
        let Some((plain, packed_bytes)) = length(self.plain.len()).zip(length(packed.len())) else {
            let why = format!("a row of {} bytes is more than a backup can hold", self.plain.len());
            return Err(ArchiveError::Failed(why));
        };
        self.frame.clear();
        self.frame.push(BLOCK);
        let first = self.tally.rows() - u64::from(self.rows);
        self.frame.extend_from_slice(&first.to_le_bytes());
        for number in [self.rows, plain, packed_bytes] {
            self.frame.extend_from_slice(&number.to_le_bytes());
        }
        debug_assert_eq!(self.frame.len(), BLOCK_HEAD_BYTES);
        self.frame.extend_from_slice(&packed);
        self.seal()?;
        self.blocks += 1;
        self.rows = 0;
        self.plain.clear();
        self.plain.shrink_to(2 * BLOCK_BYTES);
        Ok(())
    }

    /// Writes the frame and its checksum.
    fn seal(&mut self) -> Result<(), ArchiveError> {
        self.checksum = checksum(self.checksum, &self.frame);
        self.frame.extend_from_slice(&self.checksum.to_le_bytes());
        self.out.write_all(&self.frame).map_err(failed)
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn failed(error: io::Error) -> ArchiveError {
    ArchiveError::Failed(error.to_string())
}
