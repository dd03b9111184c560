use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::domain::compose::Confinement;
use crate::domain::yaml;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    text: String,
    #[serde(default)]
    reads: Option<BTreeSet<String>>,
    #[serde(default)]
    follows: BTreeMap<String, String>,
    #[serde(default)]
    wrong: BTreeMap<String, String>,
}

fn told(violations: &[Violation]) -> BTreeMap<String, String> {
    violations.iter().map(|violation| (violation.place.clone(), violation.wrong.word().to_owned())).collect()
}

#[test]
fn what_a_written_file_makes_compose_read_is_found_wherever_it_stands() {
    let cases: Vec<Written> = yaml::from_str(include_str!("../../../../fixtures/sandbox/written.yaml")).unwrap();
    for case in cases {
        let judgement = judge_raw(case.text.as_bytes(), "");
        assert_eq!(told(&judgement.violations), case.wrong, "{}", case.name);
        let reads: BTreeSet<String> = judgement.claims.into_iter().map(|claim| claim.path).collect();
        if let Some(expected) = case.reads {
            assert_eq!(reads, expected, "{}", case.name);
        }
        let follows: BTreeMap<String, String> =
            judgement.follows.into_iter().map(|follow| (follow.path, follow.base)).collect();
        assert_eq!(follows, case.follows, "{}", case.name);
    }
    assert_eq!(told(&judge_raw(b"services: {} # \xff", "").violations).len(), 1, "not UTF-8");
    let from_a_folder = judge_raw(b"services: {a: {env_file: ../a.env}}", "sub");
    let reads: Vec<&str> = from_a_folder.claims.iter().map(|claim| claim.path.as_str()).collect();
    assert_eq!(reads, ["a.env", "sub/.env"]);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Understood {
    file: Value,
    wrong: BTreeMap<String, String>,
}

#[test]
fn what_is_not_known_to_be_harmless_is_refused() {
    let cases: Vec<Understood> =
        yaml::from_str(include_str!("../../../../fixtures/sandbox/understood.yaml")).unwrap();
    for case in cases {
        let judgement = judge_resolved(&case.file, "/srv/shop", &Confinement::default());
        assert_eq!(told(&judgement.violations), case.wrong, "{}", case.file);
    }
}

#[test]
fn what_a_build_and_a_mount_use_is_looked_at() {
    let file = json!({"services": {"a": {
        "build": {"context": "/srv/shop/web", "dockerfile": "D"},
        "volumes": [{"type": "bind", "source": "/srv/shop", "target": "/app"}]
    }}});
    let claims = judge_resolved(&file, "/srv/shop/", &Confinement::default()).claims;
    let found: BTreeSet<(&str, Want)> = claims.iter().map(|claim| (claim.path.as_str(), claim.want)).collect();
    let expected = [
        (".", Want::Something),
        ("web", Want::Something),
        ("web/.dockerignore", Want::FileIfAny),
        ("web/D", Want::FileIfAny),
        ("web/D.dockerignore", Want::FileIfAny),
    ];
    assert_eq!(found, BTreeSet::from(expected));
}

/// Words that the judges branch on, and some that mean nothing.
const WORDS: [&str; 34] = [
    "services",
    "networks",
    "volumes",
    "secrets",
    "configs",
    "a",
    "build",
    "context",
    "dockerfile",
    "deploy",
    "replicas",
    "ulimits",
    "extra_hosts",
    "dns",
    "labels",
    "include",
    "extends",
    "file",
    "env_file",
    "path",
    "project_directory",
    "<<",
    "type",
    "bind",
    "source",
    "/srv/shop/x",
    "../..",
    "$x",
    "service:a",
    "tmpfs",
    "/t:size=1",
    "ports",
    "é\u{85}\u{0}",
    "",
];

fn anything(random: &mut StdRng, depth: u32) -> Value {
    let word = |random: &mut StdRng| WORDS[random.random_range(0..WORDS.len())].to_owned();
    match random.random_range(0..if depth == 0 { 5 } else { 9 }) {
        0 => Value::Null,
        1 => json!(random.random_bool(0.5)),
        2 => json!(random.random_range(i64::MIN..i64::MAX)),
        3 => json!(random.random_range(-1.0..1e300)),
        4 => json!(word(random)),
        5 => (0..random.random_range(0..4)).map(|_| anything(random, depth - 1)).collect(),
        _ => (0..random.random_range(0..6)).map(|_| (word(random), anything(random, depth - 1))).collect(),
    }
}

#[test]
fn no_file_makes_the_judges_fall() {
    let mut random = StdRng::seed_from_u64(20_260);
    for _ in 0..1_500 {
        let file = json!({"services": {"a": anything(&mut random, 4)}, "volumes": anything(&mut random, 3)});
        std::hint::black_box(judge_resolved(&file, "/srv/shop", &Confinement::default()));
        std::hint::black_box(judge_resolved(&anything(&mut random, 5), "", &Confinement::default()));
        let mut text = anything(&mut random, 5).to_string().into_bytes();
        std::hint::black_box(judge_raw(&text, "sub"));
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..text.len());
            text[at] = *b"\0\n\t {}[]:,-&*!|>'\"%#\xc2\x85".get(random.random_range(0..22)).unwrap();
        }
        std::hint::black_box(judge_raw(&text, ""));
    }
}

#[test]
fn what_unfolds_too_far_is_refused_before_it_is_unfolded() {
    let chain: Vec<String> = (1..3_000).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    let chain = chain.concat();
    let long = format!("a0: &a0 x\n{chain}");
    assert_eq!(told(&judge_raw(long.as_bytes(), "").violations).len(), 1);
    let wide = format!("a: &a [{}]\nb: [{}]", "x,".repeat(40_000), "*a,".repeat(20_000));
    assert_eq!(told(&judge_raw(wide.as_bytes(), "").violations).len(), 1);
    let deep = (0..60).fold("x".to_owned(), |inner, _| format!("{{a: {inner}}}"));
    assert!(judge_raw(deep.as_bytes(), "").violations.is_empty());
}
