type Blame = 'user' | 'outside' | 'fenced';

/**
 * Marks our errors whichever copy of this file made them: the commands are a CommonJS bundle that loads the control plane as ES modules,
 * so one process can have two copies of each class, and `instanceof` must see through that.
 */
const SLUICE_ERROR = Symbol.for('sluice.error');

/**
 * Errors classed by who must act. Every code is explained in docs/errors.md (checked by a test).
 * Any error that is none of these is a bug in Sluice.
 */
export abstract class SluiceError extends Error {
  abstract readonly blame: Blame;
  readonly [SLUICE_ERROR] = true;
  readonly code: string;
  /** What to do next, one sentence; shown under the message. */
  readonly hint: string | null;
  constructor(code: string, message: string, hint: string | null = null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.name = new.target.name;
  }
  static override [Symbol.hasInstance](value: unknown): boolean {
    return blameOf(value) !== null;
  }
}

function blameOf(value: unknown): Blame | null {
  return typeof value === 'object' && value !== null && SLUICE_ERROR in value ? (value as SluiceError).blame : null;
}

/** The user must change something: config, app, command line. Retrying the same will fail the same. */
export class UserError extends SluiceError {
  readonly blame = 'user';
  static override [Symbol.hasInstance](value: unknown): boolean {
    return blameOf(value) === 'user';
  }
}

/** The outside failed (network, disk, platform). The same call may succeed later. */
export class OutsideError extends SluiceError {
  readonly blame = 'outside';
  static override [Symbol.hasInstance](value: unknown): boolean {
    return blameOf(value) === 'outside';
  }
}

/** Somebody with a higher fencing token has taken over. Stop at once, change nothing more. */
export class FencedError extends SluiceError {
  readonly blame = 'fenced';
  static override [Symbol.hasInstance](value: unknown): boolean {
    return blameOf(value) === 'fenced';
  }
  constructor(message: string) {
    super('FENCED', message, 'Another control plane has taken over this work; nothing is lost.');
  }
}
