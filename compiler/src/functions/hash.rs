//! Hashes and fingerprints that stay the same across runs, machines and versions.

use std::sync::Arc;

use arrow::array::{Array, StringBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion_common::Result;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::function::{Category, Example, Function, Parameter, Type};

const TEXT: Parameter = Parameter::text("text", "Any text; its UTF-8 bytes are hashed.");
const NO_BAD: &str = "There is none: anything has a hash.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "xxh3_64",
        category: Category::Hash,
        summary: "The XXH3 hash of 64 bits, as a signed number: very fast, for keys and joins, not against forgery.",
        parameters: &[TEXT],
        returns: Type::Integer,
        bad_input: NO_BAD,
        examples: &[Example::new("xxh3_64('')", "3244421341483603138")],
        compute: |arguments| {
            let text = arguments.text(0)?;
            // The bits are what counts; target systems have no unsigned type.
            arguments.integers(|row| Some(xxh3_64(text.at(row)?.as_bytes()).cast_signed()))
        },
    },
    Function {
        name: "sha256_hex",
        category: Category::Hash,
        summary: "The SHA-256 hash as 64 hexadecimal digits. (DataFusion's `sha256` gives bytes.)",
        parameters: &[TEXT],
        returns: Type::Text,
        bad_input: NO_BAD,
        examples: &[Example::new(
            "sha256_hex('abc')",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        )],
        compute: |arguments| {
            let text = arguments.text(0)?;
            arguments.texts(|row| Some(format!("{:x}", Sha256::digest(text.at(row)?))))
        },
    },
    Function {
        name: "hash_bucket",
        category: Category::Hash,
        summary: "A number from 0 to buckets - 1, spread evenly and always the same for a text: for stable samples \
                  and partitions.",
        parameters: &[TEXT, Parameter::new("buckets", Type::Integer, "How many buckets there are, from 1.")],
        returns: Type::Integer,
        bad_input: "NULL for less than one bucket.",
        examples: &[
            Example::new("hash_bucket('customer-17', 1)", "0"),
            Example::new("hash_bucket('customer-17', 100) BETWEEN 0 AND 99", "true"),
            Example::new("hash_bucket('customer-17', 0)", "NULL"),
        ],
        compute: |arguments| {
            let (text, buckets) = (arguments.text(0)?, arguments.integer(1)?);
            arguments.integers(|row| {
                let hash = xxh3_64(text.at(row)?.as_bytes());
                let bucket = hash.checked_rem(u64::try_from(buckets.at(row)?).ok()?)?;
                i64::try_from(bucket).ok()
            })
        },
    },
    Function {
        name: "row_fingerprint",
        category: Category::Hash,
        summary: "A fingerprint of several values together, 32 hexadecimal digits (XXH3, 128 bits): has a row changed? \
                  Never NULL: a NULL is a value of its own, unlike an empty text. The width of a type does not count, \
                  the way its values are written does.",
        parameters: &[Parameter::new("value", Type::Any, "The values, in order.").repeated()],
        returns: Type::Text,
        bad_input: NO_BAD,
        examples: &[
            Example::new("row_fingerprint('a', 1) = row_fingerprint('a', 1)", "true"),
            Example::new("row_fingerprint('ab', 'c') = row_fingerprint('a', 'bc')", "false"),
            Example::new("row_fingerprint('', 1) = row_fingerprint(NULL, 1)", "false"),
        ],
        compute: |arguments| {
            let columns = (0..arguments.len()).map(|index| arguments.array(index)).collect::<Result<Vec<_>>>()?;
            let options = FormatOptions::default().with_display_error(false);
            let written = columns
                .iter()
                .map(|column| Ok((column.logical_nulls(), ArrayFormatter::try_new(column, &options)?)))
                .collect::<Result<Vec<_>>>()?;
            let (mut fingerprints, mut value, mut problem) = (StringBuilder::new(), String::new(), Ok(()));
            arguments.each(|row| {
                let mut hash = Xxh3::new();
                for (nulls, formatter) in &written {
                    if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                        hash.update(&[0]);
                        continue;
                    }
                    value.clear();
                    if let Err(error) = formatter.value(row).write(&mut value) {
                        problem = Err(error.into());
                    }
                    // The length in front keeps ('ab', 'c') and ('a', 'bc') apart.
                    hash.update(&[1]);
                    hash.update(&(value.len() as u64).to_le_bytes());
                    hash.update(value.as_bytes());
                }
                fingerprints.append_value(format!("{:032x}", hash.digest128()));
            });
            problem.map(|()| Arc::new(fingerprints.finish()) as _)
        },
    },
];
