// What runs before all else, alone: the server starts an adapter as soon as somebody knocks, and that takes longer
// than drawing the page does.
import { openEarly } from './dap/door';

openEarly();
