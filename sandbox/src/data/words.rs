//! Comparing texts word by word.

/// Lower case and without accents.
pub(crate) fn folded(text: &str) -> String {
    deunicode::deunicode(text).to_lowercase()
}

/// The words of a text, folded.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> {
    let words: Vec<_> =
        folded(text).split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.into_iter()
}

/// The words of a text that carry meaning, in the singular.
pub(crate) fn stems(text: &str) -> Vec<String> {
    words(text)
        .filter(|word| !matches!(word.as_str(), "and" | "of" | "the" | "a" | "an" | "for"))
        .map(singular)
        .collect()
}

/// Whether `part`'s words stand in `text` side by side.
pub(crate) fn contains_words(text: &str, part: &str) -> bool {
    let (text, part): (Vec<_>, Vec<_>) = (words(text).collect(), words(part).collect());
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

fn singular(word: String) -> String {
    if let Some(base) = word.strip_suffix("ies").filter(|base| base.len() > 1) {
        return format!("{base}y");
    }
    for ending in ["ches", "shes", "sses", "xes"] {
        if word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    match word.strip_suffix('s') {
        Some(base) if base.len() > 2 && !base.ends_with(['s', 'i', 'u']) => base.to_owned(),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_have_the_stem_of_their_singular() {
        for (plural, single) in [
            ("Breweries", "brewery"),
            ("brewpubs", "brewpub"),
            ("churches", "church"),
            ("Hair salons", "hair salon"),
            ("businesses", "business"),
            ("cafés", "cafe"),
        ] {
            assert_eq!(stems(plural), stems(single));
        }
        assert_eq!(stems("Metals & Mining"), ["metal", "mining"]);
        assert_eq!(stems("gas"), ["gas"]);
    }

    #[test]
    fn a_role_stands_in_a_title_word_by_word() {
        assert!(contains_words("Co-Owner", "owner"));
        assert!(contains_words("Head of Sales & Marketing", "head of sales"));
        assert!(!contains_words("Salesperson", "sales"));
        assert!(!contains_words("Head Taproom Brewer", "head brewer"));
    }
}
