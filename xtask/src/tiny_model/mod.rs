//! Models of 0.5 MB whose answers are known by construction: they continue the alphabet.
//!
//! Each is a transformer of llama's architecture with the bytes as vocabulary. Attention and feed-forward layers have weights so
//! small that the last state of a sequence is, in all but rounding, the embedding of its last byte. The row of a byte in the
//! output matrix is the embedding of the byte before it, so at temperature 0 that byte is the answer. After `Z` comes the end of the
//! sequence. Rounding differs between processors, and the answer does not.

mod gguf;

use std::io::{self, Write};

use gguf::{Tensor, Value, padding, write_header};

/// Length of an embedding.
const WIDTH: u64 = 64;
const HEADS: u32 = 4;
const FEED_FORWARD: u64 = 128;
/// That of [`Model::Large`].
const LARGE_FEED_FORWARD: u64 = 43_008;
const LAYERS: u32 = 2;
const CONTEXT: u32 = 2048;
/// Tokens in the context of [`Model::Huge`].
pub const HUGE_CONTEXT: u32 = 1 << 27;

/// The vocabulary: three special tokens, then one for each byte.
const UNKNOWN: u32 = 0;
const BEGIN: u32 = 1;
const END: u32 = 2;
const FIRST_BYTE: usize = 3;
const VOCABULARY: usize = FIRST_BYTE + 256;

/// Weights of the layers: not zero, so that they are computed with, and too small to change an answer.
const FAINT: f32 = 1e-4;

/// Which of the models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Ends its answer after `Z`.
    Alphabet,
    /// Begins again with `A` after `Z`, and never ends.
    Endless,
    /// As the alphabet, but with so wide layers that its file has 64 MiB, and loading it takes a time that can be measured.
    Large,
    /// As the alphabet, but with so long a context that its memory does not fit into any machine: the cache of keys and
    /// values takes [`HUGE_CONTEXT`] * [`LAYERS`] * 2 * [`WIDTH`] * 2 bytes, which is 64 GiB.
    Huge,
}

/// What the alphabet answers to `prompt` at temperature 0: the rest of the alphabet.
///
/// # Panics
/// The prompt does not end with a capital letter.
pub fn answer(prompt: &str) -> String {
    let last = prompt.bytes().last().filter(u8::is_ascii_uppercase);
    let last = last.expect("the model knows what follows a capital letter");
    (last + 1..=b'Z').map(char::from).collect()
}

/// Writes `model` as a GGUF file. Files with another `name` have another digest.
///
/// # Errors
/// Those of `out`.
pub fn write(model: Model, name: &str, out: &mut impl Write) -> io::Result<()> {
    let tensors = tensors(model);
    let shapes: Vec<Tensor> = tensors.iter().map(|(tensor, _)| tensor.clone()).collect();
    write_header(out, &metadata(model, name), &shapes)?;
    for (tensor, weights) in tensors {
        debug_assert_eq!(tensor.size(), 4 * weights.len() as u64, "{}", tensor.name);
        let mut bytes: Vec<u8> = weights
            .iter()
            .flat_map(|weight| weight.to_le_bytes())
            .collect();
        bytes.resize(bytes.len() + padding(tensor.size()) as usize, 0);
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn metadata(model: Model, name: &str) -> Vec<(&'static str, Value)> {
    let context = match model {
        Model::Huge => HUGE_CONTEXT,
        _ => CONTEXT,
    };
    // The kinds of tokens, as in llama.cpp's `llama_token_type`.
    const UNKNOWN_TOKEN: i32 = 2;
    const CONTROL: i32 = 3;
    const BYTE: i32 = 6;
    let special = ["<unk>", "<s>", "</s>"].map(String::from);
    let bytes = (0..=255_u8).map(|byte| format!("<0x{byte:02X}>"));
    let mut kinds = vec![BYTE; VOCABULARY];
    kinds[..FIRST_BYTE].copy_from_slice(&[UNKNOWN_TOKEN, CONTROL, CONTROL]);
    vec![
        ("general.architecture", Value::Text("llama".to_string())),
        ("general.name", Value::Text(name.to_string())),
        ("general.file_type", Value::U32(0)),
        ("llama.context_length", Value::U32(context)),
        ("llama.embedding_length", Value::U32(WIDTH as u32)),
        ("llama.block_count", Value::U32(LAYERS)),
        (
            "llama.feed_forward_length",
            Value::U32(feed_forward(model) as u32),
        ),
        ("llama.attention.head_count", Value::U32(HEADS)),
        ("llama.attention.head_count_kv", Value::U32(HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5)),
        (
            "llama.rope.dimension_count",
            Value::U32(WIDTH as u32 / HEADS),
        ),
        ("llama.vocab_size", Value::U32(VOCABULARY as u32)),
        ("tokenizer.ggml.model", Value::Text("llama".to_string())),
        (
            "tokenizer.ggml.tokens",
            Value::Texts(special.into_iter().chain(bytes).collect()),
        ),
        ("tokenizer.ggml.scores", Value::F32s(vec![0.0; VOCABULARY])),
        ("tokenizer.ggml.token_type", Value::I32s(kinds)),
        ("tokenizer.ggml.unknown_token_id", Value::U32(UNKNOWN)),
        ("tokenizer.ggml.bos_token_id", Value::U32(BEGIN)),
        ("tokenizer.ggml.eos_token_id", Value::U32(END)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ("tokenizer.ggml.add_eos_token", Value::Bool(false)),
        ("tokenizer.ggml.add_space_prefix", Value::Bool(false)),
    ]
}

fn feed_forward(model: Model) -> u64 {
    match model {
        Model::Large => LARGE_FEED_FORWARD,
        _ => FEED_FORWARD,
    }
}

/// The tensors with their weights.
fn tensors(model: Model) -> Vec<(Tensor, Vec<f32>)> {
    let mut noise = Noise(1);
    let embeddings: Vec<Vec<f32>> = (0..VOCABULARY).map(|_| noise.signs(WIDTH)).collect();
    let mut rows = vec![vec![0.0; WIDTH as usize]; VOCABULARY];
    let token = |byte: u8| FIRST_BYTE + usize::from(byte);
    for byte in 1..=255_u8 {
        if byte != b'Z' + 1 {
            rows[token(byte)].clone_from(&embeddings[token(byte - 1)]);
        }
    }
    let after_z = match model {
        Model::Endless => token(b'A'),
        _ => END as usize,
    };
    rows[after_z].clone_from(&embeddings[token(b'Z')]);

    let tensor = |name: &str, shape: &[u64]| Tensor {
        name: name.to_string(),
        shape: shape.to_vec(),
    };
    let vocabulary = VOCABULARY as u64;
    let wide = feed_forward(model);
    let ones = || vec![1.0; WIDTH as usize];
    let mut tensors = vec![
        (
            tensor("token_embd.weight", &[WIDTH, vocabulary]),
            embeddings.concat(),
        ),
        (tensor("output_norm.weight", &[WIDTH]), ones()),
        (tensor("output.weight", &[WIDTH, vocabulary]), rows.concat()),
    ];
    for layer in 0..LAYERS {
        for norm in ["attn_norm", "ffn_norm"] {
            tensors.push((
                tensor(&format!("blk.{layer}.{norm}.weight"), &[WIDTH]),
                ones(),
            ));
        }
        for (name, from, to) in [
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", WIDTH, WIDTH),
            ("attn_v", WIDTH, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", WIDTH, wide),
            ("ffn_up", WIDTH, wide),
            ("ffn_down", wide, WIDTH),
        ] {
            let weights = noise
                .signs(from * to)
                .iter()
                .map(|sign| FAINT * sign)
                .collect();
            tensors.push((
                tensor(&format!("blk.{layer}.{name}.weight"), &[from, to]),
                weights,
            ));
        }
    }
    tensors
}

/// SplitMix64: the same weights on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// `count` times 1 or -1.
    fn signs(&mut self, count: u64) -> Vec<f32> {
        (0..count)
            .map(|_| if self.next() & 1 == 0 { 1.0 } else { -1.0 })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token that follows `last` if the layers change nothing, and how far it is ahead of every other one.
    fn next(model: Model, last: usize) -> (usize, f32) {
        let tensors = tensors(model);
        let weights = |name: &str| {
            let found = tensors.iter().find(|(tensor, _)| tensor.name == name);
            found.unwrap().1.chunks(WIDTH as usize)
        };
        let state = weights("token_embd.weight").nth(last).unwrap();
        let mut scores: Vec<(usize, f32)> = weights("output.weight")
            .map(|row| row.iter().zip(state).map(|(a, b)| a * b).sum())
            .enumerate()
            .collect();
        scores.sort_by(|one, other| other.1.total_cmp(&one.1));
        (scores[0].0, scores[0].1 - scores[1].1)
    }

    #[test]
    fn each_letter_is_followed_by_the_next_one_by_far() {
        for letter in b'A'..=b'Y' {
            let (token, lead) = next(Model::Alphabet, FIRST_BYTE + usize::from(letter));
            assert_eq!(token, FIRST_BYTE + usize::from(letter) + 1);
            assert!(lead > 16.0, "{lead} after {letter}");
        }
        let z = FIRST_BYTE + usize::from(b'Z');
        assert_eq!(next(Model::Alphabet, z).0, END as usize);
        assert_eq!(next(Model::Endless, z).0, FIRST_BYTE + usize::from(b'A'));
    }

    #[test]
    fn the_large_file_has_64_mib() {
        let size: u64 = tensors(Model::Large)
            .iter()
            .map(|(tensor, _)| tensor.size())
            .sum();
        assert_eq!(size >> 20, 63);
    }

    #[test]
    fn the_answer_is_the_rest_of_the_alphabet() {
        assert_eq!(answer("ABC"), "DEFGHIJKLMNOPQRSTUVWXYZ");
        assert_eq!(answer("XYZ"), "");
    }

    #[test]
    fn the_file_is_small_and_always_the_same() {
        let file = || {
            let mut file = Vec::new();
            write(Model::Alphabet, "alphabet", &mut file).unwrap();
            file
        };
        assert_eq!(file(), file());
        assert!(
            (400_000..1_000_000).contains(&file().len()),
            "{}",
            file().len()
        );
    }
}
