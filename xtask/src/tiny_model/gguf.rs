//! Writes GGUF, the file format of models for llama.cpp (version 3; ggml/docs/gguf.md in ggml-org/ggml).

use std::io::{self, Write};

/// Data begins, and each tensor in it, at a multiple of this many bytes.
const ALIGNMENT: u64 = 32;

/// A value of the metadata.
#[derive(Debug, Clone)]
pub enum Value {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    F32s(Vec<f32>),
    I32s(Vec<i32>),
}

/// The name and shape of a tensor of 32-bit floats. The first length is that of the rows, which are contiguous.
#[derive(Debug, Clone)]
pub struct Tensor {
    pub name: String,
    pub shape: Vec<u64>,
}

impl Tensor {
    /// Bytes.
    pub fn size(&self) -> u64 {
        4 * self.shape.iter().product::<u64>()
    }
}

/// Writes everything but the tensors' data, which follows: one tensor after the other, each filled up with [`padding`].
///
/// # Errors
/// Those of `out`.
pub fn write_header(
    out: &mut impl Write,
    metadata: &[(&str, Value)],
    tensors: &[Tensor],
) -> io::Result<()> {
    let mut header = b"GGUF".to_vec();
    header.extend(3_u32.to_le_bytes());
    count(&mut header, tensors.len());
    count(&mut header, metadata.len());
    for (key, value) in metadata {
        text(&mut header, key);
        let (kind, bytes) = encoded(value);
        header.extend(kind.to_le_bytes());
        header.extend(bytes);
    }
    let mut offset = 0_u64;
    for tensor in tensors {
        text(&mut header, &tensor.name);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        for length in &tensor.shape {
            header.extend(length.to_le_bytes());
        }
        header.extend(F32.to_le_bytes());
        header.extend(offset.to_le_bytes());
        offset += tensor.size() + padding(tensor.size());
    }
    header.resize(header.len() + padding(header.len() as u64) as usize, 0);
    out.write_all(&header)
}

/// How many bytes are missing from `size` to the next multiple of the alignment.
pub fn padding(size: u64) -> u64 {
    size.next_multiple_of(ALIGNMENT) - size
}

/// A tensor's type.
const F32: u32 = 0;

/// The number of a value's type, and the value.
fn encoded(value: &Value) -> (u32, Vec<u8>) {
    const U32: u32 = 4;
    const I32: u32 = 5;
    const F32: u32 = 6;
    const BOOL: u32 = 7;
    const TEXT: u32 = 8;
    const ARRAY: u32 = 9;
    let array = |kind: u32, length: usize| {
        let mut bytes = kind.to_le_bytes().to_vec();
        count(&mut bytes, length);
        bytes
    };
    match value {
        Value::U32(number) => (U32, number.to_le_bytes().to_vec()),
        Value::F32(number) => (F32, number.to_le_bytes().to_vec()),
        Value::Bool(truth) => (BOOL, vec![u8::from(*truth)]),
        Value::Text(words) => {
            let mut bytes = Vec::new();
            text(&mut bytes, words);
            (TEXT, bytes)
        }
        Value::Texts(list) => {
            let mut bytes = array(TEXT, list.len());
            for one in list {
                text(&mut bytes, one);
            }
            (ARRAY, bytes)
        }
        Value::F32s(list) => {
            let mut bytes = array(F32, list.len());
            bytes.extend(list.iter().flat_map(|number| number.to_le_bytes()));
            (ARRAY, bytes)
        }
        Value::I32s(list) => {
            let mut bytes = array(I32, list.len());
            bytes.extend(list.iter().flat_map(|number| number.to_le_bytes()));
            (ARRAY, bytes)
        }
    }
}

fn count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend((count as u64).to_le_bytes());
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    count(bytes, text.len());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_the_format_says() {
        let metadata = [
            ("a", Value::Text("xy".to_string())),
            ("b", Value::I32s(vec![-1])),
        ];
        let tensors = [
            Tensor {
                name: "t".to_string(),
                shape: vec![3],
            },
            Tensor {
                name: "u".to_string(),
                shape: vec![2, 2],
            },
        ];
        let mut header = Vec::new();
        write_header(&mut header, &metadata, &tensors).unwrap();
        let mut expected = b"GGUF\x03\0\0\0".to_vec();
        let number = |bytes: &mut Vec<u8>, number: u64| bytes.extend(number.to_le_bytes());
        number(&mut expected, 2);
        number(&mut expected, 2);
        number(&mut expected, 1);
        expected.extend(b"a\x08\0\0\0");
        number(&mut expected, 2);
        expected.extend(b"xy");
        number(&mut expected, 1);
        expected.extend(b"b\x09\0\0\0\x05\0\0\0");
        number(&mut expected, 1);
        expected.extend(b"\xff\xff\xff\xff");
        number(&mut expected, 1);
        expected.extend(b"t\x01\0\0\0");
        number(&mut expected, 3);
        expected.extend(b"\0\0\0\0");
        number(&mut expected, 0);
        number(&mut expected, 1);
        expected.extend(b"u\x02\0\0\0");
        number(&mut expected, 2);
        number(&mut expected, 2);
        expected.extend(b"\0\0\0\0");
        // The first tensor has 12 bytes, and the second one begins at the next multiple of 32.
        number(&mut expected, 32);
        assert_eq!(&header[..expected.len()], expected);
        assert_eq!(header.len() % 32, 0);
        assert!(header.len() - expected.len() < 32);
    }
}
