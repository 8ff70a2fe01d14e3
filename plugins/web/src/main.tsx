// Where the page begins, once first.ts has knocked at the server's door.
import { options, render } from 'preact';
import { effect } from '@preact/signals';
import { connect, leave, onConfigure, onEvent } from './dap/session';
import { onBreakpointEvent, setAll } from './store/points';
import { observeOnly, readAddress, route } from './store/route';
import { observing } from './store/guest';
import { followRegisters } from './store/scopes';
import { followStack } from './store/stack';
import { takeKeys } from './store/actions';
import { applySizes } from './widgets/Splitter';
import { panels } from './store/panels';
import { allPanels } from './panels/all';
import { App } from './App';

// however often a guest stops, there is one repaint for each frame of the screen
options.debounceRendering = requestAnimationFrame;

readAddress();
observing.value = observeOnly();
onConfigure(setAll);
onEvent('breakpoint', onBreakpointEvent);
panels.value = allPanels;
applySizes();
takeKeys();
followStack();
followRegisters();
addEventListener('pagehide', leave);
let role = observeOnly();
addEventListener('hashchange', () => {
  const given = readAddress();
  if (!given && role === observeOnly()) return;
  role = observeOnly();
  observing.value = role;
  connect();
});
effect(() => { document.documentElement.dataset.observing = String(observing.value || route.value.role === 'observe'); });
document.querySelector('.early')?.remove();
connect();
render(<App />, document.getElementById('page')!);
