//! The web server of the sample's previews (`previewbot demo-site`): one page, and notes in a plain file.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::html::escape;

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct SiteOptions {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Folder with `index.html`.
    pub root: PathBuf,
    /// File of notes, one a line.
    pub notes: PathBuf,
}

/// Why the site cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The page cannot be read.
    #[error("cannot read the page {}", path.display())]
    Page {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The address is taken, or the listener failed.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

struct Site {
    page: String,
    notes: PathBuf,
}

/// Where the notes go in the page.
const PLACE: &str = "<!-- notes -->";
/// A note is a line, not a book.
const LONGEST_NOTE: usize = 4 * 1024;

/// Serves until the process is ended. The page is read once: a changed one needs a new deploy, as with most servers.
///
/// # Errors
/// When the page cannot be read or the address cannot be listened on.
pub async fn serve(options: SiteOptions) -> Result<(), SiteError> {
    let router = router(&options).await?;
    let listen = |source| SiteError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    axum::serve(listener, router).await.map_err(listen)
}

async fn router(options: &SiteOptions) -> Result<Router, SiteError> {
    let path = options.root.join("index.html");
    let page = tokio::fs::read_to_string(&path).await.map_err(|source| SiteError::Page { path, source })?;
    let site = Arc::new(Site { page, notes: options.notes.clone() });
    let router = Router::new()
        .route("/", get(show))
        .route("/healthz", get(async || "ok\n"))
        .route("/notes", post(add))
        .layer(DefaultBodyLimit::max(LONGEST_NOTE))
        .with_state(site);
    Ok(router)
}

async fn show(State(site): State<Arc<Site>>) -> Result<Html<String>, StatusCode> {
    let notes = tokio::fs::read_to_string(&site.notes).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let items: Vec<String> = notes.lines().map(|note| format!("<li>{}</li>", escape(note))).collect();
    Ok(Html(site.page.replace(PLACE, &items.join("\n"))))
}

/// Adds a line; the page's own form sends `note=…` as plain text.
async fn add(State(site): State<Arc<Site>>, body: String) -> Result<Redirect, StatusCode> {
    let note = body.strip_prefix("note=").unwrap_or(&body);
    let note: String = note.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if note.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    append(&site.notes, &note).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Redirect::to("/"))
}

async fn append(path: &Path, note: &str) -> io::Result<()> {
    let mut file = tokio::fs::OpenOptions::new().append(true).open(path).await?;
    file.write_all(format!("{note}\n").as_bytes()).await?;
    file.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::{Request, Response};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn text(response: Response<Body>) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn shows_the_notes_escaped_and_adds_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("index.html"), "<ul><!-- notes --></ul>").unwrap();
        let notes = folder.path().join("notes.txt");
        std::fs::write(&notes, "<b>hi</b>\n").unwrap();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = SiteOptions { listen, root: folder.path().to_owned(), notes: notes.clone() };
        let router = router(&options).await.unwrap();

        let post = Request::post("/notes").body(Body::from("note=two\r\nlines\r\n")).unwrap();
        assert_eq!(router.clone().oneshot(post).await.unwrap().status(), StatusCode::SEE_OTHER);
        let page = router.clone().oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        let page = text(page).await;
        assert!(page.contains("<li>&lt;b&gt;hi&lt;/b&gt;</li>"), "{page}");
        assert_eq!(std::fs::read_to_string(&notes).unwrap().lines().count(), 2, "a note is one line");

        std::fs::remove_file(&notes).unwrap();
        let page = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
