//! How alike two texts are; `levenshtein` is DataFusion's own.

use arrow::array::ArrayRef;
use datafusion_common::Result;

use super::arguments::Arguments;
use super::function::{Category, Example, Function, Parameter, Type};

const PAIR: &[Parameter] = &[Parameter::text("a", "A text; case counts."), Parameter::text("b", "The other.")];
const NO_BAD: &str = "There is none: any two texts have an answer.";

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "jaro_winkler",
        category: Category::Similarity,
        summary: "The Jaro-Winkler similarity, 0 to 1: good for names, as a common beginning counts more.",
        parameters: PAIR,
        returns: Type::Number,
        bad_input: NO_BAD,
        examples: &[
            Example::new("jaro_winkler('Martha', 'Martha')", "1.0"),
            Example::new("jaro_winkler('Martha', 'Marhta') > 0.96", "true"),
            Example::new("jaro_winkler('abc', 'xyz')", "0.0"),
        ],
        compute: |arguments| score(arguments, strsim::jaro_winkler),
    },
    Function {
        name: "damerau_levenshtein",
        category: Category::Similarity,
        summary: "The fewest insertions, deletions, replacements and swaps of neighbours between two texts.",
        parameters: PAIR,
        returns: Type::Integer,
        bad_input: NO_BAD,
        examples: &[
            Example::new("damerau_levenshtein('form', 'from')", "1"),
            Example::new("damerau_levenshtein('kitten', 'sitting')", "3"),
        ],
        compute: |arguments| {
            let (a, b) = (arguments.text(0)?, arguments.text(1)?);
            arguments.integers(|row| i64::try_from(strsim::damerau_levenshtein(a.at(row)?, b.at(row)?)).ok())
        },
    },
    Function {
        name: "text_similarity",
        category: Category::Similarity,
        summary: "1 less the Levenshtein distance over the longer length, 0 to 1.",
        parameters: PAIR,
        returns: Type::Number,
        bad_input: NO_BAD,
        examples: &[
            Example::new("text_similarity('data', 'date')", "0.75"),
            Example::new("text_similarity('', '')", "1.0"),
        ],
        compute: |arguments| score(arguments, strsim::normalized_levenshtein),
    },
    Function {
        name: "dice_similarity",
        category: Category::Similarity,
        summary: "The Sørensen-Dice coefficient over pairs of letters, 0 to 1: good for longer texts whose words may \
                  stand in another order.",
        parameters: PAIR,
        returns: Type::Number,
        bad_input: NO_BAD,
        examples: &[Example::new("dice_similarity('night', 'nacht')", "0.25")],
        compute: |arguments| score(arguments, strsim::sorensen_dice),
    },
];

fn score(arguments: &Arguments<'_>, score: fn(&str, &str) -> f64) -> Result<ArrayRef> {
    let (a, b) = (arguments.text(0)?, arguments.text(1)?);
    arguments.numbers(|row| Some(score(a.at(row)?, b.at(row)?)))
}
