import type { Notifier } from '../../ports/notifier.ts';
import type { Occasion } from '../../core/access/notice.ts';
import type { WebhookFormat } from './bodies.ts';
import { commandNotifier } from './command.ts';
import { logNotifier } from './log.ts';
import { webhookNotifier } from './webhook.ts';

/** One way of telling people, every value known. */
export type NotifierSettings = { readonly on: readonly Occasion[] | null } & (
  | { readonly kind: 'webhook'; readonly url: string; readonly format: WebhookFormat; readonly secret: string | null }
  | { readonly kind: 'command'; readonly argv: readonly string[]; readonly cwd: string; readonly env: NodeJS.ProcessEnv }
  | { readonly kind: 'log'; write(message: string): void }
);

/** Every notifier there is. Another one is a file beside these and a case here. */
export function createNotifier(settings: NotifierSettings): Notifier {
  switch (settings.kind) {
    case 'webhook':
      return webhookNotifier(settings);
    case 'command':
      return commandNotifier(settings);
    case 'log':
      return logNotifier(settings);
  }
}
