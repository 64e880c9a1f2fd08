/** sd_notify(3): what systemd is told about the daemon's state. */
import { native } from '../memory/native.ts'

/** Sends one state to the supervisor that started us, if there is one; a supervisor that is gone is none. */
export function notify(state: string): void {
  try {
    native.systemdNotify(process.env.NOTIFY_SOCKET ?? '', state)
  } catch {
    // ECONNREFUSED, ENOENT: nobody listens.
  }
}
