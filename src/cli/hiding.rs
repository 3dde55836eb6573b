//! Errors without the secrets that were written in the wrong place. A person sees what is wrong with a value
//! without them, and errors end up in logs and in questions to others.

/// The beginnings of tokens and signing secrets.
const PREFIXES: [&str; 4] = ["hookpost_wat_", "hookpost_adm_", "whsec_", "whsk_"];

/// The mark in place of what is hidden.
const MARK: char = '…';

/// Returns an error without tokens and signing secrets, and its URLs without users, passwords and queries.
pub(super) fn hidden(text: &str) -> String {
    PREFIXES
        .iter()
        .fold(without_parts_of_urls(text), |text, prefix| {
            let mut parts = text.split(prefix);
            let mut out = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let rest = part.trim_start_matches(is_of_secret);
                out.push_str(prefix);
                if rest.len() < part.len() {
                    out.push(MARK);
                }
                out.push_str(rest);
            }
            out
        })
}

fn is_of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=_-".contains(c)
}

fn without_parts_of_urls(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "'\"`<>".contains(c));
        let (url, rest) = part.split_at(end.unwrap_or(part.len()));
        out.push_str("://");
        // A password that is not encoded may have any character before the last @.
        let url = match url.rsplit_once('@') {
            Some((_, url)) => {
                out.extend([MARK, '@']);
                url
            }
            None => url,
        };
        match url.find(['?', '#']) {
            // A sentence may end with a question mark, or ask something.
            Some(at) if at + 1 < url.len() => {
                out.push_str(&url[..=at]);
                out.push(MARK);
            }
            _ => out.push_str(url),
        }
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::hidden;

    #[test]
    fn secrets_are_hidden_and_nothing_else() {
        for (text, safe) in [
            (
                "in X: 'http://user:pa/ss@h:1/a': no",
                "in X: 'http://…@h:1/a': no",
            ),
            ("'https://h/a?token=x#y': no", "'https://h/a?…': no"),
            (
                "is it http://h? no: http://h/",
                "is it http://h? no: http://h/",
            ),
            (
                "'hookpost_wat_a1' hookpost_adm_b",
                "'hookpost_wat_…' hookpost_adm_…",
            ),
            ("--x=whsec_ab+/c=: no; whsec_", "--x=whsec_…: no; whsec_"),
            ("a@b ?c", "a@b ?c"),
        ] {
            assert_eq!(hidden(text), safe);
        }
    }
}
