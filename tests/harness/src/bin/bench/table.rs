//! Rows of the result, on stdout and in `target/bench/results.json`.

use serde::Serialize;
use vllm_rollback_harness::paths;

/// One comparison, or one figure of ours alone.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: String,
    /// Our median.
    pub(crate) ours: f64,
    /// The other side's median.
    pub(crate) theirs: Option<f64>,
    /// Ours divided by theirs, or by the bound where there is no other side.
    pub(crate) ratio: Option<f64>,
    /// The ratio or figure this should not exceed.
    pub(crate) aim: f64,
    /// Unit of `ours` and `theirs`.
    pub(crate) unit: &'static str,
    /// How often each side ran.
    pub(crate) runs: usize,
}

impl Row {
    /// Two sides, measured in pairs.
    pub(crate) fn pair(name: &str, ours: &[f64], theirs: &[f64], aim: f64) -> Self {
        let (us, them) = (median(ours), median(theirs));
        Self {
            name: name.to_owned(),
            ours: us,
            theirs: Some(them),
            ratio: Some(us / them),
            aim,
            unit: "s",
            runs: ours.len(),
        }
    }

    /// Ours alone, against a bound in the same unit.
    pub(crate) fn bound(name: &str, ours: &[f64], aim: f64, unit: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            ours: median(ours),
            theirs: None,
            ratio: None,
            aim,
            unit,
            runs: ours.len(),
        }
    }

    fn met(&self) -> bool {
        self.ratio.unwrap_or(self.ours) <= self.aim
    }
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Prints the table and writes the file; rows that other benchmarks put there stay.
pub(crate) fn publish(rows: &[Row]) {
    println!(
        "{:<46} {:>9} {:>9} {:>7} {:>8}  unit  runs",
        "", "ours", "theirs", "ratio", "aim"
    );
    for row in rows {
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        let mark = if row.met() { "" } else { "  over" };
        println!(
            "{:<46} {:>9.3} {:>9} {:>7} {:>8.2}  {:<4}  {}{mark}",
            row.name,
            row.ours,
            show(row.theirs),
            show(row.ratio),
            row.aim,
            row.unit,
            row.runs
        );
    }
    let dir = paths::target().join("bench");
    let path = dir.join("results.json");
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let mut all: Vec<serde_json::Value> = std::fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    all.retain(|row| row["name"].as_str().is_some_and(|name| !names.contains(&name)));
    all.extend(rows.iter().filter_map(|row| serde_json::to_value(row).ok()));
    std::fs::create_dir_all(&dir).expect("the target directory is writable");
    std::fs::write(&path, serde_json::to_vec_pretty(&all).expect("rows are plain data"))
        .expect("the target directory is writable");
    println!("\n{}", path.display());
}
