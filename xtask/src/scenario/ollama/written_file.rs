//! A file that the container writes, looked for in the host's folder for models.

use anyhow::Result;

use crate::scenario::{Context, one_line};

const CONTENT: &str = "by-the-container";

#[derive(Debug, Clone)]
pub struct WrittenFile {
    /// Why the container could not write it to /root/.ollama/models.
    pub write_error: Option<String>,
    /// Its content in the host's folder, or an error message.
    pub content: String,
    /// `SOURCE FSTYPE` of the mount that the folder is on.
    pub mount: String,
}

impl WrittenFile {
    pub fn gather(cx: &mut Context) -> Result<Self> {
        let ollama = &cx.contract.ollama;
        let (container, folder) = (&ollama.container, ollama.models_word());
        let [write, content, mount] = cx.exec([
            &format!(
                "rm -rf /tmp/written && mkdir /tmp/written && echo {CONTENT} > /tmp/written/probe && \
                 docker cp /tmp/written/probe {container}:/root/.ollama/models/probe"
            ),
            &format!("cat {folder}/probe; rm -f {folder}/probe"),
            &format!("findmnt -no SOURCE,FSTYPE -T {folder} | tail -n 1"),
        ])?;
        Ok(WrittenFile {
            write_error: (!write.ok()).then_some(write.text),
            content: content.text,
            mount: mount.text,
        })
    }

    /// Why it did not get into `folder`; `None` if it did.
    pub fn fault(&self, folder: &str) -> Option<String> {
        let WrittenFile {
            write_error,
            content,
            ..
        } = self;
        match write_error {
            Some(error) => Some(format!("the container cannot write: {}", one_line(error))),
            None if content != CONTENT => Some(format!(
                "what the container wrote is not in {folder}: {content}"
            )),
            None => None,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A file that was written, on `mount`.
    pub fn written(mount: &str) -> WrittenFile {
        WrittenFile {
            write_error: None,
            content: CONTENT.to_string(),
            mount: mount.to_string(),
        }
    }
}
