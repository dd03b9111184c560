//! A real `PostgreSQL` server for all tests, and databases of their own on it.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use previewbot::domain::ports::{Clock, SystemRandom as _};
use previewbot::outbound::clock::OsRandom;
use previewbot::outbound::store::Location;
use secrecy::SecretString;
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// The URL of the server's first database; the server is started where it does not run.
fn server() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres.sh");
        let output = Command::new(script).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

async fn tell(statement: String) {
    let mut connection = PgConnection::connect(server()).await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}

/// An empty database, which goes when this is dropped.
pub(crate) struct TestDatabase {
    name: String,
}

impl TestDatabase {
    pub(crate) async fn new() -> Self {
        let name = format!("test_{}", OsRandom.uuid().simple());
        tell(format!("CREATE DATABASE {name}")).await;
        Self { name }
    }

    pub(crate) fn url(&self) -> String {
        server().replace("///postgres?", &format!("///{}?", self.name))
    }

    /// This database in this clock's time.
    pub(crate) fn location(&self, clock: &Arc<impl Clock + 'static>) -> Location {
        let clock = Some(Arc::clone(clock) as Arc<dyn Clock>);
        Location::Server { url: SecretString::from(self.url()), clock }
    }

    pub(crate) async fn pool(&self) -> PgPool {
        let options = PgPoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(5));
        options.connect(&self.url()).await.unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop_it = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread of its own: the test's runtime is about to end.
        let dropped = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(tell(drop_it));
        });
        let _ = dropped.join();
    }
}
