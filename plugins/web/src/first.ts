// What runs before all else: the connection takes longer than drawing the page does.
import { connect } from './dap/session';
import { observing } from './store/guest';
import { observeOnly, readAddress } from './store/route';

readAddress();
observing.value = observeOnly();
connect();
