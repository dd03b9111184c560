//! Env files come back the same from those who really read them.

use previewbot::domain::render::env_file::render;

use crate::support::env_readers::{Variables, composed, sourced};

fn hard_values() -> Vec<&'static str> {
    vec![
        "",
        " ",
        "x ",
        "\t",
        "\n",
        "\n\n",
        "a\n",
        "\r",
        "\\",
        "\\\\",
        "a\\",
        "a\\\\\\",
        "it's\\",
        "'",
        "\"",
        "''",
        "'\\''",
        "\\'",
        "\\\"'",
        "'\\n",
        "'\\t\\0101\\$",
        "$",
        "'$",
        "$$",
        "'$$",
        "${X:-y}",
        "'${X:-y}",
        "$(id)",
        "'$(id)",
        "`id`",
        "'`id`'",
        "it's `a` and `b` \\ \" $X ${X}\n#",
        "`\\",
        "~",
        "~root",
        "a:~root",
        "*",
        "?[a]",
        "#",
        "a #b",
        "'a #b",
        "!x",
        "a&b",
        "a;b",
        "a|b",
        "<a>",
        "(a)",
        "{a,b}",
        "é日🎉",
        "'é日🎉",
        "export A=1",
        "-----BEGIN-----\nMII=\n-----END-----\n",
        "{\"a\": \"it's\"}",
        "%s%n",
        "x=y",
        "=",
        "\u{a0}",
        "'\u{85}",
    ]
}

#[test]
fn hard_values_come_back_from_a_shell_and_from_compose() {
    let numbered = |(index, value): (usize, &&str)| (format!("V{index}"), (*value).to_owned());
    let variables: Variables = hard_values().iter().enumerate().map(numbered).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hard.env");
    std::fs::write(&file, render(&variables)).unwrap();
    assert_eq!(sourced(&file), variables);
    if let Some(composed) = composed(folder.path(), &file) {
        assert_eq!(composed, variables);
    }
}
