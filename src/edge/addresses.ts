import { BlockList, isIP } from 'node:net';

/** Whether an address is one of these, or in one of these networks. */
export type AddressTest = (address: string) => boolean;

/** @param addresses IPs and networks in CIDR notation. @throws TypeError for anything else. */
export function addressTest(addresses: readonly string[]): AddressTest {
  const list = new BlockList();
  for (const entry of addresses) {
    const [address = '', prefix] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => {
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
  };
}

/** An address as it is written: one of IPv4 that came over a socket of IPv6 without the prefix for that. */
export function plainAddress(address: string | undefined): string {
  return address?.replace(/^::ffff:/, '') ?? 'unknown';
}
