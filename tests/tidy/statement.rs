//! SQL as the rules read it: tokens, and the scopes of a statement and its sub-queries.

/// A word, a parameter, a literal or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// As it is written; a literal with its quotes.
    pub(crate) text: String,
    /// From 1.
    pub(crate) line: usize,
    /// Parentheses around it, within its scope.
    pub(crate) depth: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word,
    Number,
    Parameter,
    Literal,
    Sign,
}

impl Token {
    /// Whether it is this word, in whatever case, or this sign.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Literal && self.text.eq_ignore_ascii_case(text)
    }

    /// Whether it is one of these.
    pub(crate) fn is_any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.is(text))
    }

    /// Whether it is a word.
    pub(crate) fn is_word(&self) -> bool {
        self.kind == Kind::Word
    }
}

const SIGNS: &[&str] =
    &[":::", "::", "->>", "->", "<>", "<=", ">=", "!=", "@>", "<@", "@@", "||", "=>"];

/// The tokens of a statement, without its comments.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut at, mut line, mut depth) = (0, 1, 0_usize);
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        }
        let (kind, length) = first_token(rest, first);
        let word = &rest[..length];
        if word == ")" {
            depth = depth.saturating_sub(1);
        }
        if !first.is_whitespace() {
            tokens.push(Token { kind, text: word.to_owned(), line, depth });
        }
        if word == "(" {
            depth += 1;
        }
        line += word.matches('\n').count();
        at += length;
    }
    tokens
}

/// The kind and the length of what a text starts with.
fn first_token(rest: &str, first: char) -> (Kind, usize) {
    let run = |goes_on: fn(char) -> bool| rest.find(|c| !goes_on(c)).unwrap_or(rest.len());
    let quoted = |quote: char| {
        let mut end = 1 + rest[1..].find(quote).map_or(rest.len() - 1, |inner| inner + 1);
        while rest[end..].starts_with(quote) {
            end += 1 + rest[end + 1..].find(quote).map_or(rest.len() - end - 1, |inner| inner + 1);
        }
        end
    };
    match first {
        '\'' => (Kind::Literal, quoted('\'')),
        '"' => (Kind::Word, quoted('"')),
        '{' => (Kind::Word, rest.find('}').map_or(rest.len(), |end| end + 1)),
        '$' => {
            let digits = rest[1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - 1);
            (Kind::Parameter, 1 + digits)
        }
        c if c.is_ascii_digit() => (Kind::Number, run(|c| c.is_ascii_digit() || c == '.')),
        c if c.is_alphabetic() || c == '_' => {
            (Kind::Word, run(|c| c.is_alphanumeric() || c == '_'))
        }
        c => {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, sign.map_or(c.len_utf8(), |sign| sign.len()))
        }
    }
}

/// A statement or a sub-query: its own tokens; a sub-query within it is left as `( )`.
#[derive(Debug)]
pub(crate) struct Scope {
    /// What a WITH calls it.
    pub(crate) name: Option<String>,
    /// Its own tokens, their depth counted from its own start.
    pub(crate) tokens: Vec<Token>,
}

/// What a scope reads or writes: a table, a common table expression, or a sub-query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The table's name; nothing for a sub-query.
    pub(crate) table: String,
    /// What the scope calls it.
    pub(crate) alias: String,
    /// Whether it is what an INSERT, UPDATE or DELETE is about.
    pub(crate) target: bool,
    /// From 1.
    pub(crate) line: usize,
}

const VERBS: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "UPSERT", "MERGE"];
/// Words that cannot be an alias.
const NO_ALIAS: &[&str] = &[
    "SET",
    "WHERE",
    "ON",
    "JOIN",
    "LEFT",
    "RIGHT",
    "INNER",
    "FULL",
    "CROSS",
    "GROUP",
    "ORDER",
    "LIMIT",
    "FOR",
    "RETURNING",
    "VALUES",
    "SELECT",
    "FROM",
    "USING",
    "HAVING",
    "UNION",
    "WITH",
    "AS",
    "OFFSET",
];

/// The statement and its sub-queries, outermost first.
pub(crate) fn scopes(tokens: &[Token]) -> Vec<Scope> {
    let mut done: Vec<(usize, Scope)> = Vec::new();
    let mut open = vec![(0, Scope { name: None, tokens: Vec::new() })];
    // Per parenthesis: whether it began a scope.
    let mut parentheses: Vec<bool> = Vec::new();
    let mut began = 0;
    for (at, token) in tokens.iter().enumerate() {
        let deep = parentheses.iter().rev().take_while(|began| !**began).count();
        let (_, scope) = open.last_mut().expect("the outermost scope stays open");
        let mut token = Token { depth: deep, ..token.clone() };
        if token.is("(") {
            let begins = tokens.get(at + 1).is_some_and(|next| next.is_any(VERBS));
            parentheses.push(begins);
            let name = match scope.tokens.as_slice() {
                [.., name, r#as] if r#as.is("AS") && name.is_word() => Some(name.text.clone()),
                _ => None,
            };
            scope.tokens.push(token);
            if begins {
                began += 1;
                open.push((began, Scope { name, tokens: Vec::new() }));
            }
        } else if token.is(")") {
            if parentheses.pop() == Some(true) {
                done.extend(open.pop());
            }
            token.depth = parentheses.iter().rev().take_while(|began| !**began).count();
            open.last_mut().expect("parentheses match").1.tokens.push(token);
        } else {
            scope.tokens.push(token);
        }
    }
    done.append(&mut open);
    done.sort_by_key(|(order, _)| *order);
    done.into_iter().map(|(_, scope)| scope).collect()
}

impl Scope {
    /// SELECT, INSERT, UPDATE or DELETE, in capitals.
    pub(crate) fn verb(&self) -> String {
        let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        let verb = self.tokens.iter().find(|token| token.depth == 0 && token.is_any(&verbs));
        verb.map(|token| token.text.to_uppercase()).unwrap_or_default()
    }

    /// Everything that it reads or writes.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut items = Vec::new();
        for (at, token) in self.tokens.iter().enumerate().filter(|(_, token)| token.depth == 0) {
            let before = |words: &[&str]| at > 0 && self.tokens[at - 1].is_any(words);
            let target = match token.text.to_uppercase().as_str() {
                "FROM" if before(&["DISTINCT"]) => continue,
                "UPDATE" if before(&["FOR", "DO", "ON", "KEY"]) => continue,
                "FROM" => before(&["DELETE"]),
                "UPDATE" | "INTO" => true,
                "JOIN" | "USING" => false,
                _ => continue,
            };
            let mut next = at + 1;
            while let Some(item) = self.item(&mut next, target) {
                items.push(item);
                let more = self.tokens.get(next).is_some_and(|token| token.is(","));
                if !(more && token.is_any(&["FROM", "USING"])) {
                    break;
                }
                next += 1;
            }
        }
        items
    }

    fn item(&self, next: &mut usize, target: bool) -> Option<Item> {
        let first = self.tokens.get(*next)?;
        let line = first.line;
        let mut table = String::new();
        if first.is("(") {
            // A sub-query, or a list of columns, which is no item.
            if !self.tokens.get(*next + 1)?.is(")") {
                return None;
            }
            *next += 2;
        } else if first.is_word() {
            table = first.text.to_lowercase();
            *next += 1;
            while self.tokens.get(*next).is_some_and(|token| token.is(".")) {
                table = self.tokens.get(*next + 1)?.text.to_lowercase();
                *next += 2;
            }
        } else {
            return None;
        }
        if self.tokens.get(*next).is_some_and(|token| token.is("AS")) {
            *next += 1;
        }
        let alias = self.tokens.get(*next).filter(|t| t.is_word() && !t.is_any(NO_ALIAS));
        let alias = match alias {
            Some(alias) => {
                *next += 1;
                alias.text.to_lowercase()
            }
            None => table.clone(),
        };
        Some(Item { table, alias, target, line })
    }
}

#[test]
fn a_statement_is_taken_apart() {
    let text =
        "-- x: y.\nSELECT a.id, 'it''s -- no' FROM t AS a WHERE a.id = $1::text AND (b OR c)";
    let tokens = tokens(text);
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let expected =
        "SELECT|a|.|id|,|'it''s -- no'|FROM|t|AS|a|WHERE|a|.|id|=|$1|::|text|AND|(|b|OR|c|)";
    assert_eq!(words.join("|"), expected);
    let or = tokens.iter().find(|token| token.is("or")).expect("it is there");
    assert_eq!((or.line, or.depth), (2, 1));
}

#[test]
fn sub_queries_are_scopes_of_their_own() {
    let text = "WITH k AS (INSERT INTO a (x) VALUES ($1) RETURNING x) \
                UPDATE b SET y = (SELECT max(z) FROM c, d e) FROM k WHERE b.x = k.x FOR UPDATE";
    let scopes = scopes(&tokens(text));
    let seen: Vec<(Option<&str>, String, Vec<String>)> = scopes
        .iter()
        .map(|scope| {
            let items = scope.items().into_iter().map(|i| format!("{}:{}", i.table, i.alias));
            (scope.name.as_deref(), scope.verb(), items.collect())
        })
        .collect();
    let list = |items: &[&str]| items.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(seen[0], (None, "UPDATE".into(), list(&["b:b", "k:k"])));
    assert_eq!(seen[1], (Some("k"), "INSERT".into(), list(&["a:a"])));
    assert_eq!(seen[2], (None, "SELECT".into(), list(&["c:c", "d:e"])));
}
