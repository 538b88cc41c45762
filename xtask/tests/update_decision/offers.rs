//! What machines are offered, and what is decided then.

use serde_json::{Value, json};

use crate::offer::Offer::{self, Changed, Text};

/// A machine on which a newer version is installed, unless something differs.
pub const FACTS: &[(&str, &str)] = &[
    (
        "running",
        "NAME=NixOS\nIMAGE_VERSION=\"20261101000000\"\nOLLAMALIVE_HOST_NAME=OllamaLive\nOLLAMALIVE_LAYOUT=2\n\
         OLLAMALIVE_MODELS_DRIVE=\"LABEL=AI \\\"Models\\\"\"\nOLLAMALIVE_MODELS_FOLDER=\"\"\nOLLAMALIVE_USER=\"alice\"\n",
    ),
    ("slots", "80000000 ollamalive_20261101000000.efi\n"),
    ("busy", ""),
    (
        "usrhash",
        "0123456789abcdef0123456789abcdeffedcba9876543210fedcba9876543210\n",
    ),
    ("options", "\n"),
    (
        "room",
        "boot=300000000\nstore=4294967296\nverity=67108864\npersist=4000000000\n",
    ),
];

/// A newer version for this machine.
pub fn offer() -> Value {
    let mut offer = json!({
        "version": "20261128051225",
        "layoutVersion": 2,
        "configuration": {
            "OLLAMALIVE_HOST_NAME": "OllamaLive",
            "OLLAMALIVE_MODELS_DRIVE": "LABEL=AI \"Models\"",
            "OLLAMALIVE_USER": "alice",
        },
        "files": [],
    });
    files(&mut offer, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee");
    offer
}

/// Gives the offer the files of its version.
fn files(offer: &mut Value, id: &str) {
    let version = offer["version"].as_str().expect("a version");
    let file = |name: String, bytes: u64| json!({ "file": name, "bytes": bytes, "sha256": "5".repeat(64) });
    offer["files"] = json!([
        file(format!("ollamalive_{version}_{id}.verity"), 20_000_000),
        file(format!("ollamalive_{version}_{id}.store"), 2_000_000_000),
        file(format!("ollamalive_{version}.efi"), 90_000_000),
    ]);
}

fn of_version(offer: &mut Value, version: &str) {
    offer["version"] = version.into();
    files(offer, "01234567-89ab-cdef-0123-456789abcdef");
}

pub struct Case {
    pub name: &'static str,
    pub offer: Offer,
    /// Those that differ.
    pub facts: &'static [(&'static str, &'static str)],
    pub verdict: &'static str,
    /// What is said.
    pub words: &'static [&'static str],
}

const fn case(
    name: &'static str,
    offer: Offer,
    facts: &'static [(&'static str, &'static str)],
    verdict: &'static str,
    words: &'static [&'static str],
) -> Case {
    Case {
        name,
        offer,
        facts,
        verdict,
        words,
    }
}

const AS_IT_IS: Offer = Changed(|_| ());
const ANOTHER_USER: Offer = Changed(|offer| {
    offer["configuration"]["OLLAMALIVE_USER"] = "bob".into();
    offer["configuration"]["OLLAMALIVE_HOST_NAME"] = Value::Null;
    offer["configuration"]["OLLAMALIVE_MODELS_FOLDER"] = "Games".into();
});
const NO_FILES: &[&str] = &["The release has no update files. Flash it instead."];
const NO_DESCRIPTION: &[&str] =
    &["The description of the update cannot be read. Build the update again."];
const INSTALLED: &str =
    "80000000 ollamalive_20261101000000.efi\n90000000 ollamalive_20261128051225+3-0.efi\n";
const UNDONE: &str =
    "80000000 ollamalive_20261101000000.efi\n90000000 ollamalive_20261128051225+0-3.efi\n";
/// The other slot's UKI is replaced, and makes room.
const REPLACED: &str =
    "80000000 ollamalive_20261101000000.efi\n85000000 ollamalive_20261001000000.efi\n";
const LOADED: &str = "The model llama3.2 is loaded.\nThe model qwen3:8b is loaded.\n";

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    case("newer", AS_IT_IS, &[], "install", &["Version 20261128051225 is newer than 20261101000000, which is running."]),
    case("not pushed", AS_IT_IS, &[("room", "boot=300000000\nstore=4294967296\nverity=67108864\n")], "install", &[]),
    case("the second version", AS_IT_IS, &[("slots", REPLACED)], "install", &[]),
    case("nothing sent", Text(""), &[], "refused", NO_FILES),
    case("garbage", Text("<html>"), &[], "refused", NO_DESCRIPTION),
    case("cut off", Text(r#"{"version":"2026"#), &[], "refused", NO_DESCRIPTION),
    case("no update object", Text("null"), &[], "refused", NO_FILES),
    case("a text", Text("\"20261128051225\""), &[], "refused", NO_FILES),
    case("no version", Changed(|offer| offer["version"] = Value::Null), &[], "refused", NO_FILES),
    case("a number for a version", Changed(|offer| offer["version"] = json!(20_261_128_051_225_u64)), &[], "refused", NO_FILES),
    case("a short version", Changed(|offer| of_version(offer, "20261128")), &[], "refused", NO_FILES),
    case("no list of files", Changed(|offer| offer["files"] = json!({ "a": 1, "b": 2, "c": 3 })), &[], "refused", NO_FILES),
    case("a text for a list", Changed(|offer| offer["files"] = "abc".into()), &[], "refused", NO_FILES),
    case("four files", Changed(|offer| { let more = offer["files"][0].clone(); offer["files"].as_array_mut().unwrap().push(more); }),
        &[], "refused", NO_FILES),
    case("verity twice", Changed(|offer| offer["files"][1] = offer["files"][0].clone()), &[], "refused", NO_FILES),
    case("store twice", Changed(|offer| offer["files"][0] = offer["files"][1].clone()), &[], "refused", NO_FILES),
    case("no UKI", Changed(|offer| offer["files"][2] = offer["files"][1].clone()), &[], "refused", NO_FILES),
    case("of another version", Changed(|offer| offer["files"][2]["file"] = "ollamalive_20261128051226.efi".into()), &[], "refused", NO_FILES),
    case("a path", Changed(|offer| offer["files"][2]["file"] = "../ollamalive_20261128051225.efi".into()), &[], "refused", NO_FILES),
    case("no size", Changed(|offer| offer["files"][2]["bytes"] = Value::Null), &[], "refused", NO_FILES),
    case("no checksum", Changed(|offer| offer["files"][2]["sha256"] = "abc".into()), &[], "refused", NO_FILES),
    case("another layout", Changed(|offer| offer["layoutVersion"] = json!(3)), &[], "refused",
        &["is for sticks of layout 3, and this one has layout 2. Flash the stick instead."]),
    case("current", Changed(|offer| of_version(offer, "20261101000000")), &[], "current", &["Version 20261101000000 is the newest, and is running."]),
    case("other contents", Changed(|offer| { of_version(offer, "20261101000000"); files(offer, "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"); }),
        &[], "refused", &["Version 20261101000000 is already running, with other contents than this update. Make a new commit"]),
    case("older", Changed(|offer| of_version(offer, "20261031235959")), &[], "refused",
        &["Version 20261031235959 is older than 20261101000000, which is running. To go back, flash the stick."]),
    case("undone", AS_IT_IS, &[("slots", UNDONE), ("why", "SSH does not answer\n")], "refused",
        &["was tried and undone: SSH does not answer. Newer versions are still accepted."]),
    case("undone without a word", AS_IT_IS, &[("slots", UNDONE), ("why", "")], "refused", &["was tried and undone: it did not start."]),
    case("after one that was undone", Changed(|offer| of_version(offer, "20261129000000")), &[("slots", UNDONE)], "install", &[]),
    case("installed", AS_IT_IS, &[("slots", INSTALLED)], "installed", &["is installed. It starts at the next restart: sudo systemctl reboot"]),
    case("tried once", AS_IT_IS, &[("slots", "90000000 ollamalive_20261128051225+2-1.efi\n")], "installed", &[]),
    case("on trial", AS_IT_IS, &[("trial", "trial\n"), ("options", "yes\nforce\n")], "refused",
        &["Version 20261101000000 is running, and still on trial. That can take 15 minutes: try again then."]),
    case("store too small", AS_IT_IS, &[("room", "boot=300000000\nstore=1999999999\nverity=67108864\n")], "refused",
        &["does not fit: its files take 1908 MiB and 20 MiB, and this stick has room for 1908 MiB and 64 MiB. Flash the stick instead."]),
    case("verity too small", AS_IT_IS, &[("room", "boot=300000000\nstore=4294967296\nverity=19999999\n")], "refused", &["does not fit"]),
    case("no slot found", AS_IT_IS, &[("room", "boot=300000000\nstore=\nverity=\n")], "refused", &["room for 0 MiB and 0 MiB"]),
    case("no room in the ESP", AS_IT_IS, &[("room", "boot=90000000\nstore=4294967296\nverity=67108864\n")], "refused",
        &["The stick's first partition (ESP) has no room: version 20261128051225 needs 1 MiB more. Delete files that you put there."]),
    case("no room beside the one that runs", AS_IT_IS,
        &[("room", "boot=6000000\nstore=4294967296\nverity=67108864\n"), ("slots", "800000000 ollamalive_20261101000000.efi\n")],
        "refused", &["(ESP) has no room"]),
    case("room that the other version leaves", AS_IT_IS,
        &[("room", "boot=6100000\nstore=4294967296\nverity=67108864\n"), ("slots", REPLACED)], "install", &[]),
    case("no room on PERSIST", AS_IT_IS, &[("room", "boot=300000000\nstore=4294967296\nverity=67108864\npersist=2109999999\n")], "refused",
        &["PERSIST has no room for the update: it needs 1 MiB more. Delete something under /persist"]),
    case("another owner", ANOTHER_USER, &[("busy", LOADED)], "ask", &[
        "Version 20261128051225 was built for another configuration:",
        "- the user changes from alice to bob.",
        "- the name of the PC changes from OllamaLive to none.",
        "- the folder for models changes from none to Games.",
    ]),
    case("another owner who agrees", ANOTHER_USER, &[("options", "yes\n")], "install", &[]),
    case("another owner, and forced", ANOTHER_USER, &[("options", "force\n")], "ask", &[]),
    case("an unknown setting", Changed(|offer| offer["configuration"]["OLLAMALIVE_NEW"] = "x y".into()), &[], "ask",
        &["- OLLAMALIVE_NEW changes from none to x y."]),
    case("no configuration", Changed(|offer| { offer.as_object_mut().unwrap().remove("configuration"); }), &[], "ask",
        &["- the user changes from alice to none.", "- the models drive changes from LABEL=AI \"Models\" to none."]),
    case("a model is loaded", AS_IT_IS, &[("busy", LOADED)], "refused", &["The model llama3.2 is loaded. Try again later, or add --force."]),
    case("a model is loaded, and agreed", AS_IT_IS, &[("busy", LOADED), ("options", "yes\n")], "refused", &["--force"]),
    case("a model is loaded, and forced", AS_IT_IS, &[("busy", LOADED), ("options", "force\n")], "install", &[]),
];

/// The case that notices, a rule of update.jq, and what takes its place.
#[rustfmt::skip]
pub const MUTANTS: &[(&str, &str, &str)] = &[
    ("a text", r#"($offer | type) != "object""#, "false"),
    ("no version", r#"($offer.version | type) != "string""#, "false"),
    ("a short version", r#"test("^[0-9]{14}$") | not"#, r#"test("^[0-9]+$") | not"#),
    ("a text for a list", r#"($offer.files | type) != "array""#, "false"),
    ("four files", "($offer.files | length) != 3", "false"),
    ("no size", r#"(.bytes | type == "number") and "#, ""),
    ("no checksum", r#"test("^[0-9a-f]{64}$")"#, "true"),
    ("a path", r#"test("^ollamalive_\($version)""#, r#"test("ollamalive_\($version)""#),
    ("of another version", r#"test("^ollamalive_\($version)""#, r#"test("^ollamalive_[0-9]*""#),
    ("verity twice", "$data == null or ", ""),
    ("store twice", " or $hashes == null", ""),
    ("no UKI", " or $uki == null", ""),
    ("another layout", r#"($offer.layoutVersion | tostring) != ($system.OLLAMALIVE_LAYOUT // "")"#, "false"),
    ("other contents", "contains($store)", r#"contains("")"#),
    ("current", "contains($store)", "contains($store) | not"),
    ("current", "elif $offer.version == $runs then", "elif false then"),
    ("older", "elif $offer.version < $runs then", "elif false then"),
    ("undone", "any($undone[]; . == $offer.version)", "false"),
    ("installed", r#"and .left == "0")"#, "and .left != null)"),
    ("undone", r#"fact("why") | rows[0] // "it did not start""#, r#""it did not start""#),
    ("undone without a word", r#"fact("why") | rows[0] // "it did not start""#, r#"fact("why") | rows[0]"#),
    ("installed", "any($slots[]; .version == $offer.version)", "false"),
    ("on trial", r#"fact("trial") != """#, "false"),
    ("store too small", "[$data, $room.store], ", ""),
    ("verity too small", ", [$hashes, $room.verity]", ""),
    ("no room in the ESP", "elif $uki.bytes + 1048576 > $room.boot + $replaced", "elif $uki.bytes > $room.boot + $replaced"),
    ("room that the other version leaves", "1048576 > $room.boot + $replaced", "1048576 > $room.boot"),
    ("no room in the ESP", "[$slots[] | select(.version != $runs) | .bytes", "[$slots[] | .bytes"),
    ("not pushed", "$room.persist != null and ", ""),
    ("no room on PERSIST", " and $bytes > $room.persist", " and false"),
    ("newer", r#"(.[0].bytes > .[1])"#, r#"(.[0].bytes < .[1])"#),
    ("another owner", "($changes | length) > 0 and ", "false and "),
    ("another owner who agrees", r#"index("yes") | not"#, "true"),
    ("newer", r#"startswith("OLLAMALIVE_") and "#, ""),
    ("newer", r#" and . != "OLLAMALIVE_LAYOUT""#, ""),
    ("newer", " | map_values(unquoted)", ""),
    ("newer", r#" | gsub("\\\\(?<c>.)"; .c)"#, ""),
    ("newer", r#"select(($new[.] // "") != ($system[.] // ""))"#, r#"select($new[.] != $system[.])"#),
    ("an unknown setting", "($new | keys_unsorted[])]", "empty]"),
    ("no configuration", "[($system | keys_unsorted[]), ", "[empty, "),
    ("a model is loaded", r#"(fact("busy") | rows | length) > 0 and "#, "false and "),
    ("a model is loaded, and forced", r#"index("force") | not"#, "true"),
];
