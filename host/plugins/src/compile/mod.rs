//! Compiling in a process of its own.
//!
//! A valid component of 3 MB can keep the compiler busy for seconds and take 630 MB, and wasmtime does not count that as a
//! defect: compiling cannot be cancelled. So the tool starts itself again with [`CHILD_ARGUMENT`], hands over the components
//! on stdin, reads the machine code from stdout, and kills the child when it takes too long. The child limits its own CPU time
//! and memory first, has an empty environment, and opens no file. When it fails, the check does not run; nothing is ever
//! compiled in the tool's own process.

mod child;
mod parent;

pub use child::run_compile_child;
pub use parent::Compiler;

/// First argument with which the tool starts itself to compile.
pub const CHILD_ARGUMENT: &str = "__compile-plugin";

/// Form in which parent and child write byte strings to each other: length, little-endian, then the bytes.
mod frame {
    use std::io::{self, Read, Write};

    /// A frame may not be longer; a compiled Python component has 36 MB.
    const MAX: u64 = 1024 * 1024 * 1024;

    pub(super) fn encode(bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
        to.write_all(&(bytes.len() as u64).to_le_bytes())?;
        to.write_all(bytes)
    }

    /// The next frame, or none at the end.
    pub(super) fn decode(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
        let mut length = [0; 8];
        match from.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = u64::from_le_bytes(length);
        if length > MAX {
            return Err(io::Error::other("a frame is too long"));
        }
        let mut bytes = Vec::new();
        if from.take(length).read_to_end(&mut bytes)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some(bytes))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn frames_come_back_as_they_were_written() {
            let mut bytes = Vec::new();
            encode(b"one", &mut bytes).unwrap();
            encode(b"", &mut bytes).unwrap();
            let mut from = bytes.as_slice();
            assert_eq!(decode(&mut from).unwrap().unwrap(), b"one");
            assert_eq!(decode(&mut from).unwrap().unwrap(), b"");
            assert!(decode(&mut from).unwrap().is_none());
        }

        #[test]
        fn a_frame_that_breaks_off_or_claims_too_much_is_an_error() {
            assert!(decode(&mut [5, 0, 0, 0, 0, 0, 0, 0, b'x'].as_slice()).is_err());
            assert!(decode(&mut [0xff; 9].as_slice()).is_err());
        }
    }
}
