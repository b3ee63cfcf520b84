// The page: one dashboard, drawn with Grafana's components. The query of its address says which, of when, and how:
// dashboard, from and to (unix seconds), window, theme.
import { createTheme, dateTime, FieldType, ThemeContext } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { Component } from 'react';
import { createRoot } from 'react-dom/client';
import { prepare } from './fields.js';
import { panelTypes } from './panels.jsx';
import { runPanel } from './prometheus.js';

const width = 1280;
const gap = 8;
const rowHeight = 30;
const timeZone = 'utc';
const parameters = new URLSearchParams(location.search);
const time = (name) => dateTime(Number(parameters.get(name)) * 1000);
const range = { from: time('from'), to: time('to'), raw: { from: time('from'), to: time('to') } };
const theme = createTheme({ colors: { mode: parameters.get('theme') } });

// What the script that opened the page reads: which panels could not be drawn, and which have no data.
window.outcome = { errors: [], empty: [], done: false };

class Guard extends Component {
  state = {};
  static getDerivedStateFromError(error) {
    return { error };
  }
  componentDidCatch(error) {
    window.outcome.errors.push(`${this.props.title}: ${error.message}`);
  }
  render() {
    return this.state.error ? null : this.props.children;
  }
}

// place gives where a panel is, in the grid of 24 columns.
function place({ x, y, w, h }) {
  const column = (width - gap) / 24;
  return { left: gap + x * column, top: gap + y * (rowHeight + gap), width: w * column - gap, height: h * (rowHeight + gap) - gap };
}

function Panel({ panel, drawn }) {
  const at = place(panel.gridPos);
  const Type = panelTypes[panel.type];
  return (
    <div style={{ position: 'absolute', ...at }}>
      <PanelChrome title={panel.title} description={panel.description} width={at.width} height={at.height}>
        {(innerWidth, innerHeight) => (
          <Guard title={panel.title}>
            <Type {...drawn} {...{ panel, theme, timeZone, range }} width={innerWidth} height={innerHeight} />
          </Guard>
        )}
      </PanelChrome>
    </div>
  );
}

function Row({ panel }) {
  return <div style={{ position: 'absolute', ...place(panel.gridPos), ...theme.typography.h5, lineHeight: `${rowHeight}px` }}>{panel.title}</div>;
}

const hasValues = (frame) =>
  frame.fields.some(({ type, values }) => type === FieldType.number && values.some((value) => Number.isFinite(value)));

async function draw(panel, context) {
  if (panel.type === 'row') {
    return <Row key={panel.id} panel={panel} />;
  }
  try {
    const frames = await runPanel(panel, { ...context, width: Math.round(place(panel.gridPos).width) });
    if (!frames.some(hasValues)) {
      window.outcome.empty.push(panel.title);
    }
    return <Panel key={panel.id} panel={panel} drawn={await prepare(panel, frames, theme, timeZone)} />;
  } catch (error) {
    window.outcome.errors.push(`${panel.title}: ${error.message}`);
    return null;
  }
}

async function main() {
  await initPluginTranslations('grafana', []);
  const dashboard = await (await fetch(`/dashboards/${parameters.get('dashboard')}.json`)).json();
  const context = {
    range,
    scrapeInterval: Number(parameters.get('scrapeInterval')),
    variables: { tracker: '.*', window: parameters.get('window') },
  };
  const panels = await Promise.all(dashboard.panels.map((panel) => draw(panel, context)));
  const rows = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div style={{ position: 'relative', width, height: gap + rows * (rowHeight + gap), background: theme.colors.background.canvas }}>{panels}</div>
    </ThemeContext.Provider>,
  );
  window.outcome.done = true;
}

main().catch((error) => {
  window.outcome.errors.push(error.message);
  window.outcome.done = true;
});
