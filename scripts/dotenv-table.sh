#!/bin/sh
# Records in fixtures/project/dotenv.yaml which values node's dotenv gives back from the env files that we write.
# Needs node and npm. Values come from the table itself, so that a new row needs its value alone.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund dotenv@17 >/dev/null
cargo run --quiet --manifest-path "$root/Cargo.toml" --example dotenv_table > written.json
cat > table.mjs <<'JS'
import { parse } from "dotenv";
import { readFileSync, writeFileSync } from "node:fs";
const cases = JSON.parse(readFileSync("written.json", "utf8"));
const rows = cases.map(({ value, text }) => {
  const same = parse(text)["KEY"] === value;
  return `- { value: ${JSON.stringify(value)}, same: ${same} }`;
});
const head = "# What node's dotenv gave back; recorded by scripts/dotenv-table.sh.\n";
writeFileSync(process.argv[2], head + rows.join("\n") + "\n");
JS
node table.mjs "$root/fixtures/project/dotenv.yaml"
