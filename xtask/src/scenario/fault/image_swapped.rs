//! `fault.image-swapped`

use anyhow::{Error, Result, ensure};

use super::connect;
use crate::disk_fixtures::OTHER_ARCHIVE;
use crate::ollama_image::stub::OTHER_IMAGE;
use crate::scenario::{Context, Finding, ollama};

#[derive(Debug, Clone)]
struct Facts {
    /// Ollama's version after its unit was restarted, or why there is none.
    ollama: Result<String, String>,
    /// The ID of the image that the container runs then.
    image: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    connect(cx)?.map_err(Error::msg)?;
    // It has loaded both images.
    ollama::wait_until_up(cx)?;
    let (unit, image) = (&cx.contract.ollama.unit, &cx.contract.ollama.image);
    let [stop, swap, start] = cx.exec([
        &format!("systemctl stop {unit}"),
        // The machine itself does not load an archive that holds another image.
        &format!("docker load --input /persist/images/{OTHER_ARCHIVE} && docker tag {OTHER_IMAGE} {image}"),
        &format!("systemctl start --no-block {unit}"),
    ])?;
    ensure!(
        stop.ok() && swap.ok() && start.ok(),
        "the image could not be swapped: {}{}{}",
        stop.text,
        swap.text,
        start.text
    );
    let ollama = ollama::answer(cx)?;
    let [image] = cx.exec([&format!(
        "docker image inspect --format '{{{{.Id}}}}' {image}"
    )])?;
    Ok(Facts {
        ollama,
        image: image.text,
    })
}

fn judge(facts: &Facts) -> Finding {
    match &facts.ollama {
        Ok(_) => Finding::Kept(format!(
            "the configured image is used again: {}",
            facts.image.trim()
        )),
        Err(why) => Finding::Broken(format!(
            "the configured name stays with the other image, {}: {why}",
            facts.image.trim()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    #[test]
    fn only_an_image_that_stays_swapped_breaks_it() {
        let good = Facts {
            ollama: Ok("0.1".to_string()),
            image: "sha256:5\n".to_string(),
        };
        assert_kept(judge(&good), "the configured image is used again: sha256:5");
        assert_each_breaks(
            &good,
            judge,
            &[(
                |facts| facts.ollama = Err("no answer".to_string()),
                "the configured name stays with the other image, sha256:5: no answer",
            )],
        );
    }
}
