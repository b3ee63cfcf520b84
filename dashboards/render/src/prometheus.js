// Asks a Prometheus as Grafana's data source does, and returns data frames of the same shape.
import { createDataFrame, FieldType, rangeUtil } from '@grafana/data';

const interpolate = (text, variables) => text.replace(/\$(\w+)/g, (whole, name) => variables[name] ?? whole);

async function ask(path, parameters) {
  const response = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const { status, data, error } = await response.json();
  if (status !== 'success') {
    throw new Error(error);
  }
  return data.result;
}

const timeField = (seconds) => ({ name: 'Time', type: FieldType.time, values: seconds.map((t) => t * 1000) });

function seriesFrame(target, labels, samples) {
  const name = target.legendFormat?.replace(/{{\s*(\w+)\s*}}/g, (_, label) => labels[label] ?? '');
  return createDataFrame({
    refId: target.refId,
    fields: [
      timeField(samples.map(([time]) => time)),
      {
        name: 'Value',
        type: FieldType.number,
        labels,
        values: samples.map(([, value]) => (value === null ? null : Number(value))),
        config: name ? { displayNameFromDS: name } : {},
      },
    ],
  });
}

// withGaps puts a null where a step has no sample, so that no line is drawn over it.
function withGaps(samples, step) {
  return samples.flatMap((sample, i) => {
    const missing = i > 0 && sample[0] - samples[i - 1][0] > step * 1.5;
    return missing ? [[sample[0] - step, null], sample] : [sample];
  });
}

// tableFrame has a column for each label. Where a panel has several tables, they tell their values apart by refId.
function tableFrame(target, vector, alone) {
  const labels = [...new Set(vector.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return createDataFrame({
    refId: target.refId,
    fields: [
      timeField(vector.map(({ value }) => value[0])),
      ...labels.map((label) => ({ name: label, type: FieldType.string, values: vector.map(({ metric }) => metric[label] ?? '') })),
      { name: alone ? 'Value' : `Value #${target.refId}`, type: FieldType.number, values: vector.map(({ value }) => Number(value[1])) },
    ],
  });
}

// apart makes of buckets that count all up to their bound those that count what is past the bound before.
function apart(vector) {
  const bound = ({ metric }) => (metric.le === '+Inf' ? Infinity : Number(metric.le));
  const sorted = [...vector].sort((a, b) => bound(a) - bound(b));
  const below = (i) => (i > 0 ? Number(sorted[i - 1].value[1]) : 0);
  return sorted.map(({ metric, value: [time, count] }, i) => ({ metric, value: [time, Number(count) - below(i)] }));
}

async function runTarget(target, alone, { range, width, scrapeInterval, variables }) {
  const [from, to] = [range.from.unix(), range.to.unix()];
  const step = rangeUtil.calculateInterval(range, width, `${scrapeInterval}s`).intervalMs / 1000;
  const query = interpolate(target.expr, {
    ...variables,
    __range: `${to - from}s`,
    __rate_interval: `${Math.max(step + scrapeInterval, 4 * scrapeInterval)}s`,
  });
  if (!target.instant) {
    const aligned = (time) => Math.floor(time / step) * step;
    const series = await ask('query_range', { query, start: aligned(from), end: aligned(to), step });
    return series.map(({ metric, values }) => seriesFrame(target, metric, withGaps(values, step)));
  }
  const vector = await ask('query', { query, time: to });
  if (target.format === 'table') {
    return vector.length > 0 ? [tableFrame(target, vector, alone)] : [];
  }
  if (target.format === 'heatmap') {
    return apart(vector).map(({ metric, value }) => seriesFrame(target, metric, [value]));
  }
  return vector.map(({ metric, value }) => seriesFrame(target, metric, [value]));
}

// runPanel returns the frames of all queries of a panel.
export async function runPanel(panel, context) {
  const targets = panel.targets;
  const tables = targets.filter(({ format }) => format === 'table');
  return (await Promise.all(targets.map((target) => runTarget(target, tables.length < 2, context)))).flat();
}
