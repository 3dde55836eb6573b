use super::*;

#[test]
fn tokens_round_trip_and_near_misses_are_refused() {
    for kind in [TokenKind::Workspace, TokenKind::Admin] {
        let token = Token::generate(kind);
        assert_eq!(Token::parse(token.reveal()), Some(token.clone()));
        let text = token.reveal().to_owned();
        for at in [20, 30, text.len() - 1] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let near = String::from_utf8(bytes).unwrap();
            assert_eq!(Token::parse(&near), None, "{near}");
        }
        assert_eq!(Token::parse(&text[..text.len() - 1]), None);
        assert_eq!(Token::parse(&format!("{text}=")), None);
        assert!(!format!("{token:?}").contains(&text[20..]));
    }
    let workspace = Token::generate(TokenKind::Workspace);
    let other_kind = workspace.reveal().replace("_wat_", "_adm_");
    assert_eq!(Token::parse(&other_kind), None);
}

#[test]
fn scopes_survive_storage() {
    for scope in Scope::ALL {
        assert_eq!(Scope::parse(scope.as_str()), Some(scope));
    }
    let scopes = Scopes::webhooks();
    assert_eq!(Scopes::from_bits(scopes.bits()), scopes);
    assert!(Scopes::all().includes(scopes));
    assert!(!scopes.includes(Scopes::all()));
    // The positions that the database stores never change.
    assert_eq!(bit(Scope::WebhooksRead), 1);
    assert_eq!(bit(Scope::TokensWrite), 64);
    assert_eq!(bit(Scope::WebhooksView), 128);
}

#[test]
fn a_view_is_a_part_of_reading_and_of_writing_and_shows_no_secrets() {
    let of = |scope: Scope| -> Scopes { [scope].into_iter().collect() };
    let view = of(Scope::WebhooksView);
    for scope in [Scope::WebhooksRead, Scope::WebhooksWrite] {
        assert!(of(scope).with_parts().includes(view));
        assert!(of(scope).see_secrets());
    }
    assert!(!of(Scope::WebhooksPublish).with_parts().includes(view));
    assert_eq!(view.with_parts(), view);
    assert!(!view.see_secrets());
}
