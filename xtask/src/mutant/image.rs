//! No room for Ollama's image, and what becomes of the old one.

use super::Edit::Replace;
use super::{Mutant, mutant};

const SCRIPT: &str = "/scripts/ollamalive-image";
const ROOM: &str = "ollama.makes-room-for-its-image";

pub const MUTANTS: &[Mutant] = &[
    mutant(
        "ollama.old-image-stays",
        "no old image goes, although the new one does not fit beside it",
        ROOM,
        "where both do not fit, the old image is still there",
        &[Replace(SCRIPT, "    remove_old || true\n", "    true\n")],
        None,
    ),
    Mutant {
        alone: true,
        ..mutant(
            "ollama.old-image-goes-first",
            "the old image goes before the registry was asked for the new one",
            ROOM,
            "the old image is gone though its registry does not answer",
            &[Replace(
                SCRIPT,
                "  rm -f \"$too_little\"\n",
                "  remove_old || true\n",
            )],
            None,
        )
    },
    Mutant {
        alone: true,
        ..mutant(
            "ollama.old-image-goes-for-nothing",
            "the old image goes for one that does not fit without it either",
            ROOM,
            "the old image is gone though the new one is larger than the stick",
            &[Replace(
                SCRIPT,
                r#"[ $((free + old)) -ge "$least" ]"#,
                "true",
            )],
            None,
        )
    },
    mutant(
        "ollama.begins-any-image",
        "an image that cannot fit is downloaded all the same",
        ROOM,
        "an image that is larger than the stick was begun",
        &[Replace(
            SCRIPT,
            r#"[ "$free" -lt "$least" ] || return 0"#,
            "return 0",
        )],
        None,
    ),
    mutant(
        "ollama.silent-about-its-image",
        "nothing at login says that the image does not fit",
        ROOM,
        "the login banner does not say that it cannot fit",
        &[Replace(
            SCRIPT,
            r#"is not downloaded: $problem" | tee "$notice""#,
            r#"is not downloaded: $problem""#,
        )],
        None,
    ),
    mutant(
        "ollama.gives-up-without-space",
        "when Docker runs out of space, no old image goes",
        ROOM,
        "when Docker runs out of space, the old image is still there",
        &[Replace(
            SCRIPT,
            "{ no_space && remove_old && pull; }",
            "false",
        )],
        None,
    ),
];
