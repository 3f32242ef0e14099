//! A pack: many sealed blobs, then a sealed header that lists them, then the header's length.

mod header;
mod writer;

pub use header::{HEADER_LENGTH, PackedBlob, entry_size, parse_header};
pub use writer::PackWriter;
