//! Edits of a kernel's command line.

use anyhow::Result;

use crate::error::usage;

/// A change of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterEdit {
    /// Appends this, such as `systemd.mask=sshd.service`.
    Add(String),
    /// Gives the first parameter of this name another value: `init=/nonexistent`.
    Set { name: String, value: String },
}

impl ParameterEdit {
    /// The `cmdline` after the edit.
    ///
    /// # Errors
    /// The parameter to set is not there.
    pub fn apply(&self, cmdline: &str) -> Result<String> {
        match self {
            ParameterEdit::Add(parameter) => Ok(format!("{} {parameter}", cmdline.trim_end())),
            ParameterEdit::Set { name, value } => {
                let start = format!("{name}=");
                let old = cmdline.split(' ').find(|word| word.starts_with(&start));
                let old = old.ok_or_else(|| {
                    usage(format!(
                        "the command line {cmdline:?} has no parameter {name}=: add it instead"
                    ))
                })?;
                // Replaced by position, because an earlier word may contain this one.
                let at = old.as_ptr() as usize - cmdline.as_ptr() as usize;
                let (before, after) = (&cmdline[..at], &cmdline[at + old.len()..]);
                Ok(format!("{before}{start}{value}{after}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_added_and_set() {
        let add = ParameterEdit::Add("panic=1 quiet".into());
        assert_eq!(
            add.apply("root=fstab\n").unwrap(),
            "root=fstab panic=1 quiet"
        );
        let set = |name: &str| ParameterEdit::Set {
            name: name.into(),
            value: "/nonexistent".into(),
        };
        assert_eq!(
            set("init").apply("rdinit=/a init=/b init=/c x").unwrap(),
            "rdinit=/a init=/nonexistent init=/c x"
        );
        let error = set("init").apply("rdinit=/a").unwrap_err().to_string();
        assert!(error.contains("has no parameter init="), "{error}");
    }
}
