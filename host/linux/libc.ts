/**
 * The C library as far as the host needs it: one declaration and one typed wrapper per function.
 *
 * koffi takes numbers and BigInts for pointers without a word, so nothing else in the project
 * imports it: an address here has a type of its own, and only `addressOf` makes one. Prototypes are
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

/** A new tmpfs, mounted nowhere, where device nodes work: its root's descriptor, or -errno. */
export function openDetachedTmpfs(): number {
  const context = settle(c.fsopen(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  if (context < 0) return context;
  let result = settle(c.fsconfig(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0));
  if (result >= 0) result = settle(c.fsmount(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0));
  close(context);
  return result;
}
