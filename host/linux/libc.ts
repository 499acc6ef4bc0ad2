/**
 * The C library as far as the host needs it: one declaration and one typed wrapper per function.
 *
 * koffi takes numbers and BigInts for pointers without a word, so only this file and `poll.ts`
 * import it: an address here has a type of its own, and only `addressOf` makes one. Prototypes are
 * fixed where C has variadic ones, which 64-bit Linux passes alike. Knows nothing of loop devices.
 */
import koffi from "koffi";
import { Errno } from "../../assembly/wire/linux.ts";

/** Where bytes lie in this process. Whoever holds one keeps the bytes referenced. */
export type Address = bigint & { readonly address: unique symbol };

/** For `directory`: the path is absolute. Source: include/uapi/linux/fcntl.h. */
export const AT_FDCWD = -100;

/** Source: include/uapi/linux/mount.h. */
const FSOPEN_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSMOUNT_CLOEXEC = 1;

/** Source: include/linux/net.h. */
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;

/** Source: glibc, bits/dlfcn.h. */
const RTLD_LAZY = 1;
const RTLD_NODELETE = 0x1000;

/** Sources: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h. */
const SYS_mknodat = process.arch === "x64" ? 259 : 33;
const SYS_fsopen = 430;
const SYS_fsconfig = 431;
const SYS_fsmount = 432;

const lib = koffi.load(null);
const c = {
  openat: lib.func("int openat(int, const char *, int)"),
  close: lib.func("int close(int)"),
  flock: lib.func("int flock(int, int)"),
  fsync: lib.func("int fsync(int)"),
  pread: lib.func("long pread(int, uintptr_t, size_t, int64_t)"),
  ioctl: lib.func("int ioctl(int, unsigned long, uintptr_t)"),
  unlinkat: lib.func("int unlinkat(int, const char *, int)"),
  socket: lib.func("int socket(int, int, int)"),
  bind: lib.func("int bind(int, const void *, uint32_t)"),
  connect: lib.func("int connect(int, const void *, uint32_t)"),
  setsockopt: lib.func("int setsockopt(int, int, int, const void *, uint32_t)"),
  getsockopt: lib.func("int getsockopt(int, int, int, void *, void *)"),
  recvmmsg: lib.func("int recvmmsg(int, uintptr_t, unsigned int, int, uintptr_t)"),
  dlopen: lib.func("uintptr_t dlopen(const char *, int)"),
  // glibc exports no mknodat before 2.33, and no fsopen before 2.36
  mknodat: lib.func("long syscall(long, int, const char *, unsigned int, unsigned int)"),
  fsopen: lib.func("long syscall(long, const char *, unsigned int)"),
  fsconfig: lib.func("long syscall(long, int, unsigned int, uintptr_t, uintptr_t, int)"),
  fsmount: lib.func("long syscall(long, int, unsigned int, unsigned int)"),
};

/** What a call answered, or the negated errno, read before anything else can run. */
function settle(result: number): number {
  return result >= 0 ? result : -(koffi.errno() || Errno.EIO);
}

export function addressOf(bytes: Uint8Array): Address {
  return koffi.address(bytes) as Address;
}

export function openat(directory: number, path: string, flags: number): number {
  return settle(c.openat(directory, path, flags));
}

export function close(descriptor: number): number {
  return settle(c.close(descriptor));
}

export function flock(descriptor: number, operation: number): number {
  return settle(c.flock(descriptor, operation));
}

export function fsync(descriptor: number): number {
  return settle(c.fsync(descriptor));
}

export function pread(descriptor: number, to: Address, bytes: number, offset: bigint): number {
  return settle(c.pread(descriptor, to, bytes, offset));
}

export function ioctlValue(descriptor: number, request: number, value: bigint): number {
  return settle(c.ioctl(descriptor, request, value));
}

export function ioctlBuffer(descriptor: number, request: number, buffer: Address): number {
  return settle(c.ioctl(descriptor, request, buffer));
}

export function unlinkat(directory: number, path: string): number {
  return settle(c.unlinkat(directory, path, 0));
}

/** `mode` with its file type; `device` as the kernel encodes it (new_encode_dev). */
export function mknodat(directory: number, path: string, mode: number, device: number): number {
  return settle(c.mknodat(SYS_mknodat, directory, path, mode, device));
}

/** Closed on exec; never waits. */
export function socket(domain: number, type: number, protocol: number): number {
  return settle(c.socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

export function bind(descriptor: number, name: Uint8Array): number {
  return settle(c.bind(descriptor, name, name.byteLength));
}

export function connect(descriptor: number, name: Uint8Array): number {
  return settle(c.connect(descriptor, name, name.byteLength));
}

/** An option that is an int. */
export function setOption(descriptor: number, level: number, option: number, value: number) {
  return settle(c.setsockopt(descriptor, level, option, Int32Array.of(value), 4));
}

/** An option of 4-byte words, as many as fit: how many bytes there are, or -errno. */
export function getOption(descriptor: number, level: number, option: number, to: Uint32Array) {
  const bytes = Uint32Array.of(to.byteLength);
  const result = settle(c.getsockopt(descriptor, level, option, to, bytes));
  return result < 0 ? result : (bytes[0] ?? 0);
}

/** `headers`: that many struct mmsghdr. */
export function recvmmsg(descriptor: number, headers: Address, count: number): number {
  return settle(c.recvmmsg(descriptor, headers, count, 0, 0));
}

/** Has a shared object that is loaded stay so until the process ends. */
export function keepLoaded(path: string): void {
  c.dlopen(path, RTLD_LAZY | RTLD_NODELETE);
}

/** A new tmpfs, mounted nowhere, where device nodes work: its root's descriptor, or -errno. */
export function openDetachedTmpfs(): number {
  const context = settle(c.fsopen(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  if (context < 0) return context;
  let result = settle(c.fsconfig(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0));
  if (result >= 0) result = settle(c.fsmount(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0));
  close(context);
  return result;
}
