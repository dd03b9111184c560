//! How many previews there may be, and which of those that wait begins next. Pure: the store says who is there.

/// `limits` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub all: u32,
    /// Of one project.
    pub per_project: u32,
}

/// Who is there and who waits, by project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The project of each preview that has its place.
    pub placed: Vec<i64>,
    /// The project of each preview that waits for a limit and has waited longer than the one in question.
    pub ahead: Vec<i64>,
}

impl Limits {
    /// Why a preview of this project has to wait; `None`: there is room for it. Those who have waited longer go first, but
    /// nobody waits behind one that its own project's limit keeps back.
    #[must_use]
    pub fn keeps_back(&self, project: i64, taken: &Taken) -> Option<String> {
        let mut placed = taken.placed.clone();
        for ahead in &taken.ahead {
            if self.refusal(*ahead, &placed).is_none() {
                placed.push(*ahead);
            }
        }
        self.refusal(project, &placed)
    }

    fn refusal(self, project: i64, placed: &[i64]) -> Option<String> {
        let fits = |count: usize, limit: u32| u32::try_from(count).is_ok_and(|count| count < limit);
        if !fits(placed.iter().filter(|other| **other == project).count(), self.per_project) {
            return Some(reason(self.per_project, "limits.environments_per_project"));
        }
        (!fits(placed.len(), self.all)).then(|| reason(self.all, "limits.environments"))
    }
}

fn reason(limit: u32, key: &str) -> String {
    format!("all previews that {key} = {limit} allows are there: it begins when there is room again")
}

/// By this the store knows jobs that wait for a limit; `%` stands for any text.
pub const WAITS_FOR_LIMIT: &str = "all previews that limits.environments%";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        all: u32,
        per_project: u32,
        #[serde(default)]
        placed: Vec<i64>,
        #[serde(default)]
        ahead: Vec<i64>,
        waits: Option<String>,
    }

    #[test]
    fn previews_wait_as_the_table_says() {
        let cases: Vec<Case> =
            crate::domain::yaml::from_str(include_str!("../../fixtures/policy/limits.yaml")).unwrap();
        assert!(cases.len() >= 15, "{} cases", cases.len());
        for case in cases {
            let limits = Limits { all: case.all, per_project: case.per_project };
            let kept = limits.keeps_back(1, &Taken { placed: case.placed, ahead: case.ahead });
            match (&kept, &case.waits) {
                (None, None) => {}
                (Some(reason), Some(key)) => {
                    assert!(reason.contains(&format!("{key} = ")), "{}: {reason}", case.name);
                }
                _ => panic!("{}: {kept:?}", case.name),
            }
        }
    }
}
