//! Temporary.
use clap::Parser;
use hookpost::app::*;
use hookpost::domain::access::*;
use hookpost::domain::clock::SystemClock;
use hookpost::storage::*;
use std::sync::Arc;
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    s: AppSettings,
}
fn main() {
    actix_web::rt::System::new().block_on(run());
}
async fn run() {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let cli = Cli::parse();
    let app = Application::start(cli.s, Arc::new(SystemClock::new())).unwrap();
    let token = Token::generate(TokenKind::Admin);
    let store = app.store();
    store
        .create_token(NewAccessToken {
            hash: token.hash(),
            workspace_id: None,
            comment: "x".into(),
            scopes: Scopes::all(),
            expires_in: None,
        })
        .await
        .unwrap();
    println!("{} {}", app.addr(), token.reveal());
    app.run_until(async {
        tokio::signal::ctrl_c().await.unwrap();
    })
    .await
    .unwrap();
}
