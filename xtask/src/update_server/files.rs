//! What the server serves.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// Files by name.
pub type Files = BTreeMap<String, Content>;

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Bytes(Arc<[u8]>),
    /// The content of the file at this path, read while it is sent.
    File(PathBuf),
}

impl Content {
    /// The length in bytes, and a reader of the content.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(&self) -> io::Result<(u64, Box<dyn Read>)> {
        match self {
            Content::Bytes(bytes) => {
                Ok((bytes.len() as u64, Box::new(Cursor::new(Arc::clone(bytes)))))
            }
            Content::File(path) => {
                let file = File::open(path)?;
                Ok((file.metadata()?.len(), Box::new(file)))
            }
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Content::Bytes(bytes.into())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}
