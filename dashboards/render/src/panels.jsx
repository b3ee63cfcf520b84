// Grafana's components for each type of panel, with the options that the dashboards set.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues, VizOrientation } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

// Gauges repeats one component for each value, as the panels stat and bar gauge do.
function Gauges({ panel, data, fieldConfig, theme, timeZone, width, height, orientation, render, ...spacing }) {
  const values = () =>
    getFieldDisplayValues({
      data, fieldConfig, reduceOptions: panel.options.reduceOptions, replaceVariables: (text) => text, theme, timeZone,
    });
  return (
    <VizRepeater
      getValues={values} getAlignmentFactors={getDisplayValueAlignmentFactors} renderValue={render} renderCounter={0}
      source={data} width={width} height={height} orientation={orientation} {...spacing}
    />
  );
}

function Stat(props) {
  const { colorMode, graphMode, justifyMode, textMode } = props.panel.options;
  const render = ({ value, alignmentFactors, width, height, count }) => (
    <BigValue
      value={value.display} theme={props.theme} {...{ colorMode, graphMode, justifyMode, textMode, alignmentFactors, width, height, count }}
    />
  );
  return <Gauges {...props} orientation={VizOrientation.Auto} autoGrid render={render} />;
}

function Bars(props) {
  const { displayMode, minVizHeight, minVizWidth, maxVizHeight, namePlacement, showUnfilled, text, valueMode } = props.panel.options;
  const render = ({ value, alignmentFactors, orientation, width, height, count }) => (
    <BarGauge
      value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
      theme={props.theme} itemSpacing={8} lcdCellWidth={8} valueDisplayMode={valueMode}
      {...{ alignmentFactors, orientation, width, height, count, displayMode, namePlacement, showUnfilled, text }}
    />
  );
  return (
    <Gauges
      {...props} orientation={VizOrientation.Horizontal} render={render} itemSpacing={8}
      {...{ minVizHeight, minVizWidth, maxVizHeight }}
    />
  );
}

function Lines({ panel, data, range, timeZone, width, height }) {
  return <TimeSeries frames={data} timeRange={range} timeZone={timeZone} width={width} height={height} legend={panel.options.legend} />;
}

function Table({ panel, data, fieldConfig, range, width, height }) {
  const { cellHeight, showHeader, sortBy } = panel.options;
  return (
    <TableNG
      data={data[0]} timeRange={range} noHeader={!showHeader} noValue={fieldConfig.defaults.noValue}
      {...{ fieldConfig, width, height, cellHeight, sortBy }}
    />
  );
}

export const panelTypes = { stat: Stat, bargauge: Bars, timeseries: Lines, table: Table };
