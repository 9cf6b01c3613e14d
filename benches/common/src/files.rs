//! Files of results, and errors that name the file.

use std::{
    fs,
    io::{self, Error},
    path::Path,
};

/// The name and the content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub content: String,
}

impl File {
    pub fn new(name: impl Into<String>, content: String) -> Self {
        let name = name.into();
        Self { name, content }
    }
}

/// Writes files to a directory, and creates the directory if it doesn't exist.
///
/// # Errors
///
/// Returns the file system's error, with the path.
pub fn write(directory: &Path, files: &[File]) -> io::Result<()> {
    fs::create_dir_all(directory).map_err(with_path(directory))?;
    files.iter().try_for_each(|file| {
        let path = directory.join(&file.name);
        fs::write(&path, &file.content).map_err(with_path(&path))
    })
}

/// Puts the path in front of an error's text.
pub fn with_path(path: &Path) -> impl Fn(Error) -> Error {
    move |error| Error::new(error.kind(), format!("{}: {error}", path.display()))
}
