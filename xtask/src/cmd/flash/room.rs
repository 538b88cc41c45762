//! The room that PERSIST leaves for Ollama's image.

use std::ops::RangeInclusive;

use stick::flash::persist::PersistPlan;
use stick::units::decimal_size;

const GB: u64 = 1_000_000_000;

/// The bytes that Ollama's image takes on PERSIST, unpacked by Docker, from the smallest version to the largest. docs/owner.md
/// ("What you need") says the same to owners, and a test compares them.
pub const OLLAMA_IMAGE: RangeInclusive<u64> = 4 * GB..=9 * GB;

/// The size of PERSIST and of what goes there; None where the stick will have no PERSIST.
pub fn line(plan: &PersistPlan) -> Option<String> {
    let bytes = plan.bytes()?;
    let verb = match plan {
        PersistPlan::Kept { .. } => "has",
        _ => "gets",
    };
    Some(format!(
        "PERSIST {verb} {}; Ollama's image takes {}",
        decimal_size(bytes),
        image_size()
    ))
}

/// What to think of where the largest image does not fit.
pub fn warning(plan: &PersistPlan) -> Option<String> {
    let largest = *OLLAMA_IMAGE.end();
    plan.bytes().filter(|bytes| *bytes < largest).map(|_| {
        format!(
            "PERSIST has less than {} GB, so Ollama's image may not fit: a stick of 32 GB is recommended",
            largest / GB
        )
    })
}

fn image_size() -> String {
    format!(
        "{} to {} GB",
        OLLAMA_IMAGE.start() / GB,
        OLLAMA_IMAGE.end() / GB
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_what_is_left() {
        let new = PersistPlan::New {
            bytes: 10_250_000_000,
        };
        assert_eq!(
            line(&new).unwrap(),
            "PERSIST gets 10.2 GB; Ollama's image takes 4 to 9 GB"
        );
        let kept = PersistPlan::Kept { bytes: 9 * GB };
        assert!(line(&kept).unwrap().starts_with("PERSIST has 9.0 GB;"));
        assert_eq!((warning(&new), warning(&kept)), (None, None));
        for plan in [PersistPlan::Foreign, PersistPlan::NoRoom] {
            assert_eq!((line(&plan), warning(&plan)), (None, None));
        }
    }

    #[test]
    fn a_small_one_is_warned_of() {
        let bytes = 9 * GB - 1;
        for plan in [
            PersistPlan::New { bytes },
            PersistPlan::Kept { bytes },
            PersistPlan::Discarded { bytes },
        ] {
            let said = warning(&plan).unwrap();
            assert!(
                said.contains("less than 9 GB") && said.contains("32 GB is recommended"),
                "{said}"
            );
        }
    }

    #[test]
    fn the_docs_give_the_same_size() {
        let docs = include_str!("../../../../docs/owner.md");
        assert!(docs.contains(&format!("The image takes {} on PERSIST", image_size())));
        assert!(docs.contains(&format!("takes {}, depending on the version", image_size())));
    }
}
