//! `health.told`

use anyhow::Result;
use serde_json::Value;

use crate::scenario::ollama::wait_until_up;
use crate::scenario::{Context, Finding, login_banner, one_line};

/// The causes of every test machine: it has no GPU, and small drives.
pub const ALWAYS: [&str; 2] = ["gpu-none", "little-space"];

/// What the machine says of itself while Ollama serves, in all places.
#[derive(Debug, Clone)]
struct Facts {
    /// As the owner, without root.
    json: String,
    file: String,
    banner: String,
    /// The unit's state, and its status text.
    unit: String,
    /// How often the journal has the line of this state.
    logged: String,
    /// Whether the machine itself became aware that Ollama serves, without being asked to look.
    noticed: bool,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let user = cx.machine.login().user.clone();
    let [noticed, json, file, banner, unit, logged] = cx.exec([
        "for turn in $(seq 20); do ollamalive status | grep -q 'is serving' && exit 0; sleep 2; done; exit 1",
        &format!("setpriv --reuid={user} --regid=$(id -g {user}) --init-groups ollamalive status --json"),
        "cat /run/ollamalive/status.json",
        &login_banner(&user),
        "systemctl show ollamalive-health.service -p ActiveState -p StatusText --value",
        "journalctl -b --no-pager -o cat -u ollamalive-health.service | grep -c 'Ollama is serving'",
    ])?;
    Ok(Facts {
        json: json.text,
        file: file.text,
        banner: banner.text,
        unit: unit.text,
        logged: logged.text,
        noticed: noticed.ok(),
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if !facts.noticed {
        faults.push("it does not notice that Ollama serves".to_string());
    }
    let state: Value = serde_json::from_str(&facts.json).unwrap_or_default();
    let causes: Vec<&Value> = state["causes"].as_array().into_iter().flatten().collect();
    if facts.json != facts.file {
        faults.push(format!(
            "the owner sees {}, the file has {}",
            facts.json, facts.file
        ));
    }
    for id in ALWAYS {
        if !causes.iter().any(|cause| cause["id"] == id) {
            faults.push(format!("{id} is not said: {}", facts.json));
        }
    }
    for cause in &causes {
        let says = cause["says"].as_str().unwrap_or_default();
        if !facts.banner.contains(says) {
            faults.push(format!(
                "the login banner does not say {says:?}: {}",
                one_line(&facts.banner)
            ));
        }
        if !facts.unit.contains(says) {
            faults.push(format!(
                "the unit's status does not say {says:?}: {}",
                one_line(&facts.unit)
            ));
        }
    }
    if !facts.unit.lines().any(|line| line == "active") {
        faults.push(format!("the unit is not active: {}", one_line(&facts.unit)));
    }
    // Other scenarios on this machine may have restarted Ollama.
    if facts.logged.trim().parse::<u32>().unwrap_or(0) == 0 {
        faults.push("the journal does not say that Ollama serves".to_string());
    }
    Finding::from_faults(
        &faults,
        format!("says everywhere: {}", one_line(&facts.banner)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let json = r#"{"state":"degraded","causes":[{"id":"gpu-none","says":"No GPU."},{"id":"little-space","says":"Full."}]}"#;
        Facts {
            json: json.to_string(),
            file: json.to_string(),
            banner: "- No GPU.\n- Full.".to_string(),
            unit: "active\n- No GPU. - Full.".to_string(),
            logged: "1".to_string(),
            noticed: true,
        }
    }

    #[test]
    fn kept_when_all_places_say_the_same() {
        assert_kept(judge(&good()), "says everywhere: - No GPU. | - Full.");
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.noticed = false,
                    "it does not notice that Ollama serves",
                ),
                (
                    |facts| facts.logged = "0".to_string(),
                    "the journal does not say that Ollama serves",
                ),
                (
                    |facts| facts.banner = "- Full.".to_string(),
                    "the login banner does not say \"No GPU.\": - Full.",
                ),
                (
                    |facts| facts.unit = "active\n- No GPU.".to_string(),
                    "the unit's status does not say \"Full.\": active | - No GPU.",
                ),
                (
                    |facts| facts.unit = facts.unit.replace("active", "failed"),
                    "the unit is not active: failed | - No GPU. - Full.",
                ),
                (
                    |facts| {
                        facts.json =
                            r#"{"causes":[{"id":"gpu-none","says":"No GPU."}]}"#.to_string();
                        facts.file = facts.json.clone();
                    },
                    "little-space is not said: {\"causes\":[{\"id\":\"gpu-none\",\"says\":\"No GPU.\"}]}",
                ),
            ],
        );
    }
}
