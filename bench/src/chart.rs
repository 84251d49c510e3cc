// SPDX-License-Identifier: GPL-2.0-only

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use unshare_bench::{Figures, Request};

const PANEL: (u32, u32) = (380, 300);
const COLUMNS: usize = 3;

/// Ours first; each is told from the others in grey as well.
const COLOURS: [RGBColor; 3] = [
    RGBColor(0xc0, 0x39, 0x2b),
    RGBColor(0x1f, 0x4e, 0x79),
    RGBColor(0x7f, 0xb0, 0x69),
];

/// Draws each curve that the requests are on, ours and the system calls', in a panel of its own.
pub(crate) fn draw(figures: &Figures, path: &Path) -> Result<()> {
    let curves = curves(figures);
    let rows = curves.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    for (panel, (name, curve)) in area.split_evenly((rows, COLUMNS)).iter().zip(curves) {
        draw_curve(panel, name, &curve).map_err(|error| anyhow!("{name}: {error}"))?;
    }
    area.present()?;
    Ok(())
}

/// The requests of each curve, by the order of the figures.
fn curves(figures: &Figures) -> Vec<(&str, Vec<&Request>)> {
    let mut curves: Vec<(&str, Vec<&Request>)> = Vec::new();
    for request in &figures.requests {
        let Some(point) = &request.point else {
            continue;
        };
        match curves.iter_mut().find(|(name, _)| *name == point.curve) {
            Some((_, curve)) => curve.push(request),
            None => curves.push((&point.curve, vec![request])),
        }
    }
    curves
}

type Series<'a> = (&'a str, Vec<(f64, f64)>);

fn series<'a>(curve: &[&'a Request]) -> Vec<Series<'a>> {
    let at = |request: &Request| {
        request
            .point
            .as_ref()
            .map_or(0.0, |point| point.size as f64)
    };
    let ours = curve
        .iter()
        .map(|request| (at(request), request.ours.median() as f64));
    let mut all = vec![("unshare.ko", ours.collect())];
    for (index, other) in curve[0].others.iter().enumerate() {
        let costs = curve.iter().filter_map(|request| {
            let cost = &request.others.get(index)?.cost;
            Some((at(request), cost.median() as f64))
        });
        all.push((&other.name, costs.collect()));
    }
    all
}

fn draw_curve(
    panel: &DrawingArea<SVGBackend<'_>, Shift>,
    name: &str,
    curve: &[&Request],
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let all = series(curve);
    let points = || all.iter().flat_map(|(_, points)| points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (least, most) = points()
            .map(of)
            .fold((f64::MAX, 0.0_f64), |(least, most), value| {
                (least.min(value), most.max(value))
            });
        (least * 0.8..most * 1.25).log_scale()
    };
    let of = curve[0].point.as_ref().map_or("", |point| &point.of);
    let mut chart = ChartBuilder::on(panel)
        .caption(name, ("sans-serif", 17))
        .margin(10)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .build_cartesian_2d(range(|point| point.0), range(|point| point.1))?;
    chart
        .configure_mesh()
        .x_desc(of)
        .y_desc("instructions")
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .light_line_style(WHITE)
        .draw()?;
    for ((name, points), colour) in all.iter().zip(COLOURS) {
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
        chart
            .draw_series(line)?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}

/// A number of an axis.
fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{} M", value / 1e6),
        _ if value >= 1e3 => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}
