//! The evaluated configuration against its record, by insta, one test a snapshot. Differences are shown, and accepted, as
//! insta always does it; `cargo xtask snapshot` does the same without a test runner.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Failed, Trial};
use xtask::contract::Contract;
use xtask::nix::Nix;
use xtask::{snapshot, variant};

/// The longest line that a difference can show at a glance.
const READABLE: usize = 150;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        common::trial("the_record_has_the_contracts_shape", &[], || {
            let contract = snapshot::load(&snapshot::folder(&common::root()))?;
            assert!(contract.users.accounts.contains_key(&contract.users.owner));
            Ok(())
        }),
        common::trial("the_record_is_fresh", &[], || {
            Ok(snapshot::require_fresh(
                &snapshot::folder(&common::root()),
                &common::root(),
            )?)
        }),
        common::trial("the_record_has_readable_lines", &[], readable),
        common::trial("every_variant_is_recorded", &[], variants_recorded),
        common::trial("every_option_is_set_in_a_variant", &[], options_varied),
        common::trial(
            "every_setting_of_ollama_reaches_its_container",
            &[],
            settings_passed_on,
        ),
    ];
    trials.extend(evaluated());
    libtest_mimic::run(&arguments, trials).exit();
}

/// Each variant's record has the contract's shape, and there is no other.
fn variants_recorded() -> Result<(), Failed> {
    let folder = snapshot::folder(&common::root());
    let names: Vec<String> = variant::all(&common::root())?
        .into_iter()
        .map(|variant| variant.name)
        .collect();
    for name in &names {
        snapshot::load_variant(&folder, &snapshot::variants::folder(&folder, name))?;
    }
    assert_eq!(snapshot::variants::recorded(&folder)?, names);
    Ok(())
}

/// A variant writes each option in full, so that a search finds it.
fn options_varied() -> Result<(), Failed> {
    let root = common::root();
    let mut texts = String::new();
    for file in std::fs::read_dir(root.join(variant::FOLDER))? {
        texts += &std::fs::read_to_string(file?.path())?;
    }
    let record = snapshot::load_json(&snapshot::folder(&root))?;
    let options = record["options"].as_array().ok_or("no options")?;
    let settable = options.iter().filter(|option| option["readOnly"] == false);
    let names: Vec<&str> = settable
        .filter_map(|option| option["name"].as_str())
        .collect();
    assert!(names.contains(&"ollamalive.user"), "{names:?}");
    for name in names {
        if !texts
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("{name} =")))
        {
            return Err(format!("no file in {} sets {name}", variant::FOLDER).into());
        }
    }
    Ok(())
}

/// In the variant that makes every setting of Ollama.
fn settings_passed_on() -> Result<(), Failed> {
    const VARIABLES: &[(&str, &str)] = &[
        ("contextLength", "OLLAMA_CONTEXT_LENGTH=16384"),
        ("environment", "OLLAMA_LOAD_TIMEOUT=10m"),
        ("flashAttention", "OLLAMA_FLASH_ATTENTION=1"),
        ("keepAlive", "OLLAMA_KEEP_ALIVE=-1"),
        ("kvCacheType", "OLLAMA_KV_CACHE_TYPE=q8_0"),
        ("maxLoadedModels", "OLLAMA_MAX_LOADED_MODELS=2"),
        ("maxQueue", "OLLAMA_MAX_QUEUE=64"),
        ("noCloud", "OLLAMA_NO_CLOUD=0"),
        ("numParallel", "OLLAMA_NUM_PARALLEL=4"),
        (
            "origins",
            "OLLAMA_ORIGINS='https://chat.example.com,chrome-extension://*'",
        ),
    ];
    let folder = snapshot::folder(&common::root());
    let tuned = snapshot::load_variant(&folder, &snapshot::variants::folder(&folder, "tuned"))?;
    let script = &tuned.scripts["docker-ollama-start"];
    for (option, variable) in VARIABLES {
        if !script.contains(&format!("  -e {variable} \\\n")) {
            return Err(format!("ollamalive.ollama.{option}: no {variable} in {script}").into());
        }
    }
    // No setting is missing in this list.
    assert_eq!(tuned.ollama.settings.len(), VARIABLES.len());
    assert!(tuned.ollama.settings.values().all(Option::is_some));
    Ok(())
}

/// Some lines are long wherever they come from: sentences, mounts with their options, lists of algorithms.
fn readable() -> Result<(), Failed> {
    const LONG: &[&str] = &[
        "options",
        "scripts/ollamalive-health.json",
        "texts/fstab",
        "texts/scripts/nftables-rules",
        "texts/units/serial-getty@.service",
    ];
    let folder = snapshot::folder(&common::root());
    for name in snapshot::recorded(&folder)? {
        let text = std::fs::read_to_string(folder.join(format!("{name}.snap")))?;
        let longest = text.lines().map(str::len).max().unwrap_or(0);
        if longest > READABLE && !LONG.contains(&name.as_str()) {
            return Err(format!("{name} has a line of {longest} characters").into());
        }
    }
    Ok(())
}

/// A test a recorded snapshot. Ignored where nothing can be evaluated (without Nix, or without the flake's nixpkgs), and
/// for the texts of another release.
fn evaluated() -> Vec<Trial> {
    static EVALUATED: OnceLock<Result<BTreeMap<String, String>, String>> = OnceLock::new();
    static NIX: OnceLock<Nix> = OnceLock::new();
    let root = common::root();
    let folder = snapshot::folder(&root);
    let nix = Nix::find(&root, std::env::var("OLLAMALIVE_NIXPKGS").ok());
    let mut ignored = match &nix {
        Ok(nix) => nix
            .nixpkgs_unreachable()
            .ok()
            .flatten()
            .map(|reason| reason.0),
        Err(error) => Some(error.to_string()),
    };
    let mut texts_ignored = ignored.clone();
    if let (Ok(nix), None) = (nix, &ignored) {
        match nix.text("lib.release") {
            Ok(release) => {
                let evaluated = [("texts/release".to_string(), release + "\n")].into();
                texts_ignored = snapshot::other_release(&folder, &evaluated).unwrap_or_default();
            }
            Err(error) => ignored = Some(error.to_string()),
        }
        NIX.get_or_init(|| nix);
    }
    let snapshots = || {
        EVALUATED
            .get_or_init(|| {
                let nix = NIX.get().ok_or("nothing can be evaluated here")?;
                let contract = nix.contract().map_err(|error| error.to_string())?;
                serde_json::from_value::<Contract>(contract.clone())
                    .map_err(|error| error.to_string())?;
                snapshot::render(&contract, &common::root()).map_err(|error| error.to_string())
            })
            .as_ref()
            .map_err(Failed::from)
    };
    let trial = |name: &str,
                 ignored: &Option<String>,
                 run: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
        match ignored {
            None => Trial::test(name, run),
            Some(reason) => {
                Trial::test(format!("{name} (ignored: {reason})"), run).with_ignored_flag(true)
            }
        }
    };
    let names = snapshot::recorded(&folder).unwrap_or_default();
    let mut trials: Vec<Trial> = names
        .iter()
        .map(|name| {
            let ignored = if name.starts_with("texts/") {
                &texts_ignored
            } else {
                &ignored
            };
            let (name, folder) = (name.clone(), folder.clone());
            trial(
                &format!("{name}_is_what_nix_evaluates"),
                ignored,
                Box::new(move || {
                    let text = snapshots()?
                        .get(&name)
                        .ok_or("nothing like it is evaluated")?;
                    insta(&folder, &name, text);
                    Ok(())
                }),
            )
        })
        .collect();
    trials.push(trial(
        "nothing_unrecorded_is_evaluated",
        &ignored,
        Box::new(
            move || match snapshots()?.keys().find(|name| !names.contains(name)) {
                Some(name) => Err(format!("{name} is not in the record").into()),
                None => Ok(()),
            },
        ),
    ));
    trials
}

/// Panics with insta's difference unless `text` is the snapshot `name`.
fn insta(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    let (around, name) = (
        path.parent().unwrap_or(folder),
        path.file_name().unwrap_or_default(),
    );
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(around);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_string_lossy().as_ref(), text));
}
