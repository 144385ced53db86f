// The page begins: over a server, or over what a report has inside.
import { render } from 'preact';

import { App } from './app.tsx';
import { openSource } from './source.ts';
import './style.css';

render(<App source={openSource()} />, document.getElementById('app')!);
