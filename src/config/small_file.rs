//! Files that settings name and that are read whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The most bytes of such a file: a hundred times a configuration file with all settings, or hundreds of
/// certificates. More is another file, given by mistake.
const BYTES_MAX: u64 = 1 << 20;

/// Reads a file that is neither a pipe nor a device, from which a read could wait or never end: a running server reads
/// some of them again.
///
/// # Errors
/// The system's reason, or that it is no file or too large, in words.
pub fn read_small_file(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = path.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err("it is larger than 1 MiB".to_owned());
    }
    Ok(bytes)
}
