//! Values that cannot be right fail at evaluation, with one line that says what to write.

mod common;
#[path = "values/drives.rs"]
mod drives;
#[path = "values/images.rs"]
mod images;
#[path = "values/ollama.rs"]
mod ollama;
#[path = "values/update.rs"]
mod update;

use libtest_mimic::{Arguments, Failed, Trial};
use xtask::nix::Nix;

type Check = fn(&Nix) -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let checks: [(&str, Check); 13] = [
        ("a_drive_is_named_as_linux_finds_it", drives::names),
        ("a_folder_is_named_as_seen_from_the_drive", drives::folders),
        ("a_network_has_no_host_bits", networks),
        ("an_owners_name_is_not_the_systems", users),
        ("a_port_is_free_and_not_privileged", ports),
        ("an_image_has_a_tag_or_a_digest", images::names),
        (
            "an_image_is_pulled_by_digest_and_run_by_tag",
            images::references,
        ),
        ("any_label_reaches_fstab", drives::labels_in_fstab),
        ("a_model_is_named_as_ollama_names_it", ollama::models),
        (
            "a_registry_with_a_port_needs_another_file_system",
            ollama::registries,
        ),
        ("a_setting_of_ollama_is_one_that_it_reads", ollama::settings),
        ("an_update_has_an_address_and_a_key", update::problems),
        ("a_gpu_driver_is_one_that_there_is", gpu_drivers),
    ];
    let nix = Nix::find(&common::root(), std::env::var("OLLAMALIVE_NIXPKGS").ok());
    let ignored = match &nix {
        Ok(nix) => nix
            .nixpkgs_unreachable()
            .ok()
            .flatten()
            .map(|reason| reason.0),
        Err(error) => Some(error.to_string()),
    };
    let trials = checks
        .into_iter()
        .map(|(name, check)| match (&ignored, &nix) {
            (None, Ok(nix)) => {
                let nix = nix.clone();
                Trial::test(name, move || check(&nix))
            }
            (reason, _) => {
                let reason = reason.as_deref().unwrap_or_default();
                Trial::test(format!("{name} (ignored: {reason})"), || Ok(()))
                    .with_ignored_flag(true)
            }
        })
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// What the function in `modules/<file>` finds wrong with each value: the value, and words of the sentence (none where
/// the value is right).
fn judged(nix: &Nix, file: &str, cases: &[(&str, &str)]) -> Result<(), Failed> {
    let values: Vec<&str> = cases.iter().map(|(value, _)| *value).collect();
    let path = common::root().join("modules").join(file);
    let answers = nix.ask(&format!(
        "appliance: map (import (/. + {}) {{ inherit (appliance.pkgs) lib; }}) (builtins.fromJSON {})",
        quoted(&path.display().to_string()),
        quoted(&serde_json::to_string(&values)?),
    ))?;
    let answers: Vec<Option<String>> = serde_json::from_value(answers)?;
    let mut wrong = Vec::new();
    for ((value, words), answer) in cases.iter().zip(&answers) {
        let right = match answer {
            None => words.is_empty(),
            Some(text) => !words.is_empty() && text.contains(words) && !text.contains('\n'),
        };
        if !right {
            wrong.push(format!("{value:?}: {answer:?}, not {words:?}"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}

/// A string of Nix's language.
fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    format!("\"{escaped}\"")
}

/// The problems of the configuration with `module` added, a body of `{ lib, ... }: { … }`.
fn problems(nix: &Nix, module: &str) -> Result<Vec<String>, Failed> {
    let answer = nix.ask(&format!(
        "appliance: (appliance.extendModules {{ modules = [ ({{ lib, ... }}: {{ {module} }}) ]; }}).config.ollamalive.problems"
    ))?;
    Ok(serde_json::from_value(answer)?)
}

fn networks(nix: &Nix) -> Result<(), Failed> {
    judged(
        nix,
        "networks.nix",
        &[
            ("192.168.1.0/24", ""),
            ("192.168.1.5", ""),
            ("0.0.0.0/0", ""),
            ("10.1.2.3/32", ""),
            ("fd00:1:2:3::/64", ""),
            ("fe80::1", ""),
            ("1:2:3:4:5:6:7:8", ""),
            ("::/0", ""),
            ("192.168.1.5/24", "Write \"192.168.1.0/24\""),
            ("10.200.7.1/12", "Write \"10.192.0.0/12\""),
            ("fd00:1:2:3::5/64", "Write \"fd00:1:2:3::/64\""),
            ("FE80::1/10", "Write \"fe80::/10\""),
            ("1:2:3:4:5:6:7:9/127", "Write \"1:2:3:4:5:6:7:8/127\""),
            ("192.168.1.0/33", "from 0 to 32"),
            ("192.168.1.0/255.255.255.0", "Write \"192.168.1.0/24\""),
            ("fd00::/129", "from 0 to 128"),
            ("192.168.1.0/", "from 0 to 32"),
            ("300.1.1.1", "is not a network"),
            ("192.168.1.*", "is not a network"),
            ("192.168.1", "is not a network"),
            ("1:2:3", "is not a network"),
            ("1::2::3", "is not a network"),
            ("home", "is not a network"),
            ("", "is not a network"),
        ],
    )
}

fn users(nix: &Nix) -> Result<(), Failed> {
    for name in ["root", "sshd", "nobody", "docker"] {
        // The whole evaluation ends with that sentence too, not with NixOS's about two definitions.
        let module = format!("ollamalive.user = lib.mkForce \"{name}\";");
        let error = nix
            .ask(&format!(
                "appliance: (appliance.extendModules {{ modules = [ ({{ lib, ... }}: {{ {module} }}) ]; }})\
                 .config.users.users.root.home"
            ))
            .expect_err(name)
            .to_string();
        let sentence =
            format!("ollamalive.user is \"{name}\", a name that the system itself uses.");
        if !error.contains(&sentence) || error.contains('\n') {
            return Err(error.into());
        }
    }
    for name in [
        "Alice",
        "1st",
        "a b",
        "",
        "a-name-of-more-than-31-characters",
    ] {
        let found = problems(nix, &format!("ollamalive.user = lib.mkForce \"{name}\";"))?;
        let sentence = format!("ollamalive.user is \"{name}\". The name of an account has");
        assert!(
            found.len() == 1 && found[0].starts_with(&sentence),
            "{found:?}"
        );
    }
    // An owner may extend the account, and give it a group of its own.
    let own = "ollamalive.user = lib.mkForce \"alice\"; users.users.alice.extraGroups = [ \"dialout\" ]; users.groups.alice = { };";
    assert_eq!(problems(nix, own)?, Vec::<String>::new());
    Ok(())
}

fn ports(nix: &Nix) -> Result<(), Failed> {
    for (module, words) in [
        (
            "ollamalive.ollama.port = lib.mkForce 22;",
            "port is 22, where SSH listens",
        ),
        (
            "ollamalive.ollama.port = lib.mkForce 0;",
            "port is 0. Write a port from 1024",
        ),
        (
            "ollamalive.ssh.port = lib.mkForce 0;",
            "ssh.port is 0. Write a port",
        ),
        (
            "ollamalive.ollama.port = lib.mkForce 80;",
            "port is 80. Write a port from 1024",
        ),
    ] {
        let found = problems(nix, module)?;
        assert!(found.len() == 1 && found[0].contains(words), "{found:?}");
    }
    Ok(())
}

fn gpu_drivers(nix: &Nix) -> Result<(), Failed> {
    for (driver, right) in [
        ("open", true),
        ("closed", true),
        ("legacy_580", true),
        ("legacy-580", false),
        ("580", false),
        ("", false),
        // Ollama has no use for it.
        ("legacy_470", false),
        ("legacy_1", false),
    ] {
        let module = format!("ollamalive.gpu.driver = lib.mkForce \"{driver}\";");
        let found = problems(nix, &module)?;
        let told = |problem: &String| {
            problem.contains("is not a driver that Ollama can use. Write \"open\" or \"closed\"")
        };
        match &found[..] {
            [] if right => {}
            [one] if !right && told(one) => {}
            _ => return Err(format!("{driver}: {found:?}").into()),
        }
    }
    // The configuration evaluates as far as the driver, also with one for older cards.
    let answer = nix.ask(
        "appliance: let inherit (appliance.extendModules { modules = [ ({ lib, ... }: { ollamalive.gpu.driver = \
         lib.mkForce \"legacy_580\"; }) ]; }) config; in \
         [ config.hardware.nvidia.open config.environment.etc.\"ollamalive/gpu-driver\".text ]",
    )?;
    assert_eq!(answer[0], false);
    let text = answer[1].as_str().unwrap_or_default();
    assert!(
        text.starts_with("580.") && text.ends_with(" legacy_580\n"),
        "{text}"
    );
    Ok(())
}
