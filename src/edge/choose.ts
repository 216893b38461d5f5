import { randomFillSync } from 'node:crypto';
import { indexAt, placeOf, PLACES } from '../core/edge/assign.ts';
import { STICKY_COOKIE } from '../ports/edge.ts';
import type { RequestHead } from './http1.ts';
import type { LiveApp, LiveVersion } from './table.ts';

export interface Choice {
  readonly version: LiveVersion;
  /** Set-Cookie line for a user not known yet. */
  readonly cookie: string | null;
}

/** The version for a request; null when its header asks for one that is not here. */
export function choose(app: LiveApp, head: RequestHead): Choice | null {
  if (head.version !== null) {
    const version = app.versions.find(({ id }) => id === head.version);
    return version === undefined ? null : { version, cookie: null };
  }
  if (app.only !== null) return { version: app.only, cookie: null };
  switch (app.sticky.by) {
    case 'none':
      return at(app, Math.random() * PLACES);
    case 'header': {
      const user = app.userHeader?.exec(head.text)?.[1]?.trim() ?? '';
      return at(app, user === '' ? Math.random() * PLACES : placeOf(app.name, user));
    }
    case 'cookie': {
      const known = stickyCookieIn(head.cookie);
      if (known !== null) return at(app, placeOf(app.name, known));
      const user = newUser();
      return at(app, placeOf(app.name, user), `set-cookie: ${STICKY_COOKIE}=${user}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax`);
    }
  }
}

function at(app: LiveApp, place: number, cookie: string | null = null): Choice {
  return { version: app.versions[indexAt(app.ends, place)] as LiveVersion, cookie };
}

const COOKIE = new RegExp(`(?:^|;)[ \\t]*${STICKY_COOKIE}=([^;]*)`);

/** Value of our sticky cookie in a Cookie header, null when it has none. */
function stickyCookieIn(cookie: string): string | null {
  const value = COOKIE.exec(cookie)?.[1]?.trim() ?? '';
  return value === '' ? null : value;
}

/** Random bytes are drawn for many users at once: one system call each would cost more than the rest of the request. */
const random = Buffer.alloc(12 * 256);
let used = random.length;

function newUser(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += 12;
  return random.toString('base64url', used - 12, used);
}
