import type { Notifier } from '../../ports/notifier.ts';
import type { Occasion } from '../../core/access/notice.ts';
import { textOf } from './bodies.ts';

export interface LogNotifierOptions {
  readonly on: readonly Occasion[] | null;
  write(message: string): void;
}

/** Into the control plane's own log. */
export function logNotifier({ on, write }: LogNotifierOptions): Notifier {
  return {
    name: 'log',
    on,
    async tell(notice) {
      write(`${notice.occasion}: ${textOf(notice)}`);
    },
  };
}
