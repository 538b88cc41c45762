//! Texts in the encodings that owners' computers write, as modules/esp-text.sh reads them.

/// A text, and whether it had to be guessed that it is in Windows-1252.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// With line ends of Unix and without a byte order mark.
    pub text: String,
    pub guessed: bool,
}

/// What Windows-1252 has in the place of the control characters 0x80 to 0x9f; 0 where it has nothing.
const WINDOWS_1252: [u16; 32] = [
    0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039,
    0x0152, 0, 0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc,
    0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
];

/// The text in `bytes`; `None` if it is none.
pub fn decode(bytes: &[u8]) -> Option<Decoded> {
    let (text, guessed) = match bytes {
        [0xff, 0xfe, ..] | [1..=255, 0, ..] => (utf_16(bytes, u16::from_le_bytes)?, false),
        [0xfe, 0xff, ..] | [0, ..] => (utf_16(bytes, u16::from_be_bytes)?, false),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_string(), false),
            Err(_) => (bytes.iter().map(windows_1252).collect::<Option<_>>()?, true),
        },
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let control = |letter: char| letter < ' ' && !"\t\n\x0c\r".contains(letter);
    if text.contains(control) {
        return None;
    }
    let text = if text.contains('\n') {
        text.replace('\r', "")
    } else {
        text.replace('\r', "\n")
    };
    Some(Decoded { text, guessed })
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    if rest.is_empty() {
        String::from_utf16(&units).ok()
    } else {
        None
    }
}

fn windows_1252(byte: &u8) -> Option<char> {
    match byte {
        0x80..=0x9f => match WINDOWS_1252[usize::from(byte - 0x80)] {
            0 => None,
            code => char::from_u32(code.into()),
        },
        _ => Some(char::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> Option<String> {
        decode(bytes).map(|decoded| decoded.text)
    }

    #[test]
    fn each_encoding_is_read() {
        for bytes in [
            &b"a\xc3\xa9\r\nb"[..],
            b"\xef\xbb\xbfa\xc3\xa9\nb",
            b"\xff\xfea\0\xe9\0\n\0b\0",
            b"\xfe\xff\0a\0\xe9\0\n\0b",
            b"a\0\xe9\0\n\0b\0",
            b"\0a\0\xe9\0\n\0b",
            b"a\xe9\r\nb",
            b"a\xe9\rb",
        ] {
            assert_eq!(text(bytes).as_deref(), Some("a\u{e9}\nb"), "{bytes:?}");
        }
        assert!(decode(b"\xe9").is_some_and(|decoded| decoded.guessed));
        assert_eq!(text(b"\x80\x9f").as_deref(), Some("\u{20ac}\u{178}"));
        assert_eq!(text(b"").as_deref(), Some(""));
    }

    #[test]
    fn what_is_no_text_is_not_read() {
        for bytes in [
            &b"a\0"[..2],
            b"\x00\x01\xfe\xff\x81",
            b"\xff\xfea\0b",
            b"a\x1b[31m",
            b"\x81",
            b"aaa\0",
        ] {
            // The first is one letter in UTF-16.
            assert_eq!(text(bytes).is_some(), bytes == b"a\0", "{bytes:?}");
        }
    }
}
