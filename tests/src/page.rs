//! Pages of the documentation: their fenced blocks, whose words after the language say what a test does with them.

/// A fenced block: the words after the fence, and the lines.
#[derive(Clone, Debug)]
pub struct Block {
    /// The line of the fence, from 1.
    pub line: usize,
    /// The words after the fence; the first is the language.
    pub words: Vec<String>,
    /// What stands in it, with its last line's end.
    pub text: String,
}

impl Block {
    /// The value of a word as `key=value`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// Whether that word follows the language.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.words.iter().skip(1).any(|it| it == word)
    }

    /// The commands of a terminal that it shows, each a line behind `$ `, and what each put out.
    ///
    /// # Panics
    /// When it begins with something else.
    #[must_use]
    pub fn commands(&self) -> Vec<(&str, String)> {
        let mut all: Vec<(&str, String)> = Vec::new();
        for line in self.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                all.push((command, String::new()));
            } else {
                let (_, output) = all.last_mut().expect("a block begins with a command");
                output.push_str(line);
                output.push('\n');
            }
        }
        all
    }

    /// The language; empty without one.
    #[must_use]
    pub fn language(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// The blocks of a page, in order.
///
/// # Panics
/// When one is not closed.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(words)) => {
                let words = words.split_whitespace().map(str::to_owned).collect();
                open = Some(Block { line: number + 1, words, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}
