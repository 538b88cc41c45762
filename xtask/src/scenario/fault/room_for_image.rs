//! `ollama.makes-room-for-its-image`

use std::time::Duration;

use anyhow::{Result, ensure};

use super::image_registry::{HOST, NAME, Registry};
use crate::scenario::{Context, Finding, login_banner, ollama, one_line};

/// The layer of an image that is pulled.
const LAYER: usize = 16 << 20;
/// MiB of the old image.
const OLD: usize = 40;
/// MiB that an owner could still store on PERSIST: the new image would not fit.
const FREE: usize = 20;
/// MiB that even Docker has left: it can download an image, but not unpack it. (Root may use what is reserved for it.)
const BARELY: usize = 28;
const BALLAST: &str = "/persist/home/ballast";
/// Holds a `docker` that passes everything on but the question how large an image is, for which Docker wants TLS: that is
/// answered from a file.
const FOLDER: &str = "/tmp/room";
/// How long a pull of [`LAYER`] bytes may take, under emulation.
const PULL: Duration = Duration::from_secs(240);

/// The tags of the registry's images.
const BY_SIZE: &str = "by-size";
const OUT_OF_SPACE: &str = "out-of-space";
/// A tag that the registry does not have.
const UNKNOWN: &str = "unknown";
/// An image that is larger than the stick.
const HUGE: &str = "huge";

/// What came of an attempt to provide an image that has no room.
#[derive(Debug, Clone)]
struct Attempt {
    /// What was printed.
    output: String,
    /// The images that Docker has then: their tags.
    images: String,
}

#[derive(Debug, Clone)]
struct Facts {
    /// The registry does not answer.
    silent: Attempt,
    /// It does not have the image.
    unknown: Attempt,
    /// The image is larger than the stick.
    huge: Attempt,
    /// Something of it was asked for.
    huge_begun: bool,
    /// The login banner after that.
    banner: String,
    /// It would fit without the old one.
    by_size: Attempt,
    /// How large it is, is not known, and Docker runs out of space.
    out_of_space: Attempt,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    ollama::wait_until_up(cx)?;
    let registry = Registry::start(&[BY_SIZE, OUT_OF_SPACE], LAYER)?;
    let [connect, part] = registry.connection(cx.machine.lan().gateway);
    let facts = gather(cx, &registry, &connect);
    let [removed, parted] = cx.exec([
        &format!(
            "rm -rf {BALLAST} {FOLDER} /run/ollamalive/notices/image /run/ollamalive/image-did-not-fit; \
             docker image ls --quiet {HOST}/{NAME} | xargs -r docker image rm --force; sync"
        ),
        &part,
    ])?;
    let facts = facts?;
    ensure!(removed.ok() && parted.ok(), "{removed:?} {parted:?}");
    Ok(judge(&facts))
}

fn gather(cx: &mut Context, registry: &Registry, connect: &str) -> Result<Facts> {
    prepare(cx)?;
    let silent = attempt(cx, BY_SIZE)?;
    cx.machine.succeed(connect)?;
    let unknown = attempt(cx, UNKNOWN)?;
    let huge = attempt(cx, HUGE)?;
    let banner = login_banner(&cx.machine.login().user);
    let [banner] = cx.exec([&banner])?;
    let huge_begun = registry.was_asked_for(HUGE);
    // From here on its size is known.
    let size = format!(r#"{{"layers":[{{"size":{LAYER}}}]}}"#);
    cx.machine
        .succeed(&format!("echo '{size}' > {FOLDER}/size-{BY_SIZE}"))?;
    let by_size = attempt(cx, BY_SIZE)?;
    cx.machine.succeed(&format!(
        "cat /dev/zero >> {BALLAST} 2>/dev/null; truncate -s -{BARELY}M {BALLAST} && sync"
    ))?;
    Ok(Facts {
        silent,
        unknown,
        huge,
        huge_begun,
        banner: banner.text,
        by_size,
        out_of_space: attempt(cx, OUT_OF_SPACE)?,
    })
}

/// Makes the old image, the `docker` in [`FOLDER`], and fills PERSIST but for [`FREE`] MiB.
fn prepare(cx: &mut Context) -> Result<()> {
    let old = format!("{HOST}/{NAME}:old");
    let script = format!(
        "set -e; mkdir -p {FOLDER}/old; truncate -s {OLD}M {FOLDER}/old/data; \
         tar -C {FOLDER}/old -c data | docker import - {old} >/dev/null; \
         echo '{{\"layers\":[{{\"size\":10000000000000}}]}}' > {FOLDER}/size-{HUGE}; \
         printf '#!/bin/sh\\n[ \"$1 $2\" = \"manifest inspect\" ] && exec cat \"{FOLDER}/size-${{3##*:}}\"\\nexec %s \"$@\"\\n' \
         \"$(command -v docker)\" > {FOLDER}/docker; chmod 755 {FOLDER}/docker; sync; \
         fallocate -l $(( $(df --output=avail -B1 /persist | tail -n 1) - ({FREE} << 20) )) {BALLAST}"
    );
    cx.machine.succeed(&format!("( {script} )"))?;
    Ok(())
}

/// Runs Ollama's own script, in the environment of its unit, for the image `tag`.
fn attempt(cx: &mut Context, tag: &str) -> Result<Attempt> {
    let unit = &cx.contract.ollama.unit;
    let image = format!("{HOST}/{NAME}:{tag}");
    let start = format!(
        "$(systemctl show {unit} -p ExecStart --value | sed -n 's/.*path=\\([^ ]*\\) .*/\\1/p')"
    );
    let path = format!(
        "$(systemctl show {unit} -p Environment --value | tr ' ' '\\n' | sed -n 's/^PATH=//p')"
    );
    let run = format!(
        "rm -f /run/ollamalive/image-did-not-fit; program=$(grep -o '/[^ ]*ollamalive-image' \"{start}\"); \
         PATH={FOLDER}:{path}:$PATH IMAGE={image} REMOTE={image} DIGEST= timeout {} bash \"$program\" fetch",
        PULL.as_secs()
    );
    let images = format!("docker image ls --format '{{{{.Tag}}}}' {HOST}/{NAME}");
    let outputs = cx.machine.exec_within(&[&run, &images], PULL * 2)?;
    let [output, images] = outputs.as_slice() else {
        unreachable!("one output for each command");
    };
    Ok(Attempt {
        output: output.text.clone(),
        images: images.text.clone(),
    })
}

impl Attempt {
    fn has(&self, tag: &str) -> bool {
        self.images.lines().any(|line| line == tag)
    }

    /// What is wrong unless `new` is there in the place of `old`.
    fn replaced(&self, old: &str, new: &str, when: &str) -> Vec<String> {
        let mut faults = Vec::new();
        if self.has(old) {
            faults.push(format!("{when}, the old image is still there"));
        }
        if !self.has(new) {
            faults.push(format!(
                "{when}, the new image is not: {}",
                one_line(&self.output)
            ));
        }
        faults
    }
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    for (attempt, when) in [
        (&facts.silent, "its registry does not answer"),
        (&facts.unknown, "its registry does not have the new one"),
        (&facts.huge, "the new one is larger than the stick"),
    ] {
        if !attempt.has("old") {
            faults.push(format!("the old image is gone though {when}"));
        }
    }
    if facts.huge_begun {
        faults.push("an image that is larger than the stick was begun".to_string());
    }
    let said = facts.banner.lines().find(|line| {
        line.contains(&format!(
            ":{HUGE} is not downloaded: it needs at least 20000.0 GB more"
        ))
    });
    if said.is_none() {
        faults.push(format!(
            "the login banner does not say that it cannot fit: {}",
            one_line(&facts.banner)
        ));
    }
    let by_size = facts
        .by_size
        .replaced("old", BY_SIZE, "where both do not fit");
    faults.extend(by_size);
    let out_of_space = &facts.out_of_space;
    faults.extend(out_of_space.replaced(BY_SIZE, OUT_OF_SPACE, "when Docker runs out of space"));
    let kept = format!(
        "the old image goes where both do not fit, once its registry has answered; one that cannot fit is not begun, says: {}",
        said.unwrap_or_default()
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let attempt = |images: &str| Attempt {
            output: "printed".to_string(),
            images: images.to_string(),
        };
        Facts {
            silent: attempt("old"),
            unknown: attempt("old"),
            huge: attempt("old"),
            huge_begun: false,
            banner: "No GPU\nx:huge is not downloaded: it needs at least 20000.0 GB more, to do"
                .to_string(),
            by_size: attempt(BY_SIZE),
            out_of_space: attempt(OUT_OF_SPACE),
        }
    }

    #[test]
    fn kept_when_the_old_image_goes_only_for_the_new_one() {
        assert_kept(
            judge(&good()),
            "the old image goes where both do not fit, once its registry has answered; one that cannot fit is not begun, \
             says: x:huge is not downloaded: it needs at least 20000.0 GB more, to do",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.silent.images = String::new(),
                    "the old image is gone though its registry does not answer",
                ),
                (
                    |facts| facts.unknown.images = String::new(),
                    "the old image is gone though its registry does not have the new one",
                ),
                (
                    |facts| facts.huge.images = String::new(),
                    "the old image is gone though the new one is larger than the stick",
                ),
                (
                    |facts| facts.huge_begun = true,
                    "an image that is larger than the stick was begun",
                ),
                (
                    |facts| facts.banner = "No GPU".to_string(),
                    "the login banner does not say that it cannot fit: No GPU",
                ),
                (
                    |facts| facts.by_size.images = format!("{BY_SIZE}\nold"),
                    "where both do not fit, the old image is still there",
                ),
                (
                    |facts| facts.by_size.images = String::new(),
                    "where both do not fit, the new image is not: printed",
                ),
                (
                    |facts| facts.out_of_space.images = BY_SIZE.to_string(),
                    "when Docker runs out of space, the old image is still there; \
                     when Docker runs out of space, the new image is not: printed",
                ),
            ],
        );
    }
}
