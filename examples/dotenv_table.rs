//! Prints the env files that node's dotenv is to read: of every value in `fixtures/project/dotenv.yaml`, as JSON.
//! `scripts/dotenv-table.sh` lets dotenv read them and records what it gave back.

use previewbot::domain::render::dotenv;
use previewbot::domain::yaml;

#[derive(serde::Deserialize)]
struct Recorded {
    value: String,
}

fn main() -> anyhow::Result<()> {
    let recorded: Vec<Recorded> = yaml::from_str(include_str!("../fixtures/project/dotenv.yaml"))?;
    let file = |Recorded { value }: Recorded| {
        let text = dotenv::file("KEY", &value);
        serde_json::json!({ "value": value, "text": text })
    };
    let files: Vec<serde_json::Value> = recorded.into_iter().map(file).collect();
    serde_json::to_writer(std::io::stdout().lock(), &files)?;
    Ok(())
}
