use std::fmt;

/// How much stored data a check reads.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ReadData {
    /// None: only the structure.
    #[default]
    Nothing,
    /// All of it.
    All,
    /// The `part`-th of `of` equal shares, counted from 1: another share each night reads all in the end.
    Share {
        /// Which share, from 1.
        part: u32,
        /// How many shares there are.
        of: u32,
    },
    /// A random share of so many per cent.
    Percent(f64),
}

impl ReadData {
    /// Reads what its words say: `none`, `all`, `3/10` for the third of ten shares, `5%` for so much at random. `None` where
    /// they mean nothing.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((part, of)) = text.split_once('/') {
            let (part, of) = (part.parse().ok()?, of.parse().ok()?);
            return (1..=of).contains(&part).then_some(Self::Share { part, of });
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse::<f64>().ok();
            let percent = percent.filter(|number| *number > 0.0 && *number <= 100.0);
            return percent.map(Self::Percent);
        }
        match text {
            "none" => Some(Self::Nothing),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

impl fmt::Display for ReadData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => formatter.write_str("none"),
            Self::All => formatter.write_str("all"),
            Self::Share { part, of } => write!(formatter, "{part}/{of}"),
            Self::Percent(percent) => write!(formatter, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_words_are_read_back() {
        for text in ["none", "all", "3/10", "10/10", "5%", "2.5%"] {
            assert_eq!(ReadData::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "much", "0/3", "4/3", "1/0", "/", "-1/3", "0%", "101%", "NaN%", "%"] {
            assert_eq!(ReadData::parse(text), None, "{text}");
        }
    }
}
