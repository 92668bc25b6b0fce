//! What the writer and the reader agree on.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a backup begins with. The first byte is none of a text, and the last two are changed by whatever
/// takes it for one.
pub(super) const MAGIC: [u8; 8] = *b"\x89Abide\r\n";
/// The version of the format: 2 has alarms of principals beside all that 1 has.
pub(super) const VERSION: u16 = 2;
/// A frame that holds rows.
pub(super) const BLOCK: u8 = b'B';
/// The last frame.
pub(super) const END: u8 = b'E';
/// The most bytes of what a backup says of itself.
pub(super) const ABOUT_BYTES_MAX: u32 = 1 << 16;
/// The most bytes of the rows of a block, before and after compression.
pub(super) const BLOCK_BYTES_MAX: u32 = 1 << 30;
/// Bytes of a block before its rows: tag, number of the first row, rows, bytes before and after compression.
pub(super) const BLOCK_HEAD_BYTES: usize = 1 + 8 + 4 + 4 + 4;
/// Bytes of the last frame before its checksum: tag, blocks, six counts, digest.
pub(super) const END_BYTES: usize = 1 + 8 + 6 * 8 + 16;

/// The checksum of a frame. It goes over all that comes before it, by way of the one before.
pub(super) fn checksum(before: u64, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, before)
}
