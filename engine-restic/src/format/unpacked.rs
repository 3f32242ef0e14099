//! Whole files other than packs: in format version 2 a first byte says how the rest is encoded.

use crate::{Error, Result};

const COMPRESSED: u8 = 2;
/// Far above any file that programs write; a bomb must not fill the memory.
const MOST_BYTES: usize = 1 << 30;

/// Encodes the JSON of an index, snapshot or lock: compressed in format version 2, as it is in version 1.
pub fn encode(json: &[u8], version: u32) -> Result<Vec<u8>> {
    if version < 2 {
        return Ok(json.to_vec());
    }
    let failed = |error: std::io::Error| Error::damaged("a file to be written", format!("cannot compress it: {error}"));
    let mut out = vec![COMPRESSED];
    out.extend(zstd::bulk::compress(json, 3).map_err(failed)?);
    Ok(out)
}

/// Undoes [`encode`]; `object` names the file in errors.
pub fn decode(mut plain: Vec<u8>, object: &str) -> Result<Vec<u8>> {
    match plain.first() {
        Some(b'{' | b'[') => Ok(plain),
        Some(&COMPRESSED) => {
            plain.remove(0);
            decompress(&plain).map_err(|error| Error::damaged(object, format!("cannot decompress it: {error}")))
        }
        Some(byte) => Err(Error::damaged(object, format!("encoding {byte} is not known"))),
        None => Err(Error::damaged(object, "it is empty")),
    }
}

fn decompress(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(data)?;
    let read = std::io::Read::read_to_end(&mut std::io::Read::take(decoder, MOST_BYTES as u64 + 1), &mut out)?;
    if read > MOST_BYTES {
        return Err(std::io::Error::other("it is larger than any such file"));
    }
    Ok(out)
}
