"""Grok's usual patterns under their usual names.

The names are those of Logstash's pattern set; the expressions are written for this program, without
look-around, so that RE2 takes them. They say what such a field looks like and don't validate it: an
``IPV4`` may be 999.1.1.1. Most are decided by the next character (see
:mod:`exporter_proxy.log_metrics.predictive`), which makes them fast.
"""

_CLOCK = "[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_QUOTED = r'[^"\\]*(?:\\.[^"\\]*)*'

PATTERNS: dict[str, str] = {
    # words and numbers
    "USERNAME": "[a-zA-Z0-9._-]+",
    "USER": "%{USERNAME}",
    "EMAILLOCALPART": r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+",
    "EMAILADDRESS": "%{EMAILLOCALPART}@%{HOSTNAME}",
    "INT": "[+-]?[0-9]+",
    "BASE10NUM": r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)",
    "NUMBER": "%{BASE10NUM}",
    "BASE16NUM": "[+-]?(?:0x)?[0-9A-Fa-f]+",
    "BASE16FLOAT": r"[+-]?(?:0x)?[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?",
    "POSINT": "[1-9][0-9]*",
    "NONNEGINT": "[0-9]+",
    "WORD": "[a-zA-Z0-9_]+",
    "NOTSPACE": r"[^ \t\n\f\r]+",
    "SPACE": "[ \t]*",
    "DATA": ".*?",
    "GREEDYDATA": ".*",
    "QUOTEDSTRING": f'"{_QUOTED}"',
    "QS": "%{QUOTEDSTRING}",
    "UUID": "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    "URN": "urn:[0-9A-Za-z-]+:[^ \t\n\f\r]+",
    # networks
    "CISCOMAC": r"[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
    "WINDOWSMAC": "[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}",
    "COMMONMAC": "[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}",
    "MAC": "%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC}",
    "IPV4": r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}",
    "IPV6": "[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+(?:%[0-9A-Za-z]+)?",
    "IP": "[0-9A-Fa-f]{0,4}[.:][0-9A-Fa-f:.]+(?:%[0-9A-Za-z]+)?",
    "HOSTNAME": "[0-9A-Za-z_][0-9A-Za-z_.-]*",
    "HOST": "%{HOSTNAME}",
    "IPORHOST": "[0-9A-Za-z_:][0-9A-Za-z_.:%-]*",
    "HOSTPORT": "%{HOSTNAME}:%{POSINT}",
    # paths
    "PATH": "%{UNIXPATH}|%{WINPATH}",
    "UNIXPATH": r"/[^ \t\n\f\r]*",
    "WINPATH": r"[A-Za-z]:\\[^ \t\n\f\r]*",
    "TTY": "/dev/[a-z]+/?[a-z0-9]*",
    "URIPROTO": r"[A-Za-z][A-Za-z0-9+.-]*",
    "URIHOST": "%{HOSTNAME}(?::%{POSINT})?",
    "URIPATH": r"/[^ \t\n\f\r?#]*",
    "URIPARAM": r"\?[^ \t\n\f\r#]*",
    "URIPATHPARAM": "%{URIPATH}(?:%{URIPARAM})?",
    "URI": "%{URIPROTO}://(?:%{USER}(?::[^@ ]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
    # dates
    "MONTH": "[A-Za-z]{3,9}",
    "MONTHNUM": "[01]?[0-9]",
    "MONTHNUM2": "[01][0-9]",
    "MONTHDAY": "[0-3]?[0-9]",
    "DAY": "[A-Za-z]{3,9}",
    "YEAR": "[0-9]{2,4}",
    "HOUR": "[0-9]{1,2}",
    "MINUTE": "[0-9]{2}",
    "SECOND": "[0-9]{1,2}(?:[.,:][0-9]+)?",
    "TIME": _CLOCK,
    "DATE_US": "[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{2,4}",
    "DATE_EU": "[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}",
    "DATE": "%{DATE_EU}",
    "DATESTAMP": "%{DATE}[- ]%{TIME}",
    "TZ": "[A-Z]{3,4}",
    "ISO8601_TIMEZONE": "Z|[+-][0-9]{2}:?[0-9]{2}",
    "ISO8601_SECOND": "%{SECOND}",
    "TIMESTAMP_ISO8601": f"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ]{_CLOCK}(?:%{{ISO8601_TIMEZONE}})?",
    "DATESTAMP_RFC822": "%{DAY} %{MONTH} [0-9]{1,2} [0-9]{4} %{TIME} %{TZ}",
    "DATESTAMP_RFC2822": "%{DAY}, [0-9]{1,2} %{MONTH} [0-9]{4} %{TIME} [+-][0-9]{4}",
    "DATESTAMP_OTHER": "%{DAY} %{MONTH} [0-9]{1,2} %{TIME} %{TZ} [0-9]{4}",
    "DATESTAMP_EVENTLOG": "[0-9]{14}",
    "HTTPDATE": "[0-9]{1,2}/[A-Za-z]{3}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4}",
    "HTTPDERROR_DATE": "%{DAY} %{MONTH} [0-9]{1,2} %{TIME} [0-9]{4}",
    # syslog
    "SYSLOGTIMESTAMP": f"[A-Z][a-z]{{2}} +[0-9]{{1,2}} {_CLOCK}",
    "PROG": r"[!-Z\\^-~]+",
    "SYSLOGPROG": r"%{PROG:program}(?:\[%{NONNEGINT:pid}\])?",
    "SYSLOGHOST": "%{IPORHOST}",
    "SYSLOGFACILITY": r"<%{NONNEGINT:facility}\.%{NONNEGINT:priority}>",
    "SYSLOGBASE": (
        "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} "
        r"(?P<program>[^ :\[]+)(?:\[%{NONNEGINT:pid}\])?:"
    ),
    "SYSLOGLINE": "%{SYSLOGBASE} %{GREEDYDATA:message}",
    "LOGLEVEL": "[A-Za-z]{4,11}",
    # web servers
    "HTTPDUSER": r"[^ \t\n\f\r]+",
    "COMMONAPACHELOG": (
        r"%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] "
        r'"(?:(?P<verb>[A-Z]+) (?P<request>[^ "\\]*(?:\\.[^ "\\]*)*)'
        r"(?: HTTP/(?P<httpversion>[0-9.]+))?"
        rf'|(?P<rawrequest>(?:[^A-Z"\\]|\\.){_QUOTED})|)" '
        "(?P<response>[0-9]+|-) (?P<bytes>[0-9]+|-)"
    ),
    "COMBINEDAPACHELOG": "%{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}",
    "HTTPD_COMMONLOG": "%{COMMONAPACHELOG}",
    "HTTPD_COMBINEDLOG": "%{COMBINEDAPACHELOG}",
}
