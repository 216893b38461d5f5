import type { Governance } from '../../core/access/governance.ts';
import { type DeploymentWindow, type Freeze, instantOf, type Opening, type Weekday, WEEKDAYS } from '../../core/access/window.ts';
import { APPROVAL_DEFAULTS as D, type WindowConfig } from '../schema/approvals.ts';
import type { Config, EnvironmentConfig } from '../schema/workspace.ts';
import { ms } from '../schema/values.ts';

const DAY_MINUTES = 1_440;

/** The rules of one environment, every setting decided. Expects a configuration that `loadConfig` accepted. */
export function governanceOf(config: Pick<Config, 'access'>, { approval, window, branches, promoteFrom }: EnvironmentConfig): Governance {
  const from = (approval?.roles ?? []).map((role) => ({ role, people: config.access?.roles?.[role] ?? [] }));
  return {
    approval: approval === undefined ? null : { number: approval.number ?? D.number, from, expiresMs: ms(approval.expires ?? D.expires) },
    window: window === undefined ? null : windowOf(window),
    branches: branches ?? null,
    promoteFrom: promoteFrom ?? null,
    byAuthors: approval?.byAuthors ?? false,
    otherNames: config.access?.people ?? {},
    breakGlassMs: ms(approval?.breakGlass ?? D.breakGlass),
  };
}

export function windowOf({ timeZone = 'UTC', open = [], freezes = [], wait = D.wait }: WindowConfig): DeploymentWindow {
  return {
    timeZone,
    open: open.map(openingOf),
    freezes: freezes.map(({ from, to, reason }) => ({ from: startOf(from, timeZone), to: endOf(to, timeZone), reason })),
    waitMs: ms(wait),
  };
}

/** `mon-thu 09:00-16:00` */
function openingOf(text: string): Opening {
  const [days = '', times = ''] = text.split(' ');
  const [first = 'mon', last = first] = days.split('-') as Weekday[];
  const [from = 0, to = 0] = times.split('-').map(minutesOf);
  const start = WEEKDAYS.indexOf(first);
  const count = ((WEEKDAYS.indexOf(last) - start + WEEKDAYS.length) % WEEKDAYS.length) + 1;
  return { days: Array.from({ length: count }, (_, i) => WEEKDAYS[(start + i) % WEEKDAYS.length] as Weekday), from, to };
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return Math.min(DAY_MINUTES, hours * 60 + minutes);
}

function startOf(moment: string, timeZone: string): Freeze['from'] {
  const [date = '', time = '00:00'] = moment.split(' ');
  return instantOf(date, minutesOf(time), timeZone);
}

function endOf(moment: string, timeZone: string): Freeze['to'] {
  return startOf(moment.includes(' ') ? moment : `${moment} 24:00`, timeZone);
}
