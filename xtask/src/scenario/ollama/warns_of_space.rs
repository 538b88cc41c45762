//! `ollama.warns-of-space`

use anyhow::{Context as _, Result};

use super::client::wait_until_up;
use crate::scenario::{Context, Finding, login_banner, one_line};

/// MiB below which the owner is warned (modules/ollama-files.sh).
const LITTLE: u64 = 5120;

#[derive(Debug, Clone)]
struct Facts {
    /// MiB free in the folder for models.
    free: u64,
    banner: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let banner = login_banner(&cx.machine.login().user);
    let folder = cx.contract.ollama.models_word();
    let [free, banner] = cx.exec([
        &format!("df -m --output=avail {folder} | tail -n 1"),
        &banner,
    ])?;
    Ok(Facts {
        free: free
            .text
            .trim()
            .parse()
            .with_context(|| format!("not a size: {}", free.text))?,
        banner: banner.text,
    })
}

/// The test's drives are small, so there is always something to warn of.
fn judge(facts: &Facts) -> Finding {
    let warnings: Vec<&str> = facts
        .banner
        .lines()
        .filter(|line| line.contains("MiB are free for models"))
        .collect();
    match (warnings.as_slice(), facts.free < LITTLE) {
        ([warning], true) => Finding::Kept(format!("says: {warning}")),
        ([], true) => Finding::Broken(format!(
            "{} MiB are free for models, and the login banner does not say so: {}",
            facts.free,
            one_line(&facts.banner)
        )),
        ([], false) => Finding::Kept(format!("{} MiB are free for models", facts.free)),
        (_, _) => Finding::Broken(format!(
            "{} MiB are free for models, and the login banner says: {}",
            facts.free,
            warnings.join(" | ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(free: u64, banner: &str) -> Finding {
        judge(&Facts {
            free,
            banner: banner.to_string(),
        })
    }

    #[test]
    fn little_space_is_told_and_much_is_not() {
        const WARNING: &str = "Only 200 MiB are free for models in /m: remove some.";
        let kept = |evidence: &str| Finding::Kept(evidence.to_string());
        let broken = |evidence: &str| Finding::Broken(evidence.to_string());
        assert_eq!(
            verdict(200, &format!("No GPU\n{WARNING}")),
            kept("says: Only 200 MiB are free for models in /m: remove some.")
        );
        assert_eq!(
            verdict(200, "No GPU\nHello"),
            broken(
                "200 MiB are free for models, and the login banner does not say so: No GPU | Hello"
            )
        );
        assert_eq!(
            verdict(9000, "No GPU"),
            kept("9000 MiB are free for models")
        );
        assert_eq!(
            verdict(9000, WARNING),
            broken(
                "9000 MiB are free for models, and the login banner says: Only 200 MiB are free for models in /m: remove some."
            )
        );
        assert!(matches!(
            verdict(200, &format!("{WARNING}\n{WARNING}")),
            Finding::Broken(_)
        ));
    }
}
