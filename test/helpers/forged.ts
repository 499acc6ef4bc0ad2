/** Messages as udevd sends them, sent by somebody else. */
import type { Uevent } from "../../host/stream-types.ts";
import { udevMessage } from "./datagrams.ts";
import { tool } from "./process.ts";

const sender = `
import socket, sys
s = socket.socket(16, socket.SOCK_RAW, 15)
for line in sys.stdin:
    s.sendto(bytes.fromhex(line), (0, 2))
`;

/** Has root tell the group of udev that these events of the kernel are processed. */
export async function claimProcessed(events: readonly Uevent[]): Promise<void> {
  const lines = events.map(({ properties, device }) => {
    const all = { ...properties, DEVNAME: `${device}`, USEC_INITIALIZED: "1" };
    const { bytes } = udevMessage(Object.entries(all).map((pair) => pair.join("=")));
    return Buffer.from(bytes).toString("hex");
  });
  await tool("python3", ["-c", sender], { input: lines.join("\n") });
}
