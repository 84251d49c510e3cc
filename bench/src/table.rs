// SPDX-License-Identifier: GPL-2.0-only

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use unshare_bench::{Cost, Figures, Report, Request};

/// Smaller differences are no change: two kernels never have the same addresses.
const SAME: f64 = 0.005;

/// Returns the whole report as a table, beside an earlier one.
pub(crate) fn show(report: &Report, earlier: Option<&Report>) -> String {
    let mut text = format!("Instructions, on {}:\n\n", report.counted.kernel);
    let before = earlier.map(|earlier| &earlier.counted);
    text += &figures(&report.counted, before, false);
    text += &format!("\nNanoseconds, on {}:\n\n", report.timed.kernel);
    text += &figures(&report.timed, earlier.map(|earlier| &earlier.timed), true);
    for (name, one, two) in crowds(&report.timed) {
        text += &format!("\nOn two processors, {name}: {} times the calls of one", {
            let gain = |one: &Cost, two: &Cost| 2.0 * one.median() as f64 / two.median() as f64;
            let others = one.others.iter().zip(&two.others);
            let others = others
                .map(|(one, two)| format!("{:.2} by {}", gain(&one.cost, &two.cost), one.name));
            let ours = format!("{:.2} by the module", gain(&one.ours, &two.ours));
            others.chain([ours]).collect::<Vec<_>>().join(", ")
        });
    }
    text + "\n"
}

/// Requests that were made on one processor and on two at once.
fn crowds(figures: &Figures) -> impl Iterator<Item = (&str, &Request, &Request)> {
    figures.requests.iter().filter_map(|one| {
        let name = one.name.strip_suffix(", on one processor")?;
        let two = figures.request(&format!("{name}, on two processors at once"))?;
        Some((name, one, two))
    })
}

fn figures(figures: &Figures, earlier: Option<&Figures>, percentiles: bool) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    let mut header = vec!["request", "by", "calls", "ours", "ratio", "spread", "first"];
    if percentiles {
        header.extend(["calls 90 %", "99 %", "ours 90 %", "99 %"]);
    }
    if earlier.is_some() {
        header.extend(["was", "change"]);
    }
    table.set_header(&header);
    for request in &figures.requests {
        let before = earlier.map(|earlier| earlier.request(&request.name));
        let mut others = request.others.iter().map(Some).collect::<Vec<_>>();
        if others.is_empty() {
            others.push(None);
        }
        for (index, other) in others.into_iter().enumerate() {
            let cost = other.map(|other| &other.cost);
            let mut row = match index {
                0 => vec![request.name.clone()],
                _ => vec![String::new()],
            };
            row.push(other.map_or(String::new(), |other| other.name.clone()));
            row.push(cost.map_or(String::new(), |cost| cost.median().to_string()));
            row.push(request.ours.median().to_string());
            row.push(cost.map_or(String::new(), |cost| {
                format!("{:.2}", ratio(&request.ours, cost))
            }));
            row.push(format!("{:.1} %", 100.0 * spread(&request.ours, cost)));
            row.push(request.ours.first.to_string());
            if percentiles {
                for cost in [cost, Some(&request.ours)] {
                    row.extend([90, 99].map(|percent| {
                        cost.map_or(String::new(), |cost| cost.percentile(percent).to_string())
                    }));
                }
            }
            if let Some(before) = before.filter(|_| index == 0) {
                row.extend(changed(request, before));
            }
            table.add_row(row);
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt() + "\n"
}

fn ratio(ours: &Cost, theirs: &Cost) -> f64 {
    ours.median() as f64 / theirs.median().max(1) as f64
}

fn spread(ours: &Cost, theirs: Option<&Cost>) -> f64 {
    ours.spread().max(theirs.map_or(0.0, Cost::spread))
}

/// Returns the earlier cost, and the change, marked if it is one.
fn changed(request: &Request, before: Option<&Request>) -> [String; 2] {
    let Some(before) = before else {
        return ["".into(), "new *".into()];
    };
    let was = before.ours.median();
    let change = ratio(&request.ours, &before.ours) - 1.0;
    let mark = if change.abs() > SAME { " *" } else { "" };
    [was.to_string(), format!("{:+.1} %{mark}", 100.0 * change)]
}
