import { LOOPBACK } from '../core/edge/rules.ts';
import type { EdgeRules } from '../core/app/traffic.ts';
import { type AddressTest, addressTest } from './addresses.ts';

/** The rules as the data path asks them. */
export interface LiveRules extends EdgeRules {
  readonly isProxy: AddressTest;
  readonly mayPin: AddressTest;
  /** Addresses behind which many users may stand, so that their connections are not counted together. */
  readonly isShared: AddressTest;
}

export function liveRules(rules: EdgeRules): LiveRules {
  return {
    ...rules,
    isProxy: addressTest(rules.trustedProxies),
    mayPin: addressTest(rules.pinFrom),
    isShared: addressTest([...LOOPBACK, ...rules.trustedProxies]),
  };
}
