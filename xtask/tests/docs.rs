//! The documents: their commands exist, their links lead somewhere, what is generated is up to date.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::commands::{Facts, UNCHECKED};
use common::root;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use regex::Regex;
use xtask::snapshot;

/// What a document says that can be checked.
#[derive(Default)]
struct Document {
    /// From the project's top folder.
    name: String,
    path: PathBuf,
    /// Language and content of every block of code.
    blocks: Vec<(String, String)>,
    /// Code within sentences.
    spans: Vec<String>,
    /// Where links and pictures point.
    links: Vec<String>,
    /// What a link can point to within the document.
    anchors: BTreeSet<String>,
}

/// README.md and everything in docs/.
fn documents() -> Vec<Document> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .expect("docs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain([root().join("README.md")])
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Document {
    let text = fs::read_to_string(path).expect("a document");
    let mut document = Document {
        name: path.strip_prefix(root()).unwrap().display().to_string(),
        path: path.to_path_buf(),
        ..Document::default()
    };
    let sources = Regex::new(r#"(?:src|srcset|href)="([^"]+)""#).unwrap();
    let (mut heading, mut block): (Option<String>, Option<(String, String)>) = (None, None);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some((language, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => document.blocks.extend(block.take()),
            Event::Start(Tag::Heading { level, .. }) if level != HeadingLevel::H1 => {
                heading = Some(String::new());
            }
            Event::End(TagEnd::Heading(_)) => {
                document
                    .anchors
                    .extend(heading.take().map(|words| anchor(&words)));
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push(dest_url.to_string());
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                document.links.extend(
                    sources
                        .captures_iter(&html)
                        .map(|found| found[1].to_string()),
                );
            }
            Event::Text(words) => {
                if let Some((_, content)) = &mut block {
                    content.push_str(&words);
                } else if let Some(title) = &mut heading {
                    title.push_str(&words);
                }
            }
            Event::Code(words) => {
                if let Some(title) = &mut heading {
                    title.push_str(&words);
                }
                document.spans.push(words.to_string());
            }
            _ => {}
        }
    }
    document
}

/// A heading's anchor, as GitHub makes it.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_command_exists_or_is_listed_as_unchecked() {
    let facts = Facts::read();
    let mut used = BTreeSet::new();
    for document in documents() {
        for (language, script) in &document.blocks {
            let known = ["sh", "powershell", "nix", "text", "json"];
            assert!(
                known.contains(&language.as_str()),
                "{}: a block of {language:?}",
                document.name
            );
            if language == "sh" {
                match facts.check(script) {
                    Ok(unchecked) => used.extend(unchecked),
                    Err(wrong) => panic!("{}: {wrong:#?}", document.name),
                }
            }
        }
        for span in &document.spans {
            let command = ["cargo xtask ", "nix build ", "journalctl ", "systemctl "];
            if command.iter().any(|start| span.starts_with(start))
                && let Err(wrong) = facts.check(span)
            {
                panic!("{}: {wrong:#?}", document.name);
            }
        }
    }
    let idle: Vec<_> = UNCHECKED
        .iter()
        .filter(|(name, _)| !used.contains(name))
        .collect();
    assert!(
        idle.is_empty(),
        "listed as unchecked, and in no document: {idle:?}"
    );
}

#[test]
fn what_does_not_exist_is_noticed() {
    let facts = Facts::read();
    for wrong in [
        "cargo xtask test --gest standin",
        "cargo xtask test no-such-scenario",
        "cargo xtask tset",
        "cd x && nix build .#row",
        "journalctl -u ollama",
        "sudo systemctl restart nothing.service",
        "docker exec -it olama ollama list",
        "docker save ollama/ollama:latest -o x.tar",
        "cargo test -p xtask --test no-such-file",
        "docker run nixos/nix sh -c 'nix build .#row'",
        "rm -rf /",
        "echo 'open",
    ] {
        assert!(facts.check(wrong).is_err(), "{wrong} was not noticed");
    }
    assert_eq!(
        facts.check("cargo xtask test ssh --yes # now\nssh me@there && nix build path:.#raw"),
        Ok(vec!["ssh"])
    );
}

#[test]
fn links_lead_somewhere() {
    let documents = documents();
    for document in &documents {
        for link in &document.links {
            if link.contains("://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let path = match file {
                "" => document.path.clone(),
                // GitHub's own page, which is two folders above the file on a branch.
                _ if file.ends_with("../../releases") => continue,
                file => document.path.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{}: {link} leads nowhere", document.name);
            if !fragment.is_empty() {
                let path = path.canonicalize().unwrap();
                let target = documents.iter().find(|other| other.path == path);
                let found = target.is_some_and(|target| target.anchors.contains(fragment));
                assert!(found, "{}: {link} has no such heading", document.name);
            }
        }
    }
}

#[test]
fn every_document_is_linked_from_the_readme() {
    let documents = documents();
    let readme = documents
        .iter()
        .find(|document| document.name == "README.md")
        .unwrap();
    for document in documents
        .iter()
        .filter(|document| document.name != "README.md")
    {
        assert!(
            readme.links.contains(&document.name),
            "README.md does not lead to {}",
            document.name
        );
    }
}

/// The sizes in the picture are those that the modules come to.
#[test]
fn the_picture_of_the_stick_is_true() {
    let image = &snapshot::load_json(&snapshot::folder(&root())).unwrap()["image"];
    let picture = fs::read_to_string(root().join("docs/images/stick.svg")).unwrap();
    for size in ["espBytes", "storeSlotBytes", "persistOffsetBytes"] {
        let size = format!("{} MiB", image[size].as_u64().unwrap() >> 20);
        assert!(picture.contains(&size), "stick.svg does not say {size}");
    }
}

/// Options that are written about, in Nix or in a sentence, can be set.
#[test]
fn options_that_are_named_exist() {
    let contract = snapshot::load_json(&snapshot::folder(&root())).unwrap();
    let names: Vec<&str> = contract["options"]
        .as_array()
        .expect("the record has options")
        .iter()
        .map(|option| option["name"].as_str().unwrap())
        .collect();
    let mention = Regex::new(r"ollamalive\.[a-z][A-Za-z.]*[A-Za-z]").unwrap();
    for document in documents() {
        let blocks = document.blocks.iter().map(|(_, content)| content);
        for text in blocks.chain(&document.spans) {
            // A file of that name is no option.
            for found in mention.find_iter(text).map(|found| found.as_str()) {
                let file = ["raw", "iso", "img"]
                    .iter()
                    .any(|kind| found.starts_with(&format!("ollamalive.{kind}")));
                assert!(
                    file || names.contains(&found),
                    "{}: there is no option {found}",
                    document.name
                );
            }
        }
    }
}
