// Copyright The VerifyYou Receiver Authors
// SPDX-License-Identifier: Apache-2.0

// Keeps the numbers of the page fresh while it is visible. Everything else works without it.
'use strict';

const interval = 5000;
const timeout = 10000;
const parts = ['numbers', 'tracker-links'];

// sync changes what is there only where it differs from what is fresh, so that scroll, focus, selection and what was
// unfolded stay.
function sync(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.data = fresh.data;
    return;
  }
  syncAttributes(old, fresh);
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((node, i) => (i < before.length ? sync(before[i], node) : old.append(node)));
  before.slice(after.length).forEach((node) => node.remove());
}

function syncAttributes(old, fresh) {
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    if (name !== 'open' && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
}

// say changes what a screen reader reads out, and only if it is something else.
function say(text) {
  const state = document.getElementById('state');
  if (state.textContent !== text) state.textContent = text;
}

async function refresh() {
  const response = await fetch(location.href.split('#')[0], { cache: 'no-store', signal: AbortSignal.timeout(timeout) });
  if (!response.ok) throw new Error(`it answers ${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const id of parts) {
    const part = fresh.getElementById(id);
    if (!part) throw new Error('it answers something else');
    sync(document.getElementById(id), part);
  }
}

async function keepFresh() {
  if (document.visibilityState === 'visible') {
    try {
      await refresh();
      say('');
    } catch (error) {
      const reason = error instanceof TypeError || error.name === 'TimeoutError' ? '' : ` (${error.message})`;
      say(`The Collector cannot be reached${reason}. The numbers below are the last that it gave; trying again.`);
    }
  }
  timer = setTimeout(keepFresh, interval);
}

let timer = setTimeout(keepFresh, interval);

document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  timer = setTimeout(keepFresh, 0);
});

function offerBrowserZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const link = document.getElementById('browser-zone');
  if (!zone || zone === document.getElementById('time-zone').value) return;
  const parameters = new URLSearchParams(location.search);
  parameters.set('time_zone', zone);
  link.href = `?${parameters}`;
  link.textContent = `Use that of this browser: ${zone}`;
  link.hidden = false;
}

offerBrowserZone();
