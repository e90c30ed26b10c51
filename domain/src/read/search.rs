//! What people type to find things: several words, each of which has to be found, upper and lower case alike.

use sea_orm::{
    ColumnTrait, Condition, ExprTrait,
    sea_query::{Expr, Func, LikeExpr},
};

/// More is not looked at: a search is a few words.
const MAX_WORDS: usize = 10;
const MAX_CHARS: usize = 200;

/// The words, in lower case; none where there is nothing to look for.
pub fn words(search: Option<&str>) -> Vec<String> {
    typed(search).iter().map(|word| word.to_lowercase()).collect()
}

/// The words as they were typed.
fn typed(search: Option<&str>) -> Vec<String> {
    let text: String = search.unwrap_or_default().chars().take(MAX_CHARS).collect();
    text.split_whitespace().take(MAX_WORDS).map(str::to_owned).collect()
}

/// Names with every word; all of them where there is none.
pub fn named(name: impl ColumnTrait, search: Option<&str>) -> Condition {
    typed(search).iter().fold(Condition::all(), |all, word| {
        let column = || Expr::col(name.as_column_ref());
        // SQLite folds ASCII alone: what was typed may stand there as it is.
        let folded = Expr::expr(Func::lower(column())).like(containing(&word.to_lowercase()));
        all.add(Condition::any().add(column().like(containing(word))).add(folded))
    })
}

/// Matches texts that contain the word as it is, `%` and `_` included.
pub fn containing(word: &str) -> LikeExpr {
    let mut pattern = String::with_capacity(word.len() + 2);
    pattern.push('%');
    for c in word.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    LikeExpr::new(pattern).escape('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_a_few_words() {
        assert_eq!(words(Some("  List  ÄPFEL\t100% ")), ["list", "äpfel", "100%"]);
        assert!(words(None).is_empty() && words(Some(" ")).is_empty());
        assert_eq!(words(Some(&"a ".repeat(1_000))).len(), MAX_WORDS);
    }
}
