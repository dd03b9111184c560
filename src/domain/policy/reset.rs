//! Which service `/preview reset` means (design §7).

use crate::domain::wording::code;

/// The service that is reset when none is named, where several can be.
const USUAL_SERVICE: &str = "db";

/// The service to reset, or why there is none, as Markdown.
pub(super) fn target(asked: Option<&str>, resettable: &[String]) -> Result<String, String> {
    let known = |name: &str| resettable.iter().find(|service| *service == name).cloned();
    if resettable.is_empty() {
        return Err("Nothing can be reset here: no service in `previewctl.yaml` has a `reset` hook, or both \
                    `destroy` and `seed`."
            .to_owned());
    }
    let list = || resettable.iter().map(|service| code(service)).collect::<Vec<_>>().join(", ");
    match (asked, resettable) {
        (Some(name), _) => {
            known(name).ok_or_else(|| format!("{} cannot be reset. These can: {}.", code(name), list()))
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => known(USUAL_SERVICE)
            .ok_or_else(|| format!("Say which service to reset, as in `/preview reset <service>`: {}.", list())),
    }
}
