// A page that is closed or loaded anew leaves the guest as it is: standing if it stands.
import { ask } from './session';
import { running } from '../store/guest';

export function leaveWell(): void {
  addEventListener('pagehide', () => {
    ask('disconnect', { terminateDebuggee: false, suspendDebuggee: running.value === false }).catch(() => {});
  });
}
