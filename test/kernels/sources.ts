/**
 * Where this machine gets Debian packages from, as its apt is told: the same archives with other
 * suites. Hosts, keyrings and proxies stay the machine's own. Reads text only.
 */

/** An archive, as apt's configuration names it. */
export interface Archive {
  readonly uri: string;
  /** What signs it: paths or a key as `Signed-By` has them; undefined: apt's own keyrings. */
  readonly signedBy: string | undefined;
}

export interface Archives {
  readonly main: Archive | undefined;
  readonly security: Archive | undefined;
}

interface Entry extends Archive {
  readonly suites: readonly string[];
}

const names = "(?:old)*stable|testing|unstable|sid|bullseye|bookworm|trixie|forky";
const mainSuite = new RegExp(`^(?:${names})$`);
const securitySuite = new RegExp(`^(?:${names})(?:-security|/updates)$`);

/** Debian's archives in files of apt: `*.sources` in stanzas, all others line by line. */
export function archivesIn(files: readonly { name: string; text: string }[]): Archives {
  const entries = files.flatMap(({ name, text }) =>
    name.endsWith(".sources") ? stanzas(text) : lines(text),
  );
  const find = (suite: RegExp): Archive | undefined => {
    const entry = entries.find(({ suites }) => suites.some((one) => suite.test(one)));
    return entry && { uri: entry.uri, signedBy: entry.signedBy };
  };
  return { main: find(mainSuite), security: find(securitySuite) };
}

/** A `*.sources` file for suites of these archives. */
export function sourcesFor({ main, security }: Archives, suites: readonly string[]): string {
  const stanza = (suite: string): string[] => {
    const archive = suite.endsWith("-security") ? security : main;
    if (archive === undefined) return [];
    const { uri, signedBy } = archive;
    const fields = [`URIs: ${uri}`, `Suites: ${suite}`, "Components: main", "Architectures: amd64"];
    // A key itself begins on the next line.
    const signed = signedBy === undefined ? [] : [`Signed-By: ${signedBy}`.replace(" \n", "\n")];
    return [["Types: deb", ...fields, ...signed].join("\n")];
  };
  return `${suites.flatMap(stanza).join("\n\n")}\n`;
}

function stanzas(text: string): Entry[] {
  const all = text.replace(/^#.*\n/gm, "").split(/\n\s*\n/);
  return all.flatMap((stanza) => {
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*((?:.|\\n[ \\t])*)`, "im").exec(stanza)?.[1]?.trimEnd();
    const words = (name: string) => (field(name) ?? "").split(/\s+/).filter(Boolean);
    const [uri] = words("URIs");
    const isOn = words("Types").includes("deb") && field("Enabled") !== "no";
    if (uri === undefined || !isOn) return [];
    return [{ uri, suites: words("Suites"), signedBy: field("Signed-By") }];
  });
}

function lines(text: string): Entry[] {
  return [...text.matchAll(/^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)/gm)].map(
    ([, options = "", uri = "", suite = ""]) => ({
      uri,
      suites: [suite],
      signedBy: /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1]?.replaceAll(",", " "),
    }),
  );
}
