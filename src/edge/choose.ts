import { randomFillSync } from 'node:crypto';
import { indexAt, type PlaceKey, placeOf, PLACES } from '../core/edge/assign.ts';
import { STICKY_COOKIE } from '../core/app/traffic.ts';
import type { RequestHead } from './http1.ts';
import type { LiveApp, LiveVersion } from './table.ts';

export interface Choice {
  readonly version: LiveVersion;
  /** Set-Cookie line for a user not known yet. */
  readonly cookie: string | null;
  /** Chosen by the request's header. */
  readonly isPinned: boolean;
}

/** The version that a request names in its header; null when it is not here. */
export function pinned(app: LiveApp, id: string): Choice | null {
  const version = app.versions.find((one) => one.id === id);
  return version === undefined ? null : { version, cookie: null, isPinned: true };
}

/** The version for a request that names none. */
export function choose(app: LiveApp, head: RequestHead, key: PlaceKey): Choice {
  if (app.only !== null) return { version: app.only, cookie: null, isPinned: false };
  switch (app.sticky.by) {
    case 'none':
      return at(app, Math.random() * PLACES);
    case 'header': {
      const user = app.userHeader?.exec(head.text)?.[1]?.trim() ?? '';
      return at(app, user === '' ? Math.random() * PLACES : placeOf(app.name, user, key));
    }
    case 'cookie': {
      const known = stickyCookieIn(head.cookie);
      if (known !== null) return at(app, placeOf(app.name, known, key));
      const user = newUser();
      return at(
        app,
        placeOf(app.name, user, key),
        `set-cookie: ${STICKY_COOKIE}=${user}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax`,
      );
    }
  }
}

function at(app: LiveApp, place: number, cookie: string | null = null): Choice {
  return { version: app.versions[indexAt(app.ends, place)] as LiveVersion, cookie, isPinned: false };
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
