// Draws the dashboards of a Prometheus with Grafana's components in headless Chromium, light and dark, and fails where
// a panel has an error or no data. It reads from the environment:
//
//   PROMETHEUS_URL   where Prometheus is
//   FROM, TO         unix seconds, between which there is data
//   WINDOW           the variable of this name, 2m where it is not set
//   SCRAPE_INTERVAL  how often Prometheus scrapes, in seconds; 2 where it is not set
//   CHROMIUM         the browser, /usr/bin/chromium where it is not set
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { PNG } from 'pngjs';
import { createServer } from 'vite';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { PROMETHEUS_URL, TO, WINDOW = '2m', SCRAPE_INTERVAL = '2', CHROMIUM = '/usr/bin/chromium' } = process.env;

// What is drawn is the last third, the second is the faint line, and in the first nobody has been silent for long enough to
// have ended.
const FROM = Math.round((Number(process.env.FROM) + 2 * Number(TO)) / 3);

// pictures are the dashboards, and where their pictures go. That of the README is kept.
const pictures = { funnel: '../../docs', events: '../../build/render' };

// serve answers requests below a path with the files of a folder.
const serve = (path, folder, type) => ({
  name: path,
  configureServer({ middlewares }) {
    middlewares.use(path, (request, response, next) =>
      readFile(here(folder + request.url)).then((text) => response.setHeader('Content-Type', type).end(text), next),
    );
  },
});

// save stores a picture smaller than the browser makes it.
async function save(png, file) {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, PNG.sync.write(PNG.sync.read(png), { colorType: 2, filterType: 0, deflateLevel: 9, deflateStrategy: 0 }));
}

async function shoot(browser, origin, dashboard, theme, picture) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 2900 } });
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  const query = new URLSearchParams({ dashboard: `verifyyou-${dashboard}`, theme, from: FROM, to: TO, window: WINDOW, scrapeInterval: SCRAPE_INTERVAL });
  await page.goto(`${origin}?${query}`);
  await page.waitForFunction(() => window.outcome?.done, null, { timeout: 120_000 });
  await page.waitForLoadState('networkidle');
  const outcome = await page.evaluate(() => window.outcome);
  await save(await page.locator('#root > div').screenshot(), picture);
  await page.close();
  const empty = outcome.empty.map((title) => `${title}: no data`);
  return [...errors, ...outcome.errors, ...empty].map((fault) => `${dashboard}, ${theme}: ${fault}`);
}

const server = await createServer({
  root: here('.'),
  server: { host: '127.0.0.1', port: 0, proxy: { '/api/v1': PROMETHEUS_URL } },
  publicDir: false,
  plugins: [
    serve('/dashboards', '../grafana', 'application/json'),
    serve('/public/build', 'node_modules/@grafana/ui/dist/public', 'image/svg+xml'), // where the components look for icons
  ],
  logLevel: 'warn',
});
await server.listen();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
const faults = [];
for (const theme of ['light', 'dark']) {
  for (const [dashboard, folder] of Object.entries(pictures)) {
    const picture = here(`${folder}/${dashboard}-${theme}.png`);
    faults.push(...(await shoot(browser, server.resolvedUrls.local[0], dashboard, theme, picture)));
  }
}
await browser.close();
await server.close();
for (const fault of faults) {
  console.error(fault);
}
process.exitCode = faults.length > 0 ? 1 : 0;
