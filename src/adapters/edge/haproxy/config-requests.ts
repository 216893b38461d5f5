import { LOOPBACK, PROXY_MARKS } from '../../../core/edge/rules.ts';
import type { EdgeRules } from '../../../core/app/traffic.ts';

/*
 * What HAProxy refuses, drops and writes anew of a request before it is routed. `src/edge/http1.ts` does the same for the embedded
 * edge; `test/contracts/edge/framing.ts` holds both to one table.
 */

/** Answer some requests with a status and a line of text; nothing is counted. */
export function refuse(status: number, message: string, condition: string): string[] {
  return [
    `http-request set-log-level silent if ${condition}`,
    `http-request return status ${status} content-type text/plain string "${message}\\n" if ${condition}`,
  ];
}

/** NUL and its kin end a line, or a word, for some readers. */
export const CONTROLS = '[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]';

/** As the arguments of an address test; none is no address at all. */
export function addresses(list: readonly string[]): string {
  return list.length === 0 ? '255.255.255.255/32' : list.join(' ');
}

/** Before there is a request. */
export function connectionRules({ limits, trustedProxies }: EdgeRules): string[] {
  const own = limits.connectionsPerAddress;
  if (own === null) return [];
  const counted = `!{ src ${addresses([...LOOPBACK, ...trustedProxies])} }`;
  return [
    'stick-table type ipv6 size 100k expire 2m store conn_cur',
    `tcp-request connection track-sc0 src if ${counted}`,
    `tcp-request connection reject if ${counted} { sc0_conn_cur gt ${own} }`,
  ];
}

/** What two readers could take for two different requests, and methods that make a proxy a tunnel or a mirror. */
export function refusalRules(): string[] {
  const coded = '{ req.hdr_cnt(transfer-encoding) gt 0 }';
  const origin = '{ url -m beg / }';
  return [
    ...refuse(405, 'The method is not passed on.', "{ method -m reg -i '^(connect|trace|track)$' }"),
    ...refuse(505, 'Only HTTP/1.0 and 1.1 are spoken here.', '!{ req.ver 1.0 1.1 }'),
    ...refuse(400, 'The request line is malformed.', "!{ url -m reg '^[\\x21\\x22\\x24-\\x7e]+$' }"),
    ...refuse(400, 'The request line is malformed.', `!${origin} !{ url -m reg -i '^https?://[^/?@]+([/?].*)?$' } !{ method OPTIONS }`),
    ...refuse(400, 'The request line is malformed.', `!${origin} !{ url -m reg -i '^([*]|https?://[^/?@]+([/?].*)?)$' }`),
    ...refuse(400, 'There must be one Host header.', '{ req.ver 1.1 } !{ req.hdr_cnt(host) eq 1 }'),
    ...refuse(
      400,
      'The Host header is malformed.',
      "{ req.hdr_cnt(host) gt 0 } !{ req.fhdr(host) -m reg '^([A-Za-z0-9._~-]+|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?$' }",
    ),
    ...refuse(400, 'A header line is malformed.', `{ req.hdrs -m reg '${CONTROLS}' }`),
    ...refuse(400, 'The length of the request body is ambiguous.', `${coded} !{ req.fhdr(transfer-encoding) -i -m str chunked }`),
    ...refuse(400, 'The length of the request body is ambiguous.', `${coded} { req.ver 1.0 }`),
    ...refuse(
      400,
      'Content-Length is not a number.',
      "{ req.hdr_cnt(content-length) gt 0 } !{ req.fhdr(content-length) -m reg '^(0|[1-9][0-9]{0,14})$' }",
    ),
    ...refuse(
      400,
      'Connection names a header that this proxy does not drop.',
      "{ req.hdr_cnt(connection) gt 0 } { req.hdr(connection) -m reg -i '^(?!(close|keep-alive|upgrade|te|trailer|http2-settings|proxy-connection|)$)' }",
    ),
  ];
}

/** Fields in which proxies tell who asked, and those that a reader who takes `_` for `-` would mistake for them or for ours. */
const SAID =
  '^(x[-_]forwarded.*|forwarded|x[-_]real[-_]ip|client[-_]ip|x[-_]client[-_]ip|true[-_]client[-_]ip|cf[-_]connecting[-_]ip|fastly[-_]client[-_]ip|x[-_]cluster[-_]client[-_]ip|x[-_]url[-_]scheme|front[-_]end[-_]https)$';
const ALIKE =
  '^(x_forwarded.*|x[-_]forwarded[a-z-]*_.*|x_real[-_]ip|x-real_ip|content_length|transfer_encoding|sluice_version|keep_alive|proxy_connection|http2_settings)$';

/** The head as it goes on. */
export function headRules({ limits }: EdgeRules): string[] {
  const isUpgrade = '{ req.hdr_cnt(upgrade) gt 0 } { req.hdr(connection) -i upgrade } { req.ver 1.1 }';
  const otherHttp = "{ req.hdr(upgrade) -m reg -i '^(h2c?|http|tls)([-/ ].*)?$' }";
  return [
    ...refuse(431, `The head is larger than ${limits.headBytes} bytes.`, `{ req.hdrs,length gt ${limits.headBytes} }`),
    ...refuse(431, `The head is larger than ${limits.headBytes} bytes.`, `{ url,length gt ${limits.headBytes} }`),
    // The whole address as the target is read in more than one way; Host is the same.
    "http-request replace-uri '^[^/?*]+//[^/?]*(/.*)$' '\\1' if !{ url -m beg / }",
    "http-request replace-uri '^[^/?*]+//[^/?]*([?].*)?$' '/\\1' if !{ url -m beg / }",
    `http-request set-var(txn.upgrade) req.fhdr(upgrade) if ${isUpgrade} !${otherHttp}`,
    ...['connection', 'upgrade', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'http2-settings'].map(
      (name) => `http-request del-header ${name}`,
    ),
    `http-request del-header ${ALIKE} -m reg`,
    'http-request set-header Connection upgrade if { var(txn.upgrade) -m found }',
    'http-request set-header Upgrade %[var(txn.upgrade)] if { var(txn.upgrade) -m found }',
  ];
}

/**
 * Who asks. What the other side says about that counts only when it is a trusted proxy; the user is then the last address
 * in `X-Forwarded-For` that is no trusted proxy, of the last four.
 */
export function clientRules({ trustedProxies }: EdgeRules): string[] {
  const proxies = addresses(trustedProxies);
  const trusted = `{ src ${proxies} }`;
  const deeper = [-1, -2, -3, -4].map(
    (hop) => `http-request set-var(txn.client) req.hdr_ip(x-forwarded-for,${hop}) if ${trusted} { var(txn.client) -m ip ${proxies} }`,
  );
  const marks = PROXY_MARKS.map((name) => `http-request unset-var(txn.client) if !${trusted} { req.hdr_cnt(${name}) gt 0 }`);
  return [
    'http-request set-var(txn.client) src',
    ...deeper,
    // An unknown proxy hides the user.
    ...marks,
    `http-request del-header ${SAID} -m reg if !${trusted}`,
    `http-request set-var(txn.said) req.fhdr(x-forwarded-for) if ${trusted} { req.hdr_cnt(x-forwarded-for) gt 0 }`,
    'http-request set-header X-Forwarded-For %[src]',
    'http-request set-header X-Forwarded-For "%[var(txn.said)], %[src]" if { var(txn.said) -m found }',
    'http-request set-header X-Forwarded-Proto http if !{ req.hdr_cnt(x-forwarded-proto) gt 0 }',
    'http-request set-header X-Forwarded-Host %[req.hdr(host)] if !{ req.hdr_cnt(x-forwarded-host) gt 0 }',
  ];
}

export function bodyRules({ limits: { bodyBytes } }: EdgeRules): string[] {
  if (bodyBytes === null) return [];
  return [
    ...refuse(411, 'The request must say how long its body is.', '{ req.hdr_cnt(transfer-encoding) gt 0 }'),
    ...refuse(413, `The request body is larger than ${bodyBytes} bytes.`, `{ req.hdr_val(content-length) gt ${bodyBytes} }`),
  ];
}
