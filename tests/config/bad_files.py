"""Files with one mistake each, and the line that is said about it."""

EXPORTER = "[exporter]\n"
RECEIVER = "[receiver]\n"
ACCESS = "[[access]]\n"
POLL = "[poll_external]\n"
ENDPOINT = "poll_external.other_scrape_endpoints[0]"
ADDRESS = 'must be an address and a port, such as "127.0.0.1:6555" or "[::1]:6555"'
PUSH_ADDRESS = ADDRESS.replace("6555", "6554")
PORTS = "ports go from 0 to 65535"
URL = 'must be an HTTP or HTTPS URL, such as "http://127.0.0.1:9100/metrics"'
AGE = 'must be a duration of at least 0 seconds, such as 300 or "5m", or "never"'
IDLE = 'must be a duration of at least 0.001 seconds, such as 300 or "5m"'
SIZE = 'must be a size of at least 1 byte, such as 1048576 or "64MiB"'
SIZE_LIMIT = 'must be a size such as 1048576 or "64MiB", or 0 for no limit'
RATE = "must be a number of at least 0, such as 2 or 0.1"
MODULE = '[[module]]\nname = "m"\nkind = '
FILE = MODULE + '"file"\npath = "/f"\n'
EXEC = MODULE + '"exec"\n'
COMMAND = 'must be a list, a program and its arguments, such as ["/usr/bin/env", "-0"]'
APP = '[[app]]\nmatch = "a"\n'
PART = "must be another label name: this one tells parts of a metric apart"
RESERVED = "must be another label name: Prometheus keeps those with __ to itself"
MODE = 'must be permissions in octal, such as "0660" or 0o660'


def endpoint(text: str) -> str:
    """Return a file with one endpoint."""
    return f"{POLL}other_scrape_endpoints = [{text}]"


BAD = [
    # names
    ("fromat = 1", ("fromat: unknown key: keys stand in the sections [exporter], [receiver], "
     "[poll_external], [push], [[access]], [[app]], [[log]], [[module]]")),
    ("[recevier]", 'recevier: unknown section (did you mean "receiver"?)'),
    ("[xyz]", "xyz: unknown section"),
    (RECEIVER + 'fromat = "json"', 'receiver.fromat: unknown key (did you mean "format"?)'),
    (RECEIVER + "zzz = 1", "receiver.zzz: unknown key"),
    (RECEIVER + "concurrent_requests = 1",
     "receiver.concurrent_requests: unknown key (it belongs in [exporter])"),
    (EXPORTER + "idle_timeout = 1",
     "exporter.idle_timeout: unknown key (it belongs in [receiver])"),
    (POLL + "labels = {}", ("poll_external.labels: unknown key (it belongs in "
     "[[app]], [[poll_external.other_scrape_endpoints]] or [[log.metrics]])")),
    (endpoint('{ url = "http://h/", password_file = "f" }'),
     f"{ENDPOINT}.password_file: unknown key (it belongs in an endpoint's basic_auth)"),
    ("expire_after = 1", ("expire_after: unknown key (it belongs in "
     "[[app]], [[poll_external.other_scrape_endpoints]], [exporter], [receiver], [poll_external] "
     "or [push])")),
    ("[[other_scrape_endpoints]]",
     "other_scrape_endpoints: unknown section (it belongs in [poll_external])"),
    (RECEIVER + '"a\\nb" = 1', 'receiver."a\\nb": unknown key'),
    (RECEIVER + f"{'k' * 65} = 1", f'receiver."{"k" * 60}…": unknown key'),
    ("receiver = 3", "receiver: an integer: must be a section, written [receiver]"),
    ("[[exporter]]", "exporter: a list: must be a section, written [exporter]"),
    # logs
    ("[[log]]", ("log[0].path: missing: must be the path of a log file, or a pattern such as "
     '"/var/log/nginx/*.log"')),
    ('[[log]]\npath = "/dev/stdin"',
     'log[0].path: "/dev/stdin": must be a file: standard input can\'t be followed'),
    ('[[log]]\npath = "a\\nb"',
     'log[0].path: "a\\nb": must not have control characters'),
    ('[[log]]\npath = "a"\nstart = "now"', 'log[0].start: "now": must be "end" or "beginning"'),
    ('[[log]]\npath = "a"\nmax_line = 255', ("log[0].max_line: 255: must be a size from 256 bytes "
     'to 1 MiB, such as 65536 or "64KiB"')),
    ('[[log]]\npath = "a"\n[[log]]\npath = "a"',
     'log[1].app: "log: a": is the app of log[0], too: give one of them another'),
    ('[[log]]\npath = "a"\ncheckpoint = "c"\n[[log]]\npath = "b"\ncheckpoint = "c"',
     'log[1].checkpoint: "c": is the one of log[0], too: each needs its own'),
    (f'[[log]]\npath = "{"a" * 260}"', ("log[0].app: missing: an app's name has at most 256 "
     "characters, and this path has more")),
    # access
    ('[push]\nallow_from = "10.0.0.0/8"',
     'push.allow_from: "10.0.0.0/8": must be a list of networks, such as ["10.0.0.0/8"]'),
    ('[push]\nallow_from = ["10.0.0.1/8"]',
     ('push.allow_from[0]: "10.0.0.1/8": has bits set behind its prefix: did you mean '
      '"10.0.0.0/8"?')),
    ('[push]\nallow_from = ["localhost"]',
     ('push.allow_from[0]: "localhost": must be an IP address or a network, such as "10.0.0.0/8" '
      'or "2001:db8::/32"')),
    (ACCESS + "user = 'a'",
     'access[0].rights: missing: must be a list of rights, such as ["scrape", "push"]'),
    (ACCESS + "user = 'a'\nrights = []",
     'access[0].rights: empty: must be a list of rights, such as ["scrape"]'),
    (ACCESS + "user = 'a'\nrights = ['read']",
     'access[0].rights[0]: "read": must be "scrape", "push" or "admin"'),
    (ACCESS + "rights = ['scrape']",
     ("access[0]: says of nobody: must have one of bearer_token, bearer_token_file, user, "
      "peer_uid")),
    (ACCESS + "user = 'a'\npeer_uid = 0\nrights = ['scrape']",
     "access[0]: only one of user and peer_uid can be used"),
    (ACCESS + "user = 'a:b'\nrights = ['scrape']",
     'access[0].user: "a:b": must be a user\'s name, without a colon'),
    (ACCESS + "peer_uid = -1\nrights = ['scrape']",
     "access[0].peer_uid: -1: must be a user's id or name"),
    (ACCESS + "bearer_token = 'two words'\nrights = ['scrape']",
     ("access[0].bearer_token: a string: must be a token: letters, digits and signs, without "
      "blanks")),
    (ACCESS + "bearer_token = 's3cret'\nrights = ['scrape']\napps = 'x'",
     'access[0].apps: without effect: rights does not have "push"'),
    (ACCESS + "user = 'a'\nrights = ['push']\napps = '('",
     'access[0].apps: "(": must be a regular expression (RE2): "missing ): ("'),
    (RECEIVER + "tls_cert_file = 'c'",
     "receiver.tls_cert_file: can't be used without tls_key_file"),
    (RECEIVER + "tls_min_version = 'TLS12'",
     "receiver.tls_min_version: can't be used without tls_cert_file and tls_key_file"),
    (RECEIVER + "tls_cert_file = 'c'\ntls_key_file = 'k'\ntls_min_version = 'TLS11'",
     'receiver.tls_min_version: "TLS11": must be "TLS12" or "TLS13"'),
    # booleans and integers
    (EXPORTER + "self_metrics = 1", "exporter.self_metrics: 1: must be true or false"),
    (EXPORTER + "worker_threads = true",
     "exporter.worker_threads: true: must be an integer from 0 to 1024"),
    (EXPORTER + "worker_threads = 2.0",
     "exporter.worker_threads: 2.0: must be an integer from 0 to 1024"),
    (EXPORTER + 'worker_threads = "2"',
     'exporter.worker_threads: "2": must be an integer from 0 to 1024'),
    (EXPORTER + "concurrent_requests = 0",
     "exporter.concurrent_requests: 0: must be an integer from 1 to 1000000"),
    (EXPORTER + f"max_apps = 0x{'f' * 5000}",
     "exporter.max_apps: an integer: must be an integer from 1 to 100000000"),
    (EXPORTER + "max_apps = 2022-05-22",
     "exporter.max_apps: a date or time: must be an integer from 1 to 100000000"),
    # durations and ages
    (RECEIVER + "idle_timeout = -1", f"receiver.idle_timeout: -1: {IDLE}"),
    (RECEIVER + "idle_timeout = 0", f"receiver.idle_timeout: 0: {IDLE}"),
    (RECEIVER + "idle_timeout = nan", f"receiver.idle_timeout: nan: {IDLE}"),
    (RECEIVER + "idle_timeout = false", f"receiver.idle_timeout: false: {IDLE}"),
    (RECEIVER + 'idle_timeout = "never"', f'receiver.idle_timeout: "never": {IDLE}'),
    (RECEIVER + "idle_timeout = inf", "receiver.idle_timeout: inf: must be at most 100 years"),
    (RECEIVER + 'idle_timeout = "101y"',
     'receiver.idle_timeout: "101y": must be at most 100 years'),
    (RECEIVER + "expire_after = -1", f"receiver.expire_after: -1: {AGE}"),
    (EXPORTER + 'expire_after = "5 m"', f'exporter.expire_after: "5 m": {AGE}'),
    (POLL + "poll_interval = 0.01",
     ("poll_external.poll_interval: 0.01: must be a duration of at least 0.1 seconds, such as 5 or "
     '"1m"')),
    # sizes
    (RECEIVER + "max_message_size = 0", f"receiver.max_message_size: 0: {SIZE}"),
    (RECEIVER + "max_message_size = 0\nmax_buffered = 1000",
     f"receiver.max_message_size: 0: {SIZE}"),
    (RECEIVER + "max_message_size = 1.5", f"receiver.max_message_size: 1.5: {SIZE}"),
    (RECEIVER + "max_message_size = true", f"receiver.max_message_size: true: {SIZE}"),
    (RECEIVER + 'max_message_size = "64M"', f'receiver.max_message_size: "64M": {SIZE}'),
    (RECEIVER + 'max_message_size = "2TiB"',
     'receiver.max_message_size: "2TiB": must be at most 1TiB'),
    (RECEIVER + "max_buffered = 1000",
     "receiver.max_buffered: 1000: must be at least max_message_size, which is 67108864 bytes"),
    (RECEIVER + 'max_message_size = "512MiB"',
     ("receiver.max_buffered: 268435456: must be at least max_message_size, which is 536870912 "
     "bytes")),
    # budgets
    (EXPORTER + "app_max_samples = -1",
     "exporter.app_max_samples: -1: must be an integer from 0 to 1000000000"),
    (EXPORTER + 'app_max_bytes = "0B"', f'exporter.app_max_bytes: "0B": {SIZE_LIMIT}'),
    (EXPORTER + "app_max_bytes = false", f"exporter.app_max_bytes: false: {SIZE_LIMIT}"),
    (EXPORTER + "app_max_updates_per_second = -1",
     f"exporter.app_max_updates_per_second: -1: {RATE}"),
    (EXPORTER + "app_max_updates_per_second = nan",
     f"exporter.app_max_updates_per_second: nan: {RATE}"),
    (EXPORTER + "app_max_updates_per_second = true",
     f"exporter.app_max_updates_per_second: true: {RATE}"),
    (EXPORTER + "app_max_updates_per_second = 1e7",
     "exporter.app_max_updates_per_second: 10000000.0: must be at most 1000000"),
    (EXPORTER + "app_max_updates_per_second = 1e-9",
     ("exporter.app_max_updates_per_second: 1e-09: must be at least 0.000001, or 0 for no limit")),
    (APP + "max_updates_per_second = '1'", f'app[0].max_updates_per_second: "1": {RATE}'),
    (EXPORTER + "max_samples = 1",
     ("exporter.max_samples: unknown key (it belongs in [[app]], "
     "[[poll_external.other_scrape_endpoints]] or [poll_external])")),
    # choices
    (EXPORTER + 'on_expire = "keep"', 'exporter.on_expire: "keep": must be "drop" or "mark"'),
    (RECEIVER + 'format = "xml"', 'receiver.format: "xml": must be "json", "capnp" or "auto"'),
    (RECEIVER + 'format = ["json"]', 'receiver.format: a list: must be "json", "capnp" or "auto"'),
    (EXPORTER + 'exposition = "concat"',
     'exporter.exposition: "concat": must be "verbatim" or "merged"'),
    # addresses
    *[
        (EXPORTER + f'scrape_expose_endpoint = "{text}"',
         f'exporter.scrape_expose_endpoint: "{text}": {ADDRESS}')
        for text in ("", "6555", ":6555", "localhost", "h:", "h:x", "h:--1", "::1:6555",
                     "[::1]", "[h]:1", "300.0.0.1:1", "1.2.3:1", "a b:1",
                     "http://h:1", "h:000080")
    ],
    *[
        (EXPORTER + f'scrape_expose_endpoint = "127.0.0.1:{port}"',
         f'exporter.scrape_expose_endpoint: "127.0.0.1:{port}": {PORTS}')
        for port in ("65536", "70000", "-1", "9999999999")
    ],
    (RECEIVER + 'receiver_tcp_socket = "127.0.0.1"',
     f'receiver.receiver_tcp_socket: "127.0.0.1": {PUSH_ADDRESS}'),
    (RECEIVER + 'receiver_tcp_socket = "127.0.0.1:6555"',
     ('receiver.receiver_tcp_socket: "127.0.0.1:6555": must have another port than '
      'exporter.scrape_expose_endpoint, "0.0.0.0:6555"')),
    (EXPORTER + 'scrape_expose_endpoint = "h:\u0665"',
     f'exporter.scrape_expose_endpoint: "h:\u0665": {ADDRESS}'),
    (EXPORTER + "scrape_expose_endpoint = 6555",
     f"exporter.scrape_expose_endpoint: 6555: {ADDRESS}"),
    # paths, accounts, modes
    (RECEIVER + 'receiver_unix_socket = ""',
     'receiver.receiver_unix_socket: "": must be the path of a Unix socket'),
    (RECEIVER + 'receiver_unix_socket = "a\\u0000b"',
     'receiver.receiver_unix_socket: "a\\x00b": must be the path of a Unix socket'),
    (RECEIVER + f'receiver_unix_socket = "/{"é" * 54}"',
     (f'receiver.receiver_unix_socket: "/{"é" * 54}": must be at most 107 bytes long, the '
     "kernel's limit for a socket")),
    (RECEIVER + 'unix_socket_user = ""',
     'receiver.unix_socket_user: "": must be the name of a user, or "current_user"'),
    (RECEIVER + "unix_socket_group = 0",
     'receiver.unix_socket_group: 0: must be the name of a group, or "current_group"'),
    (RECEIVER + "unix_socket_mode = 660", f"receiver.unix_socket_mode: 660: {MODE}"),
    (RECEIVER + 'unix_socket_mode = "rw"', f'receiver.unix_socket_mode: "rw": {MODE}'),
    (RECEIVER + 'unix_socket_mode = "4755"', f'receiver.unix_socket_mode: "4755": {MODE}'),
    (RECEIVER + "unix_socket_mode = true", f"receiver.unix_socket_mode: true: {MODE}"),
    # endpoints
    (POLL + 'other_scrape_endpoints = "http://me:hunter2@h/"',
     ('poll_external.other_scrape_endpoints: "http://h/": must be a list of URLs or tables, such '
     'as ["http://127.0.0.1:9100/metrics"]')),
    (endpoint('"me:hunter2@h:1/"'), f'{ENDPOINT}: "h:1/": {URL}'),
    (endpoint('"http://me:hunt/er2@h/"'), f'{ENDPOINT}: "http://h/": {URL}'),
    (endpoint('["http://me:hunter2@h/"]'),
     f"{ENDPOINT}: a list: must be a URL or a table with a url"),
    (endpoint("{}"), f"{ENDPOINT}.url: missing: {URL}"),
    (endpoint('{ url = ["http://me:hunter2@h/"] }'), f"{ENDPOINT}.url: a list: {URL}"),
    (endpoint('{ url = "ftp://me:hunter2@h/" }'), f'{ENDPOINT}.url: "ftp://h/": {URL}'),
    (endpoint('{ url = "http://h/", source = "x" }'), f"{ENDPOINT}.source: unknown key"),
    (endpoint('{ url = "http://h/", name = "a\\nb" }'),
     (f'{ENDPOINT}.name: "a\\nb": must be an app\'s name: 1 to 256 characters, none of them a '
     "control character, not . or ..")),
    (endpoint('{ url = "http://h/", headers = "Authorization: hunter2" }'),
     (f'{ENDPOINT}.headers: a string: must be a table of headers, such as {{ X-Scope-OrgID = '
     '"team" }')),
    (endpoint('{ url = "http://h/", headers = { A = "hunter2\\r\\nB: c" } }'),
     f"{ENDPOINT}.headers.A: a string: must be a header's value, without line breaks"),
    (endpoint('{ url = "http://h/", headers = { "a b" = "c" } }'),
     f'{ENDPOINT}.headers."a b": must be the name of an HTTP header, such as X-Scope-OrgID'),
    (endpoint('{ url = "http://h/", basic_auth = "me:hunter2" }'),
     (f"{ENDPOINT}.basic_auth: a string: must be a table, such as "
     '{ username = "prometheus", password_file = "/etc/password" }')),
    (endpoint('{ url = "http://h/", basic_auth = { username = "me", password = 12345 } }'),
     f"{ENDPOINT}.basic_auth.password: an integer: must be a string"),
    (endpoint('{ url = "http://h/", basic_auth = { password = "hunter2" } }'),
     f"{ENDPOINT}.basic_auth.username: missing: must be a user's name"),
    (endpoint('{ url = "http://h/", basic_auth = { username = "me", password = "hunter2", '
              'password_file = "f" } }'),
     f"{ENDPOINT}.basic_auth: only one of password and password_file can be used"),
    (endpoint('{ url = "http://h/", basic_auth = { username = "me" }, bearer_token_file = "f" }'),
     f"{ENDPOINT}: only one of basic_auth and bearer_token_file can be used"),
    (endpoint('{ url = "http://me:hunter2@h/", headers = { authorization = "hunter2" } }'),
     f"{ENDPOINT}: only one of the URL's user info and headers.authorization can be used"),
    (endpoint('{ url = "http://h/", labels = { __name__ = "x" } }'),
     f"{ENDPOINT}.labels.__name__: must be another label name: this one is the metric's own name"),
    (endpoint('{ url = "http://h/", labels = { a-b = "x" } }'),
     f"{ENDPOINT}.labels.a-b: must be a label name: letters, digits and _, no digit first"),
    (endpoint('{ url = "http://h/", labels = { a = 1 } }'),
     f"{ENDPOINT}.labels.a: 1: must be a string without control characters"),
    (endpoint('{ url = "http://h/", labels = { a = "x\\u0000" } }'),
     f'{ENDPOINT}.labels.a: "x\\x00": must be a string without control characters'),
    # labels and apps
    (EXPORTER + "extra_labels = { le = '1' }", f"exporter.extra_labels.le: {PART}"),
    (EXPORTER + "extra_labels = { __a = '1' }", f"exporter.extra_labels.__a: {RESERVED}"),
    (EXPORTER + 'app_label = "quantile"', f'exporter.app_label: "quantile": {PART}'),
    (EXPORTER + 'app_label = "__address__"', f'exporter.app_label: "__address__": {RESERVED}'),
    (EXPORTER + 'app_label = "a.b"', ('exporter.app_label: "a.b": must be a label name: letters, '
     "digits and _, no digit first")),
    (EXPORTER + "app_label = false",
     'exporter.app_label: false: must be a label name, such as "app", or ""'),
    (EXPORTER + "scrape_timeout = 0", ("exporter.scrape_timeout: 0: must be a duration of at least "
     '0.001 seconds, such as 30 or "1m"')),
    (EXPORTER + 'invalid_metrics = "drop"', ('exporter.invalid_metrics: "drop": must be '
     '"quarantine", "expose" or "reject"')),
    ("[app]", "app: a table: must be sections, each written [[app]]"),
    ("app = [1]", "app[0]: an integer: must be a section, written [[app]]"),
    ("[[apps]]", 'apps: unknown section (did you mean "app"?)'),
    ("[[app]]", "app[0].match: missing: must be a regular expression (RE2)"),
    ('[[app]]\nmatch = "a"\n[[app]]\nmatch = "(a"',
     'app[1].match: "(a": must be a regular expression (RE2): "missing ): (a"'),
    ('[[app]]\nmatch = "a"\nname = "a"', ("app[0].name: unknown key (it belongs in "
     "[[poll_external.other_scrape_endpoints]], [[log.metrics]] or [[module]])")),
    ('[[app]]\nmatch = "a"\nkeep = "b"', ('app[0].keep: "b": must be a list of regular '
     'expressions, such as ["node_.*"]')),
    ('[[app]]\nmatch = "a"\nlabels = { quantile = "1" }', f"app[0].labels.quantile: {PART}"),
    # more endpoints
    (endpoint('{ url = "http://h/", keep = "node_.*" }'),
     f'{ENDPOINT}.keep: "node_.*": must be a list of regular expressions, such as ["node_.*"]'),
    (endpoint('{ url = "http://h/", drop = ["ok", "(a"] }'),
     f'{ENDPOINT}.drop[1]: "(a": must be a regular expression (RE2): "missing ): (a"'),
    (endpoint('"http://h/", "http://h:80"'),
     ('poll_external.other_scrape_endpoints[1]: "external_poll: h:80/": names the same app as '
     f"{ENDPOINT}: give one of them a name")),
    (endpoint('{ url = "http://h/", name = "x" }, { url = "http://i/", name = "x" }'),
     ('poll_external.other_scrape_endpoints[1]: "x": names the same app as '
     f"{ENDPOINT}: give one of them a name")),
    (endpoint(f'"http://{"h" * 300}/"'),
     (f'{ENDPOINT}: "external_poll: {"h" * 45}…": has 318 characters, an app\'s name at most 256: '
     "give it a name")),
    # modules
    ("[module]", "module: a table: must be sections, each written [[module]]"),
    (MODULE + '"shell"',
     'module[0].kind: "shell": must be "http", "exec", "file" or "directory"'),
    (MODULE + '"http"', 'module[0].url: missing: the kind "http" needs it'),
    (FILE + 'url = "http://h/"',
     'module[0].url: has no effect for the kind "file": it is for "http"'),
    (FILE + "interval = 0.05",
     ('module[0].interval: 0.05: must be a duration of at least 0.1 seconds, such as 15 or "1m", '
      "or 0 for on demand only")),
    (FILE + "interval = false",
     ('module[0].interval: false: must be a duration of at least 0.1 seconds, such as 15 or "1m", '
      "or 0 for on demand only")),
    (FILE + 'name = "a\\nb"'.replace("name", "app"),
     ('module[0].app: "a\\nb": must be an app\'s name: 1 to 256 characters, none of them a control '
      "character, not . or ..")),
    (FILE + FILE, 'module[1].name: "m": is the name of module[0], too'),
    (FILE + "interval = 1\n" + FILE.replace('"m"', '"n"') + 'interval = 1\napp = "m"',
     ('module[1]: "m": names the same app as module[0]: give one of them another app')),
    (FILE + 'interval = 1\n[poll_external]\npoll_other_scrape_endpoints = true\n'
     'other_scrape_endpoints = [{ url = "http://h/", name = "m" }]',
     ('module[0]: "m": names the same app as an endpoint of '
      "poll_external.other_scrape_endpoints: give it another app")),
    (MODULE + '"directory"\npath = "/d"\nfiles = "a/*.prom"',
     ('module[0].files: "a/*.prom": must be a pattern of file names, such as "*.prom"')),
    (EXEC + "command = []", f"module[0].command: empty: {COMMAND}"),
    (EXEC + 'command = "ls -l"', f'module[0].command: "ls -l": {COMMAND}'),
    (EXEC + 'command = ["a\\u0000"]',
     'module[0].command[0]: "a\\x00": must be a string without NUL'),
    (EXEC + 'command = ["a"]\nenv = { "A=B" = "" }',
     ('module[0].env."A=B": must be the name of an environment variable, such as LANG')),
    (EXEC + 'command = ["a"]\nparams = { x = "a" }',
     "module[0].params.x: must be used in command or env, as {x}"),
    (EXEC + 'command = ["a", "{x}"]\nparams = { x = "(" }',
     'module[0].params.x: "(": must be a regular expression (RE2): "missing ): ("'),
    (EXEC + 'command = ["a"]\nparams = { x-y = "a" }',
     ("module[0].params.x-y: must be a parameter's name: letters, digits and _, no digit first")),
    (EXEC + 'command = ["{x}", "{x}"]\nparams = { x = "a" }',
     "module[0].command: the program itself can't be a parameter"),
    (EXEC + 'interval = 5\ncommand = ["a", "-t{x}"]\nparams = { x = "a" }',
     'module[0].interval: must be 0: a poll has no value for the parameter "x"'),
    (MODULE + '"http"\nurl = "http://u:p@h/"\nbearer_token_file = "f"',
     ("module[0]: only one of the URL's user info and bearer_token_file can be used")),
]  # fmt: skip
