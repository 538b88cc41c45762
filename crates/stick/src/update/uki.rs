//! What a UKI says about its system.

use std::collections::BTreeMap;

use object::read::pe::PeFile64;
use object::{Object, ObjectSection};

/// The section with os-release(5) (UAPI Group, "Unified Kernel Image").
const OS_RELEASE: &str = ".osrel";
/// The prefix of the owner's settings.
const OURS: &str = "OLLAMALIVE_";

/// The os-release(5) in a UKI.
///
/// # Errors
/// Why there is none, as the rest of a sentence that begins with the file's name.
pub fn os_release(uki: &[u8]) -> Result<String, String> {
    let file = PeFile64::parse(uki).map_err(|error| format!("is not a PE file ({error})"))?;
    let section = file
        .section_by_name(OS_RELEASE)
        .ok_or_else(|| format!("has no section {OS_RELEASE}"))?;
    let bytes = section
        .data()
        .map_err(|error| format!("is cut off ({error})"))?;
    let text = String::from_utf8(bytes.to_vec())
        .map_err(|_| format!("has a section {OS_RELEASE} that is not UTF-8"))?;
    Ok(text.trim_end_matches('\0').to_string())
}

/// The owner's settings in an os-release(5), whose lines are assignments as a shell reads them.
///
/// # Errors
/// The first of these lines that is not KEY=VALUE, in a sentence as for [`os_release`].
pub fn configuration(text: &str) -> Result<BTreeMap<String, String>, String> {
    let ours = text.lines().filter(|line| line.starts_with(OURS));
    ours.map(|line| {
        let words = shlex::split(line).unwrap_or_default();
        match &words[..] {
            [word] => word.split_once('='),
            _ => None,
        }
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .ok_or_else(|| format!("has the line {line:?}, which is not KEY=VALUE, in {OS_RELEASE}"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::uki;

    #[test]
    fn values_are_unquoted_as_a_shell_does() {
        let text = r#"
# OLLAMALIVE_COMMENT=1
NAME=NixOS
PRETTY_NAME="NixOS 26.11 (Zokor"
OLLAMALIVE_USER=alice
OLLAMALIVE_MODELS_DRIVE="LABEL=AI Models"
OLLAMALIVE_HOST_NAME='a "b" \c'
OLLAMALIVE_ODD="\$5 \"x\" \\ \`y\`"
OLLAMALIVE_EMPTY=
OLLAMALIVE_QUOTED_EMPTY=""
"#;
        let found = configuration(text).unwrap();
        let expected = [
            ("OLLAMALIVE_EMPTY", ""),
            ("OLLAMALIVE_HOST_NAME", r#"a "b" \c"#),
            ("OLLAMALIVE_MODELS_DRIVE", "LABEL=AI Models"),
            ("OLLAMALIVE_ODD", r#"$5 "x" \ `y`"#),
            ("OLLAMALIVE_QUOTED_EMPTY", ""),
            ("OLLAMALIVE_USER", "alice"),
        ];
        assert_eq!(
            found,
            expected
                .map(|(key, value)| (key.into(), value.into()))
                .into()
        );
    }

    #[test]
    fn a_line_of_ours_that_is_no_assignment_is_quoted() {
        for line in ["OLLAMALIVE_A=\"b", "OLLAMALIVE_A=b c", "OLLAMALIVE_A"] {
            let error = configuration(line).unwrap_err();
            assert!(error.contains(&format!("{line:?}")), "{error}");
        }
    }

    #[test]
    fn os_release_is_read_from_its_section() {
        let text = "ID=nixos\nOLLAMALIVE_LAYOUT=2\n";
        assert_eq!(os_release(&uki(text)).unwrap(), text);
        let mut other = uki(text);
        let place = other.windows(6).position(|bytes| bytes == b".osrel");
        other[place.unwrap()] = b'x';
        assert!(os_release(&other).unwrap_err().contains("no section"));
        assert!(os_release(b"MZ").unwrap_err().contains("not a PE file"));
        let whole = uki(text);
        assert!(os_release(&whole[..520]).unwrap_err().contains("cut off"));
    }
}
