import { ownPattern } from './pattern.ts';
import type { Allow, RuleSet, SecretRule } from './rule.ts';

/** Where a token may end. */
const END = String.raw`(?![A-Za-z0-9_-])`;
const START = String.raw`(?<![A-Za-z0-9_-])`;

function prefixed(id: string, description: string, keywords: readonly string[], source: string, entropy = 2.5): SecretRule {
  return {
    id,
    description,
    keywords,
    pattern: ownPattern(new RegExp(`${START}(${source})${END}`, 'g')),
    reach: 1,
    group: 1,
    entropy,
    isGeneric: false,
    path: null,
    allow: [],
  };
}

/** `name = "value"` where the name tells what it is. */
function named(
  id: string,
  description: string,
  keywords: readonly string[],
  name: string,
  value: string,
  entropy: number,
  isGeneric = false,
): SecretRule {
  // Quotes may stand in a string themselves, as in notebooks: \" and not ".
  const quote = String.raw`(?:\\{0,3}["'\x60])?`;
  const source = String.raw`(?:${name})[\w.-]{0,20}${quote}\]?\s{0,3}(?:[:=]|=>|:=|,)\s{0,3}${quote}(${value})(?=["'\x60\s;,)}\]\\]|$)`;
  const pattern = ownPattern(new RegExp(source, 'gi'));
  return { id, description, keywords, pattern, reach: 1, group: 1, entropy, isGeneric, path: null, allow: [] };
}

/** Our own rules. The telling prefix of a token is its keyword wherever there is one. */
const OWN: readonly SecretRule[] = [
  prefixed('aws-access-key', 'AWS access key', ['akia', 'asia', 'abia', 'acca'], '(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}', 3),
  named('aws-secret-key', 'AWS secret key', ['aws'], String.raw`aws[\w.-]{0,20}(?:secret|key)`, '[A-Za-z0-9/+]{40}', 4),
  prefixed('github-token', 'GitHub token', ['ghp_', 'gho_', 'ghu_', 'ghs_', 'ghr_'], 'gh[pousr]_[A-Za-z0-9]{36,255}', 3),
  prefixed('github-fine-grained-token', 'GitHub fine-grained token', ['github_pat_'], 'github_pat_[A-Za-z0-9_]{40,255}', 3),
  prefixed(
    'gitlab-token',
    'GitLab token',
    ['glpat-', 'gldt-', 'glrt-', 'glptt-', 'glcbt-'],
    'gl(?:pat|dt|rt|ptt|cbt)-[A-Za-z0-9_-]{20,}',
    3,
  ),
  prefixed(
    'slack-token',
    'Slack token',
    ['xoxb-', 'xoxp-', 'xoxa-', 'xoxe', 'xapp-'],
    'xox[bpaers]-[A-Za-z0-9-]{20,}|xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{32,}',
    2,
  ),
  prefixed(
    'slack-webhook',
    'Slack webhook',
    ['hooks.slack.com'],
    String.raw`https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{30,}`,
    3,
  ),
  prefixed(
    'stripe-key',
    'Stripe key',
    ['sk_live_', 'rk_live_', 'sk_test_', 'rk_test_', 'whsec_'],
    '(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{24,}',
    3,
  ),
  prefixed('openai-key', 'OpenAI key', ['sk-'], 'sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}', 3),
  prefixed('anthropic-key', 'Anthropic key', ['sk-ant-'], 'sk-ant-[a-z]{3,10}[0-9]{2}-[A-Za-z0-9_-]{60,}', 3),
  prefixed('google-api-key', 'Google API key', ['aiza'], 'AIza[A-Za-z0-9_-]{35}', 3.5),
  prefixed('google-oauth-secret', 'Google OAuth client secret', ['gocspx-'], 'GOCSPX-[A-Za-z0-9_-]{28}', 3),
  prefixed('npm-token', 'npm token', ['npm_'], 'npm_[A-Za-z0-9]{36}', 3),
  prefixed('pypi-token', 'PyPI token', ['pypi-ageichlwas5vcmc'], 'pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}', 3),
  prefixed('rubygems-token', 'RubyGems token', ['rubygems_'], 'rubygems_[a-f0-9]{48}', 2.5),
  prefixed('docker-token', 'Docker token', ['dckr_'], 'dckr_(?:pat|oat)_[A-Za-z0-9_-]{24,}', 3),
  prefixed('digitalocean-token', 'DigitalOcean token', ['dop_v1_', 'doo_v1_', 'dor_v1_'], 'do[opr]_v1_[a-f0-9]{64}', 3),
  prefixed(
    'doppler-token',
    'Doppler token',
    ['dp.pt.', 'dp.st.', 'dp.sa.', 'dp.ct.'],
    String.raw`dp\.(?:pt|sa|ct|scim|audit|st(?:\.[a-z0-9_-]{2,35})?)\.[A-Za-z0-9]{40,44}`,
    3,
  ),
  prefixed('vault-token', 'Vault token', ['hvs.', 'hvb.'], String.raw`hv[sb]\.[A-Za-z0-9_-]{24,}`, 3),
  prefixed('fly-token', 'Fly.io token', ['fo1_', 'fm2_'], 'fo1_[A-Za-z0-9_-]{43}|fm2_[A-Za-z0-9+/]{100,}={0,3}', 3.5),
  prefixed('supabase-key', 'Supabase key', ['sbp_', 'sb_secret_'], 'sbp_[a-f0-9]{40}|sb_secret_[A-Za-z0-9_-]{20,}', 3),
  prefixed('neon-key', 'Neon API key', ['napi_'], 'napi_[a-z0-9]{60,}', 3),
  prefixed('planetscale-token', 'PlanetScale token', ['pscale_'], 'pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,}', 3),
  prefixed('sendgrid-key', 'SendGrid key', ['sg.'], String.raw`SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}`, 3.5),
  prefixed('mailgun-key', 'Mailgun key', ['key-'], 'key-[a-f0-9]{32}', 3),
  prefixed('twilio-key', 'Twilio key', ['sk'], 'SK[a-f0-9]{32}', 3),
  prefixed('telegram-token', 'Telegram bot token', [':aa'], '[0-9]{8,10}:AA[A-Za-z0-9_-]{33}', 3),
  prefixed(
    'discord-webhook',
    'Discord webhook',
    ['discord'],
    String.raw`https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/[0-9]{17,20}/[A-Za-z0-9_-]{60,}`,
    3,
  ),
  prefixed('pagerduty-key', 'PagerDuty key', ['pdus+'], String.raw`pdus\+_[A-Za-z0-9_-]{20,}`, 3),
  prefixed('shopify-token', 'Shopify token', ['shpat_', 'shpca_', 'shppa_', 'shpss_'], 'shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}', 3),
  prefixed('square-token', 'Square token', ['sq0atp-', 'sq0csp-', 'eaaa'], 'sq0(?:atp|csp)-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60}', 3.5),
  prefixed('linear-key', 'Linear key', ['lin_api_', 'lin_oauth_'], 'lin_(?:api|oauth)_[A-Za-z0-9]{40,}', 3),
  prefixed('notion-token', 'Notion token', ['ntn_', 'secret_'], 'ntn_[A-Za-z0-9]{40,}|secret_[A-Za-z0-9]{43}', 3.5),
  prefixed('databricks-token', 'Databricks token', ['dapi'], 'dapi[a-f0-9]{32}(?:-[0-9])?', 3),
  prefixed('grafana-token', 'Grafana token', ['glsa_', 'glc_'], 'glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}|glc_[A-Za-z0-9+/]{32,400}={0,3}', 3),
  prefixed('sentry-token', 'Sentry token', ['sntrys_', 'sntryu_'], 'sntrys_[A-Za-z0-9+/=_-]{60,}|sntryu_[a-f0-9]{64}', 3),
  prefixed('huggingface-token', 'Hugging Face token', ['hf_'], 'hf_[A-Za-z]{34}', 3),
  prefixed('sluice-token', 'Sluice token', ['sluice_'], 'sluice_[A-Za-z0-9_-]{43}', 3.5),
  prefixed('age-key', 'age secret key', ['age-secret-key-'], 'AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}', 3),
  prefixed('1password-token', '1Password token', ['ops_eyj'], 'ops_eyJ[A-Za-z0-9+/]{250,}={0,3}', 3),
  {
    ...prefixed('jwt', 'signed token (JWT)', ['eyj'], String.raw`eyJ[A-Za-z0-9_-]{14,}\.eyJ[A-Za-z0-9_-]{14,}\.[A-Za-z0-9_-]{20,}`, 3.5),
  },
  {
    ...prefixed('private-key', 'private key', ['-----begin'], ''),
    // An armour may have headers (Version, Proc-Type) and an empty line before the data.
    reach: 12,
    pattern: ownPattern(
      /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\\r)?(?:\\n|\s|["'+,])*(?:[A-Za-z][A-Za-z-]{1,30}: ?[^\r\n\\]{0,200}(?:\\r|\r)?(?:\\n|\n)(?:\\r|\\n|\s|["'+,])*){0,8}([A-Za-z0-9+/=]{20,})/g,
    ),
  },
  {
    ...prefixed('url-password', 'password in an address', ['://'], ''),
    // There may be a password and no user, as Redis has it.
    pattern: ownPattern(/\b[a-z][a-z0-9+.-]{1,30}:\/\/[^\s:@/'"`<>{}$]{0,80}:([^\s:@/'"`<>{}$]{4,200})@[A-Za-z0-9.[-]/gi),
    entropy: 2.2,
  },
  prefixed(
    'new-relic-key',
    'New Relic key',
    ['nrak-', 'nrii-', 'nriq-', 'nraa-', 'nrra-', 'nrjs-', 'nral'],
    'NRAK-[A-Z0-9]{27}|NRI[IQ]-[A-Za-z0-9_-]{32}|NRAA-[a-f0-9]{27}|NRRA-[a-f0-9]{42}|NRJS-[a-f0-9]{19}|[a-f0-9]{36}NRAL',
    3,
  ),
  prefixed('terraform-token', 'Terraform Cloud token', ['.atlasv1.'], String.raw`[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70}`, 3.5),
  prefixed('pulumi-token', 'Pulumi token', ['pul-'], 'pul-[a-f0-9]{40}', 3),
  prefixed('postman-key', 'Postman key', ['pmak-'], 'PMAK-[a-f0-9]{24}-[a-f0-9]{34}', 3),
  prefixed('atlassian-token', 'Atlassian token', ['atatt3'], 'ATATT3[A-Za-z0-9_=-]{150,250}', 3.5),
  prefixed('dynatrace-token', 'Dynatrace token', ['dt0c01.'], String.raw`dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}`, 3.5),
  prefixed('circleci-token', 'CircleCI token', ['ccipat_', 'ccipra_'], 'CCIP(?:AT|RA)_[A-Za-z0-9]{22}_[a-f0-9]{40}', 3.5),
  prefixed('azure-client-secret', 'Azure client secret', ['q~'], String.raw`[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}`, 3.5),
  // Keys of Azure that say themselves what they are of.
  {
    ...prefixed(
      'azure-key',
      'Azure key',
      ['azfu', 'azse', '+ast', '+acr', '+aba', '+amc', '+aeh', '+asb', 'acdb', 'apim', 'aiot', 'azdo'],
      '',
    ),
    pattern: ownPattern(
      /(?<![A-Za-z0-9+/_-])((?:[A-Za-z0-9+/]{76}(?:\+ASt|\+ABa|\+AMC|ACDb|APIM)[A-Za-z0-9+/]{5}[AQgw]==|[A-Za-z0-9+/]{33}(?:\+AEh|\+ASb|AIoT)[A-Za-z0-9+/]{5}[A-P]=|[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}[AQgw]==|[A-Za-z0-9]{42}AzSe[A-D][A-Za-z0-9]{5}|[A-Za-z0-9+/]{42}\+ACR[A-D][A-Za-z0-9+/]{5}|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}))(?![A-Za-z0-9+/_=-])/g,
    ),
    entropy: 4,
  },
  {
    ...prefixed('azure-shared-access', 'shared access signature of Azure', ['sig='], ''),
    pattern: ownPattern(/[?&;"'\s](?:s[vrtepi]|skn|se|sr)=[^\s"'<>]{1,400}?[?&;]sig=([A-Za-z0-9+/%_-]{40,120}={0,2})(?![A-Za-z0-9+/%])/gi),
    entropy: 3.5,
  },
  {
    ...prefixed('azure-shared-access', 'shared access signature of Azure', ['sig='], ''),
    pattern: ownPattern(/[?&]sig=([A-Za-z0-9+/%_-]{40,120}={0,2})&[^\s"'<>]{0,400}?\bs[vrtepi]=/gi),
    entropy: 3.5,
  },
  named('azure-shared-key', 'shared access key of Azure', ['sharedaccesskey'], 'SharedAccessKey', '[A-Za-z0-9+/]{43}=', 3.5),
  named(
    'azure-storage-key',
    'Azure storage key',
    ['azure', 'storage', 'account_key', 'account-key'],
    String.raw`(?:azure|storage|account)[\w.-]{0,40}key`,
    '[A-Za-z0-9+/]{86}==',
    4,
  ),
  named(
    'azure-client-secret',
    'Azure client secret',
    ['arm_client_secret', 'azure_client_secret', 'aad', 'azuread'],
    String.raw`(?:arm|azure|azuread|aad)[\w.-]{0,20}secret`,
    '[A-Za-z0-9_~.+/=:?@[\\]-]{32,44}',
    3.5,
  ),
  {
    ...prefixed('connection-string', 'password in a connection string', ['password=', 'pwd=', 'password =', 'pwd ='], ''),
    pattern: ownPattern(
      /\b(?:server|data source|host|user id|uid|username)\s{0,3}=[^\n"'`]{1,300}?;\s{0,3}(?:password|pwd)\s{0,3}=\s{0,3}([^\s;"'`<>{}$]{6,200})/gi,
    ),
    entropy: 2.5,
  },
  {
    ...named('azure-storage-key', 'Azure storage key', ['accountkey'], 'AccountKey', '[A-Za-z0-9+/]{86}==', 4),
  },
  named(
    'cloudflare-token',
    'Cloudflare token',
    ['cloudflare', 'cf_api'],
    String.raw`(?:cloudflare|cf)[\w.-]{0,20}(?:token|key)`,
    '[A-Za-z0-9_-]{37,45}',
    3.5,
  ),
  named('heroku-key', 'Heroku key', ['heroku'], 'heroku[\\w.-]{0,20}(?:key|token)', '[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}', 3),
  {
    ...named('netrc-password', 'password in .netrc', ['password'], 'password', '.{4,}', 2),
    pattern: ownPattern(/\bmachine\s{1,20}\S{1,200}\s{1,20}login\s{1,20}\S{1,200}\s{1,20}password\s{1,20}(\S{4,})/g),
    path: /(^|\/)[._]netrc$/,
  },
  {
    ...named('basic-authorization', 'Authorization header', ['authorization'], 'authorization', '', 3),
    pattern: ownPattern(/authorization["'`]?\s{0,3}[:=,]\s{0,3}["'`]?(?:basic|bearer)\s+([A-Za-z0-9+/=_.-]{20,})/gi),
  },
  named(
    'generic-secret',
    'something called a secret',
    ['secret', 'token', 'password', 'passwd', 'api_key', 'apikey', 'api-key', 'access_key', 'private_key', 'credential'],
    '(?:secret|token|passw(?:or)?d|api[_-]?key|access[_-]?key|private[_-]?key|credential)s?',
    String.raw`[A-Za-z0-9+/=_.~!@#%^&*-]{10,150}`,
    3.5,
    true,
  ),
];

/** What people write where a secret would stand, and files in which long random text is no secret. */
const USUAL: readonly Allow[] = [
  {
    paths: [
      /(^|\/)(package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|bun\.lockb?|poetry\.lock|uv\.lock|Pipfile\.lock|Cargo\.lock|go\.sum|composer\.lock|Gemfile\.lock)$/,
      /\.(png|jpe?g|gif|webp|ico|svg|pdf|woff2?|ttf|eot|zip|gz|tgz|bz2|xz|7z|jar|wasm|mp[34]|mov|so|dylib|dll|exe|map)$/i,
    ],
    patterns: [],
    target: 'secret',
    stopwords: [],
    needsAll: false,
  },
  {
    paths: [],
    patterns: [
      /^[$<{%[]|^process\.env|^os\.(environ|getenv)|^(?:self|this|req|config|settings|options|env)\./i,
      /\$\{|\{\{|\}\}|<[a-z_ -]+>|\.\.\.|%[sd(]/i,
      /^(.)\1*$|^x{3,}|\*{3,}/i,
    ],
    target: 'secret',
    stopwords: [
      'example',
      'placeholder',
      'changeme',
      'change-me',
      'change_me',
      'your-',
      'your_',
      'dummy',
      'redacted',
      'not-a-real',
      'notasecret',
      'xxxxxx',
      '123456789',
      'abcdefgh',
      'todo',
      'insert',
      'fake',
      'sample',
    ],
    needsAll: false,
  },
  {
    // Everybody's password for the database of a test or a compose file.
    paths: [],
    patterns: [
      /^(password|passwd|pass|postgres|root|admin|user|guest|secret|test|mysql|redis|minio|rabbitmq|localhost|pw|pwd|default|hunter2)\d{0,4}$/i,
    ],
    target: 'secret',
    stopwords: [],
    needsAll: false,
  },
];

export const OWN_RULES: RuleSet = { rules: OWN, allow: USUAL };
