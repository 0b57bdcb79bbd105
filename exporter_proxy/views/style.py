"""The frame of the pages for browsers: one file each, nothing loaded from elsewhere."""

from html import escape

_CSS = """
:root { color-scheme: light dark; --ink: #1f2328; --soft: #656d76; --line: #d8dee4;
  --band: #f6f8fa; --link: #0969da; --ok: #1a7f37; --bad: #b35900; --paper: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #8d96a0; --line: #30363d;
  --band: #161b22; --link: #58a6ff; --ok: #3fb950; --bad: #e3a03a; --paper: #0d1117; } }
body { margin: 2rem; background: var(--paper); color: var(--ink);
  font: 14px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.5rem; font-weight: 600; overflow-wrap: anywhere; }
h2 { margin: 1.75rem 0 .5rem; font-size: 1.1rem; font-weight: 600; }
small, p, .links span { color: var(--soft); font-weight: 400; }
small { font-size: 1rem; }
p { margin: 0 0 1.25rem; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
.links { margin: 0; padding: 0; list-style: none; max-width: 46rem; }
.links li { display: flex; gap: 1rem; padding: .45rem 0; border-top: 1px solid var(--line); }
.links li:last-child { border-bottom: 1px solid var(--line); }
.links a { flex: 0 0 9rem; font-family: ui-monospace, monospace; }
table { border-collapse: collapse; }
th, td { padding: .35rem .65rem; border-bottom: 1px solid var(--line); text-align: left;
  white-space: pre; }
th { position: sticky; top: 0; background: var(--band); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.time { font-variant-numeric: tabular-nums; color: var(--soft); }
td:last-child:not(.number), td.long, td.name { white-space: pre-wrap; min-width: 8rem;
  overflow-wrap: anywhere; }
td.name { min-width: 5rem; }
code { font-family: ui-monospace, monospace; }
.apps td:first-child { white-space: pre-wrap; min-width: 12rem; overflow-wrap: anywhere; }
.apps td:nth-child(3) { white-space: pre-wrap; min-width: 9rem; overflow-wrap: anywhere; }
.apps td:last-child { min-width: 15rem; }
td.ok { color: var(--ok); }
td.bad { color: var(--bad); }
tbody tr:hover { background: var(--band); }
@media (max-width: 90rem) { .fine { display: none; } }
@media (min-width: 84rem) { .apps td:nth-child(3) { min-width: 16.5rem; } }
@media (max-width: 72rem) {
  body { margin: 1rem; }
  .links li { display: block; }
  .links a { display: block; }
  .cards thead { display: none; }
  .cards tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .cards td { display: inline-block; padding: 0 1rem 0 0; border: 0; white-space: pre-wrap;
    overflow-wrap: anywhere; }
  .cards td:last-child, .cards td.long { display: block; padding: 0; }
  .apps td:first-child { display: block; font-weight: 600; }
  .cards td.number { display: inline-block; color: var(--soft); }
  .cards td[data-what]::before { content: attr(data-what) " "; }
  .cards td.name, .apps td:nth-child(3) { min-width: 0; }
  .apps td:nth-child(4)::before { content: "samples "; }
  .apps td:nth-child(5)::before { content: "bytes "; }
  .apps td:nth-child(6)::before { content: "updates "; }
}
"""


def begin(title: str) -> str:
    """Return all that comes before the content of a page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
    )


END = "\n</body>\n</html>\n"


def document(title: str, content: str) -> str:
    """Return a page; ``content`` is HTML."""
    return begin(title) + content + END
