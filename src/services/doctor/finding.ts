import type { Access } from '../../ports/access.ts';

/** What `sluice doctor` says of one part of the surroundings. */
export interface Finding extends Access {
  readonly name: string;
}
