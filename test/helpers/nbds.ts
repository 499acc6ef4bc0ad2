/**
 * A network block device that only one test has: a server in memory, beside it a client that
 * connects the device by its old ioctls or by generic netlink. Disconnected when the test ends.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { type Running, start } from "./process.ts";
import type { Scene } from "./scene.ts";

/**
 * Both sides; does what each line says and answers `done`. Requests and commands are those of
 * include/uapi/linux/nbd.h and nbd-netlink.h.
 */
const program = `
import fcntl, os, socket, struct, sys, threading
path, index = sys.argv[1], int(sys.argv[2])
SET_SOCK, SET_BLKSIZE, DO_IT, CLEAR_SOCK, SET_SIZE_BLOCKS, DISCONNECT = (
    0xab00, 0xab01, 0xab03, 0xab04, 0xab07, 0xab08)
blocks, block = 16384, 512
sides = []

def exactly(side, count):
    data = b""
    while len(data) < count:
        piece = side.recv(count - len(data))
        if not piece: raise EOFError
        data += piece
    return data
def serve(side):
    try:
        while True:
            _, _, kind, handle, _, count = struct.unpack(">IHHQQI", exactly(side, 28))
            if kind == 1: exactly(side, count)
            if kind == 2: break
            data = bytes(count) if kind == 0 else b""
            side.sendall(struct.pack(">IIQ", 0x67446698, 0, handle) + data)
    except (EOFError, OSError):
        pass
    side.close()
def server():
    sides[:] = socket.socketpair()
    threading.Thread(target=serve, args=(sides[1],), daemon=True).start()
    return sides[0].fileno()

# By ioctls: one call lasts as long as the connection.
client = None
def do_it(device):
    try: fcntl.ioctl(device, DO_IT)
    except OSError: pass
def connect():
    global client
    device = os.open(path, os.O_RDWR)
    fcntl.ioctl(device, SET_BLKSIZE, block)
    fcntl.ioctl(device, SET_SIZE_BLOCKS, blocks)
    fcntl.ioctl(device, SET_SOCK, server())
    client = device, threading.Thread(target=do_it, args=(device,))
    client[1].start()
def end(request):
    global client
    device, thread = client
    fcntl.ioctl(device, request)
    thread.join()
    os.close(device)
    client = None
def clear(): end(CLEAR_SOCK)
def disconnect(): end(DISCONNECT)

# By netlink: the connection is the kernel's.
netlink = socket.socket(16, socket.SOCK_RAW, 16)
netlink.bind((0, 0))
def attribute(number, data):
    return struct.pack("=HH", 4 + len(data), number) + data + bytes(-len(data) % 4)
def ask(family, command, *attributes):
    body = struct.pack("=BBH", command, 1, 0) + b"".join(attributes)
    netlink.send(struct.pack("=IHHII", 16 + len(body), family, 5, 1, 0) + body)
    answer = b""
    while True:
        message = netlink.recv(65536)
        if struct.unpack_from("=H", message, 4)[0] == 2:
            error = -struct.unpack_from("=i", message, 16)[0]
            if error: raise OSError(error, os.strerror(error))
            return answer
        answer = message
def family():
    answer, at = ask(16, 3, attribute(2, b"nbd\\0")), 20
    while True:
        size, number = struct.unpack_from("=HH", answer, at)
        if number == 1: return struct.unpack_from("=H", answer, at + 4)[0]
        at += (size + 3) & ~3
def nbd(command, *attributes):
    ask(family(), command, attribute(1, struct.pack("=I", index)), *attributes)
def sockets():
    one = attribute(1 | 0x8000, attribute(1, struct.pack("=I", server())))
    return attribute(7 | 0x8000, one)
def long(number, value):
    return attribute(number, struct.pack("=Q", value))
def netlink_connect():
    # size, block size, flags of the server, seconds that a dead connection is waited for
    nbd(1, long(2, blocks * block), long(3, block), long(5, 1), long(8, 60), sockets())
def netlink_reconnect():
    old = list(sides)
    old[1].shutdown(socket.SHUT_RDWR)
    # The kernel notices with the next request, which waits for the other connection.
    reader = threading.Thread(target=read)
    reader.start()
    again = sockets()
    while reader.is_alive():
        try: nbd(3, again)
        except OSError: pass
        reader.join(0.1)
def read():
    device = os.open(path, os.O_RDONLY)
    os.posix_fadvise(device, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pread(device, 512, 0)
    os.close(device)
def netlink_disconnect(): nbd(2)

for line in sys.stdin:
    globals()[line.strip()]()
    print("done", flush=True)
try: netlink_disconnect()
except OSError: pass
`;

export type Action =
  | "connect"
  | "clear"
  | "disconnect"
  | "netlink_connect"
  | "netlink_reconnect"
  | "netlink_disconnect";

export class OwnNbd {
  /** `nbd0` */
  readonly name: string;
  readonly device: string;
  readonly #running: Running;
  readonly #answers: AsyncIterator<string>;

  private constructor(name: string, running: Running) {
    this.name = name;
    this.device = `/dev/${name}`;
    this.#running = running;
    const lines = createInterface(running.child.stdout as Readable);
    this.#answers = lines[Symbol.asyncIterator]();
  }

  /** One that nobody has connected. */
  static start(scene: Scene): OwnNbd {
    const names = readdirSync("/sys/block").filter((name) => /^nbd\d+$/.test(name));
    const name = names.find((one) => !existsSync(`/sys/block/${one}/pid`));
    if (name === undefined) throw new Error("all network block devices are in use");
    const words = ["-c", program, `/dev/${name}`, name.slice("nbd".length)];
    const running = start("python3", words, { isInputOpen: true });
    scene.defer(() => {
      running.child.stdin?.end();
      return running.outcome;
    });
    return new OwnNbd(name, running);
  }

  get diskseq(): bigint {
    return BigInt(readFileSync(`/sys/block/${this.name}/diskseq`, "utf8"));
  }

  /** Has the client do it, and waits until it has. */
  async do(action: Action): Promise<void> {
    this.#running.child.stdin?.write(`${action}\n`);
    const { done } = await this.#answers.next();
    if (done) throw new Error(`${action}: ${(await this.#running.outcome).stderr}`);
  }
}
