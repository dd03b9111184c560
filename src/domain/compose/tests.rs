//! Whole compose files.

use super::*;
use crate::domain::project::PublishedPort;

fn services(text: &str) -> BTreeMap<String, InfraService> {
    let file = read(text, "compose.yaml");
    assert!(file.problems.is_empty(), "{:?}", file.problems);
    file.services
}

fn problems(text: &str) -> Vec<String> {
    read(text, "compose.yaml").problems.iter().map(|p| format!("{} {p}", p.severity.as_str())).collect()
}

#[test]
fn merge_keys_anchors_and_the_long_form_are_read() {
    let text = "x: &base\n  image: pg\nservices:\n  db:\n    <<: *base\n    ports:\n      - target: 5432\n        \
                published: \"${DB_PORT:-15432}\"\n        host_ip: 127.0.0.1\n        mode: host\n";
    let db = &services(text)["db"];
    assert_eq!((db.image.as_str(), db.port, db.env_var.as_str()), ("pg", 15432, "DB_PORT"));
    let expected = PublishedPort {
        host: 15432,
        env_var: "DB_PORT".to_owned(),
        container: 5432,
        count: 1,
        protocol: "tcp".to_owned(),
    };
    assert_eq!(db.ports, [expected]);
}

#[test]
fn every_port_of_a_service_is_known_and_the_first_is_its_own() {
    let text = "services:\n  mail:\n    ports: ['${SMTP:-1025}:1025', '${WEB:-8025}:8025/tcp', 9:9]\n    expose: [25, '30-40/udp']\n";
    let mail = &services(text)["mail"];
    assert_eq!((mail.port, mail.env_var.as_str()), (1025, "SMTP"));
    let all: Vec<(u16, &str)> = mail.ports.iter().map(|port| (port.host, port.env_var.as_str())).collect();
    assert_eq!(all, [(1025, "SMTP"), (8025, "WEB"), (9, "")]);
}

#[test]
fn what_other_tools_need_does_no_harm() {
    let text = "include: [other.yaml]\nservices:\n  a:\n    extends: {file: x.yaml, service: y}\n    profiles: [debug]\n    \
                ports: !reset []\n    build: {context: ., args: [A=1]}\n    deploy: {replicas: 2}\n  b: ~\n";
    assert_eq!(services(text).len(), 2);
    for empty in ["", "services:\n", "volumes: {a: {}}\n", "name: x\nservices: {}\n"] {
        assert!(services(empty).is_empty(), "{empty}");
    }
}

#[test]
fn problems_name_the_service_the_text_and_the_line() {
    let text = "services:\n  a:\n    ports: ['nope', '1:1', 'bad:1']\n  b:\n    ports:\n      - target: x\n      - published: 5\n      - [1]\n  c: text\n  d: {ports: 80, image: [x]}\n";
    let help = "write it as `8080:80` or `${NAME:-8080}:80` with ports up to 65535";
    assert_eq!(
        problems(text),
        [
            format!("error compose.yaml:3:13: service `a`: port `nope`: not understood; {help}"),
            format!("error compose.yaml:3:28: service `a`: port `bad:1`: not understood; {help}"),
            format!("error compose.yaml:6:9: service `b`: port `x`: not understood; {help}"),
            format!("error compose.yaml:7:9: service `b`: port `5`: it has no `target`; {help}"),
            format!("error compose.yaml:8:9: service `b`: port ``: neither text nor a mapping; {help}"),
            "error compose.yaml:9:6: infrastructure.services.c: expected a mapping, found `text`".to_owned(),
            "error compose.yaml:10:25: infrastructure.services.d.image: expected text, found a list".to_owned(),
            "error compose.yaml:10:14: infrastructure.services.d.ports: expected a list, found `80`".to_owned(),
        ]
    );
}

#[test]
fn a_first_port_that_is_not_known_beforehand_is_a_warning_and_later_ones_are_as_they_like() {
    let text = "services:\n  a: {ports: ['3000-3005:3000-3005']}\n  b: {ports: ['1:1', '${x:?y}:2', '5-6:5-6']}\n  c: {ports: ['${x:?y}:2']}\n";
    let told = problems(text);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("warning compose.yaml:2:15: service `a`: port `3000-3005:3000-3005`"), "{told:?}");
    let c = &read(text, "compose.yaml").services["c"];
    assert_eq!((c.port, c.env_var.as_str()), (0, "x"));
}

#[test]
fn broken_yaml_is_one_problem() {
    let told = problems("services:\n  db:\n    image: postgres\n   ports: [\n");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("the compose file does not parse"), "{told:?}");
}
