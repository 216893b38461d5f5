import { createHash } from 'node:crypto';
import { type EdgeRules, STICKY_COOKIE, VERSION_HEADER } from '../../../core/app/traffic.ts';
import { addresses, bodyRules, clientRules, connectionRules, CONTROLS, headRules, refusalRules, refuse } from './config-requests.ts';
import type { Address, Layout } from './layout.ts';
import { MAX_SPLIT } from './schema.ts';

export interface ConfigOptions {
  readonly host: string;
  readonly port: number;
  readonly slots: number;
  readonly headers: readonly string[];
  readonly rules: EdgeRules;
  /** Decides, with a user's name, which place they have. Base64. */
  readonly placeKey: string;
  /** How many descriptors HAProxy may have open. */
  readonly descriptors: number;
}

/**
 * Pools of idle connections for servers, said explicitly: a server added while HAProxy 2.6 runs has no default
 * for these and would open a connection for every request. Purged every second, before servers close them (Node's after 5 s).
 */
export const SERVER_OPTIONS = 'pool-purge-delay 1s pool-max-conn 512';
/** Ring in which HAProxy keeps a line per request until the keeper has read it. */
export const RING = 'account';
const RING_BYTES = 8 * 1024 * 1024;
const USER = 'var(txn.user)';
const UNDECIDED = '!{ var(txn.token) -m found }';
const RELAYED = '{ str(relay),map_str(mode.map,0) -m str 1 }';

/** What a configuration can do; anything in it that changes, but for servers and map entries, changes this. */
export function templateHash(options: Omit<ConfigOptions, 'slots' | 'headers'>): string {
  const empty: Layout = { routes: new Map(), versions: new Map(), splits: new Map(), servers: new Map(), headers: [] };
  return createHash('sha256')
    .update(configText({ ...options, slots: 1, headers: ['x'] }, empty))
    .digest('hex');
}

/** The configuration file. Paths are relative: HAProxy runs in the edge's folder, whatever its length. */
export function configText(options: ConfigOptions, layout: Layout): string {
  return `${globalText(options)}\n${frontendText(options)}\n${backendsText(options.slots, layout)}`;
}

/** Descriptors that are no connection: files, sockets that listen, the runtime API, and one a thread. */
const OWN_DESCRIPTORS = 200;

/** Most connections of users: with one to a version each, they need two descriptors; three of four wait for a request at most times. */
function mostConnections({ rules, descriptors }: Pick<ConfigOptions, 'rules' | 'descriptors'>): number {
  const most = Math.floor(Math.max(16, descriptors - OWN_DESCRIPTORS) * 0.75);
  return Math.min(rules.limits.connections ?? most, most);
}

/** A head as large as this is refused with a reason; one that does not even fit here is a bad request to HAProxy. */
function bufferBytes(headBytes: number): number {
  return 2 * headBytes + 4_096;
}

function globalText(options: ConfigOptions): string {
  const { headMs, idleMs, bodyMs, answerMs } = options.rules.timeouts;
  const { headBytes } = options.rules.limits;
  return `# Written by Sluice for every start and reload of this edge; changes made here are lost.
global
  stats socket unix@runtime.sock mode 600 level admin expose-fd listeners
  stats timeout 24h
  hard-stop-after 24h
  noreuseport
  maxconn ${mostConnections(options)}
  # There are fewer connections to versions than the 1:1 that HAProxy counts with.
  no strict-limits
  tune.bufsize ${bufferBytes(headBytes)}
  tune.http.maxhdr 4000

ring ${RING}
  format raw
  maxlen 256
  size ${RING_BYTES}

defaults
  mode http
  # Also the pause before the same endpoint is tried again.
  timeout connect 500ms
  timeout client ${bodyMs}ms
  timeout server ${answerMs}ms
  timeout http-request ${headMs}ms
  timeout http-keep-alive ${idleMs}ms
  timeout tunnel 24h
  # A version that closes idle connections may make several tries meet closed ones.
  retries 5
  retry-on conn-failure empty-response
  option redispatch 1
  option abortonclose
  option idle-close-on-response
.if version_atleast(3.2)
  # What readers make of trailers differs; before 3.2 HAProxy cannot drop them.
  option http-drop-request-trailers
  option http-drop-response-trailers
.endif
  http-error status 502 content-type text/plain string "The app closed the connection before it had answered, or answered something that is not HTTP or has a head of more than ${headBytes} bytes.\\n"
  http-error status 503 content-type text/plain string "The app cannot be reached.\\n"
  http-error status 504 content-type text/plain string "The app did not answer in time.\\n"
`;
}

function frontendText({ host, port, headers, rules, placeKey }: ConfigOptions): string {
  const at = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const all = [
    ...connectionRules(rules),
    ...relayRules(),
    ...refusalRules(),
    ...headRules(rules),
    ...clientRules(rules),
    ...routeRules(),
    ...versionRules(rules),
    ...bodyRules(rules),
    ...userRules(headers, placeKey),
    ...splitRules(),
    ...answerRules(rules),
  ];
  return `frontend edge
  # HTTP/1 alone: HTTP/2 in clear text would pass by what is refused below.
  bind ${at} proto h1
  # A worker that a reload has replaced hands its last requests over to its successor.
  bind unix@relay.sock mode 600 accept-proxy proto h1
  log ring@${RING} len 256 format raw local0
  log-format "%[var(txn.token)] %ST %ts %[date(0,us),sub(txn.start)] %Ta %[var(txn.path),bytes(0,80)]"
${all.map((rule) => `  ${rule}\n`).join('')}  use_backend relay if ${RELAYED}
  use_backend %[var(txn.token),field(1,.)]
`;
}

function relayRules(): string[] {
  return [
    `http-request set-log-level silent if ${RELAYED}`,
    `http-request allow if ${RELAYED}`,
    // A request that was (perhaps) received is sent again only where RFC 9110 section 9.2.2 lets a proxy do so.
    'http-request disable-l7-retry if !{ method GET HEAD OPTIONS TRACE }',
    'http-request set-var(txn.start) date(0,us)',
  ];
}

function routeRules(): string[] {
  const silent = '!{ var(txn.app) -m found }';
  return [
    'http-request set-var(txn.path) path',
    'http-request set-var(txn.app) req.hdr(host),host_only,lower,concat(,txn.path,/),map_beg(routes.map)',
    `http-request set-var(txn.app) str(*),concat(,txn.path,/),map_beg(routes.map) if ${silent}`,
    ...refuse(404, 'No app is routed here.', silent),
  ];
}

function versionRules({ pinFrom }: EdgeRules): string[] {
  const asked = `{ req.hdr_cnt(${VERSION_HEADER}) gt 0 }`;
  return [
    `http-request set-log-level silent if ${asked}`,
    ...refuse(403, `${VERSION_HEADER} is not taken from this address.`, `${asked} !{ var(txn.client) -m ip ${addresses(pinFrom)} }`),
    `http-request set-var(txn.wanted) req.fhdr(${VERSION_HEADER}),hex if ${asked}`,
    `http-request set-var(txn.token) var(txn.app),concat(:,txn.wanted),map_str(versions.map) if ${asked}`,
    ...refuse(404, 'The app has no such version here.', `${asked} ${UNDECIDED}`),
    ...refuse(404, 'The app has no such version here.', `{ req.hdr_cnt(${VERSION_HEADER}) gt 1 }`),
  ];
}

/** Who asks: a place in [0, 10000), the same for ever for one user of one app. */
function userRules(headers: readonly string[], placeKey: string): string[] {
  const byCookie = '{ var(txn.mode) -m str c }';
  const unknown = '!{ var(txn.user) -m found }';
  return [
    'http-request set-var(txn.split) var(txn.app),map_str(splits.map)',
    `http-request set-var(txn.mode) var(txn.split),field(1,|) if ${UNDECIDED}`,
    `http-request set-var(txn.user) req.cook(${STICKY_COOKIE}) if ${byCookie} { req.cook(${STICKY_COOKIE}) -m len gt 0 }`,
    `http-request set-var(txn.fresh) uuid() if ${byCookie} ${unknown}`,
    `http-request set-var(txn.user) var(txn.fresh) if { var(txn.fresh) -m found }`,
    ...headers.map(
      (header) =>
        `http-request set-var(txn.user) req.fhdr(${header}) if { var(txn.mode) -m str h:${header} } { req.fhdr(${header}) -m len gt 0 }`,
    ),
    `http-request set-var(txn.place) rand(10000) if ${UNDECIDED} ${unknown}`,
    `http-request set-var(txn.place) ${USER},concat(|,txn.app),hmac(sha256,${placeKey}),bytes(0,4),be2dec(,4),mod(10000) if ${UNDECIDED} { var(txn.user) -m found }`,
  ];
}

/** The first part whose end is beyond the place decides. */
function splitRules(): string[] {
  return Array.from({ length: MAX_SPLIT }, (_, index) => [
    `http-request set-var(txn.part) var(txn.split),field(${index + 2},|) if ${UNDECIDED}`,
    `http-request set-var(txn.left) var(txn.part),field(1,:),sub(txn.place) if ${UNDECIDED}`,
    `http-request set-var(txn.token) var(txn.part),field(2,:) if ${UNDECIDED} { var(txn.left) -m int gt 0 }`,
  ]).flat();
}

function answerRules({ limits }: EdgeRules): string[] {
  const cookie = `${STICKY_COOKIE}=%[var(txn.fresh)]; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax`;
  return [
    `http-response return status 502 content-type text/plain string "The app's answer: its head is larger than ${limits.headBytes} bytes.\\n" if { res.hdrs,length gt ${limits.headBytes} }`,
    'http-response return status 502 content-type text/plain string "The app answered something that is not HTTP.\\n" if { res.ver 1.0 } { res.hdr_cnt(transfer-encoding) gt 0 }',
    `http-response return status 502 content-type text/plain string "The app answered something that is not HTTP.\\n" if { res.hdrs -m reg '${CONTROLS}' }`,
    'http-response del-header keep-alive',
    'http-response del-header proxy-connection',
    'http-response del-header connection if !{ status 101 }',
    'http-response del-header upgrade if !{ status 101 }',
    'http-response del-header transfer-encoding if { status 204 304 }',
    `http-response add-header Set-Cookie "${cookie}" if { var(txn.fresh) -m found }`,
  ];
}

function backendsText(slots: number, layout: Layout): string {
  const backends = Array.from({ length: slots }, (_, index) => {
    const name = `b${index + 1}`;
    const servers = [...(layout.servers.get(name) ?? [])].map(
      ([server, at]) => `  server ${server} ${addressText(at)} ${SERVER_OPTIONS}\n`,
    );
    return `backend ${name}\n  balance leastconn\n${servers.join('')}`;
  });
  return `backend relay\n  server successor unix@relay.sock send-proxy-v2\n\n${backends.join('\n')}`;
}

export function addressText({ ip, port }: Address): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
