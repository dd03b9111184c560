//! Who is asking: the App by a signed token of its own, or one of its installations by a token that runs out.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Call};
use super::shapes;
use super::state::{FakeError, FakeResult, Token, World, stamp};

/// The App's key pair, made at run time so that no key lies in the repository.
#[derive(Clone)]
pub struct AppKey {
    private_pem: String,
    public_der: Vec<u8>,
}

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppKey").finish_non_exhaustive()
    }
}

impl AppKey {
    /// A new RSA key pair of 2048 bits.
    ///
    /// # Errors
    /// When the cryptography library cannot make one.
    pub fn generate() -> FakeResult<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| FakeError::Key)?;
        let private = pair.as_der().map_err(|_| FakeError::Key)?;
        Ok(Self { private_pem: pem(private.as_ref()), public_der: pair.public_key().as_ref().to_vec() })
    }

    /// The private half, as GitHub lets one download it.
    #[must_use]
    pub fn private_key_pem(&self) -> &str {
        &self.private_pem
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out.push_str("-----END PRIVATE KEY-----\n");
    out
}

/// Who a request is by.
pub(super) enum Caller {
    /// The App itself.
    App,
    /// An installation, perhaps narrowed to some repositories.
    Installation(Option<BTreeSet<u64>>),
}

/// Finds out who is asking; the answer to give when that fails.
pub(super) fn caller(world: &World, call: &Call) -> Result<Caller, Answer> {
    let header = call.header("authorization");
    let credential = header
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token"));
    let Some((_, credential)) = credential else {
        return Err(Answer::problem(401, "Requires authentication"));
    };
    if credential.matches('.').count() == 2 {
        return verify(world, credential).map(|()| Caller::App);
    }
    match world.tokens.get(credential) {
        Some(token) if token.expires_at > world.clock.now() => {
            Ok(Caller::Installation(token.repositories.clone()))
        }
        _ => Err(Answer::problem(401, "Bad credentials")),
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: Value,
    iat: i64,
    exp: i64,
}

/// Verifies the App's token: RS256 with its public key, its id as issuer, at most ten minutes long, not over.
fn verify(world: &World, token: &str) -> Result<(), Answer> {
    let no = |message: &str| Err(Answer::problem(401, message));
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_rsa_der(&world.key.public_der);
    let Ok(data) = jsonwebtoken::decode::<Claims>(token, &key, &validation) else {
        return no("A JSON web token could not be decoded");
    };
    let Claims { iss, iat, exp } = data.claims;
    let issuer = iss.as_u64().or_else(|| iss.as_str().and_then(|text| text.parse().ok()));
    if issuer != Some(world.app_id) {
        return no("'Issuer' claim ('iss') must be the App's id");
    }
    // The bot may stamp its tokens by the machine's clock while the test moves another: either will do.
    let machine = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap_or(i64::MAX);
    let in_time = [machine, world.clock.now().as_second()]
        .into_iter()
        .any(|now| iat <= now + 5 && now < exp && exp <= now + 660);
    if in_time {
        Ok(())
    } else {
        no("'Expiration time' claim ('exp') must be in the future and at most 10 minutes away")
    }
}

/// `POST /app/installations/{id}/access_tokens`.
pub(super) fn issue(world: &mut World, call: &Call, installation: &str) -> Answer {
    if installation.parse() != Ok(world.installation) {
        return Answer::missing();
    }
    let repositories = match narrowed(world, call) {
        Ok(repositories) => repositories,
        Err(answer) => return answer,
    };
    let id = world.next_id();
    // 16 digits of a counter, not chance: a log of a failed test reads the same twice.
    let token = format!("ghs_fake{id:032}");
    let expires_at = world.clock.now().checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
    world.tokens.insert(token.clone(), Token { expires_at, repositories: repositories.clone() });
    let selected: Vec<Value> = repositories
        .iter()
        .flatten()
        .filter_map(|id| world.repositories.get(id))
        .map(|repository| shapes::repository(&world.base_url, repository))
        .collect();
    let mut body = json!({
        "token": token,
        "expires_at": stamp(expires_at),
        "permissions": shapes::permissions(world),
        "repository_selection": if repositories.is_some() { "selected" } else { "all" },
    });
    if repositories.is_some() {
        body["repositories"] = Value::Array(selected);
    }
    Answer::created(&body)
}

/// The repositories that the body narrows the token to.
fn narrowed(world: &World, call: &Call) -> Result<Option<BTreeSet<u64>>, Answer> {
    let ids = call.body.get("repository_ids").and_then(Value::as_array);
    let wanted_names = call.body.get("repositories").and_then(Value::as_array);
    if ids.is_none() && wanted_names.is_none() {
        return Ok(None);
    }
    let by_name = |name: &str| {
        let found = world.repositories.values().find(|r| r.spec.name.rsplit('/').next() == Some(name));
        found.map(|repository| repository.spec.id)
    };
    let by_id = ids.into_iter().flatten().map(Value::as_u64);
    let by_names = wanted_names.into_iter().flatten().map(|name| name.as_str().and_then(by_name));
    let wanted: Option<BTreeSet<u64>> = by_id.chain(by_names).collect();
    match wanted {
        Some(wanted) if wanted.iter().all(|id| is_installed(world, *id)) => Ok(Some(wanted)),
        _ => Err(Answer::problem(
            422,
            "There is at least one repository that does not exist or is not accessible to the parent installation.",
        )),
    }
}

/// Whether the App is installed on a repository.
pub(super) fn is_installed(world: &World, id: u64) -> bool {
    world.repositories.get(&id).is_some_and(|repository| repository.spec.fork_of.is_none() && !repository.deleted)
}
