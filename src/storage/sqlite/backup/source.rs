//! A backup as it is read: a plain database, or one as gzip. Its content tells which; its name does not matter.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};

use flate2::bufread::MultiGzDecoder;

use super::check::{HEADER_BYTES, Header};
use super::error::CopyProblem;
use super::watch::Watch;

/// The first bytes of gzip data (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// The reason why a backup could not be copied.
#[derive(Debug)]
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    Problem(CopyProblem),
    Stopped,
}

/// A backup, opened.
pub(super) struct Source {
    input: Input,
    /// The bytes that were read already.
    start: Vec<u8>,
    header: Header,
    file_bytes: u64,
}

impl Source {
    /// Opens a backup, and checks its header.
    pub(super) fn open(mut file: File) -> Result<Self, CopyError> {
        let file_bytes = file.metadata().map_err(CopyError::Read)?.len();
        let mut mark = Vec::new();
        (&mut file)
            .take(2)
            .read_to_end(&mut mark)
            .map_err(CopyError::Read)?;
        file.seek(SeekFrom::Start(0)).map_err(CopyError::Read)?;
        let file = Counted { file, read: 0 };
        let mut input = if mark == GZIP {
            Input::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                PIECE, file,
            ))))
        } else {
            Input::Plain(file)
        };
        let mut start = Vec::new();
        let mut piece = [0; HEADER_BYTES];
        while start.len() < HEADER_BYTES {
            match input.read(&mut piece[..HEADER_BYTES - start.len()])? {
                0 => break,
                read => start.extend_from_slice(&piece[..read]),
            }
        }
        let header = Header::parse(&start).and_then(|header| header.check().map(|()| header));
        Ok(Self {
            input,
            start,
            header: header.map_err(CopyError::Problem)?,
            file_bytes,
        })
    }

    /// Returns the schema version.
    pub(super) fn schema(&self) -> i64 {
        self.header.schema
    }

    /// Checks the length of a backup that is not compressed. The check sum of one that is needs all of it.
    pub(super) fn check_length(&self) -> Result<(), CopyProblem> {
        match self.input {
            Input::Plain(_) => self.header.check_length(self.file_bytes),
            Input::Gzip(_) => Ok(()),
        }
    }

    /// Writes the database to `to`, and checks its length.
    pub(super) fn copy(
        &mut self,
        to: &mut impl Write,
        watch: &mut Watch<'_>,
    ) -> Result<(), CopyError> {
        to.write_all(&self.start).map_err(CopyError::Write)?;
        let mut bytes = self.start.len() as u64;
        let mut piece = vec![0; PIECE];
        loop {
            if watch.note(self.input.read_so_far(), self.file_bytes) {
                return Err(CopyError::Stopped);
            }
            let read = self.input.read(&mut piece)?;
            if read == 0 {
                break;
            }
            bytes += read as u64;
            // Some bytes can unpack to very many.
            let is_too_long = |most| matches!(self.input, Input::Gzip(_)) && bytes > most;
            if self.header.database_bytes().is_some_and(is_too_long) {
                let reason = "it is longer than its header says".to_owned();
                return Err(CopyError::Problem(CopyProblem::Damaged(reason)));
            }
            to.write_all(&piece[..read]).map_err(CopyError::Write)?;
        }
        self.header.check_length(bytes).map_err(CopyError::Problem)
    }
}

enum Input {
    Plain(Counted),
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
}

impl Input {
    fn read(&mut self, piece: &mut [u8]) -> Result<usize, CopyError> {
        loop {
            let read = match self {
                Self::Plain(file) => file.read(piece),
                Self::Gzip(decoder) => decoder.read(piece),
            };
            return match read {
                Ok(read) => Ok(read),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // The kinds that the decoder uses: the end is missing; the data or their check sum are wrong.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    Err(CopyError::Problem(CopyProblem::Cut))
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::InvalidInput | ErrorKind::InvalidData
                    ) =>
                {
                    let reason = format!("its gzip data are wrong ({error})");
                    Err(CopyError::Problem(CopyProblem::Damaged(reason)))
                }
                Err(error) => Err(CopyError::Read(error)),
            };
        }
    }

    /// Returns the bytes of the file that were read.
    fn read_so_far(&self) -> u64 {
        match self {
            Self::Plain(file) => file.read,
            Self::Gzip(decoder) => decoder.get_ref().get_ref().read,
        }
    }
}

/// A file, and the number of bytes that were read of it.
struct Counted {
    file: File,
    read: u64,
}

impl Read for Counted {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(piece)?;
        self.read += read as u64;
        Ok(read)
    }
}
