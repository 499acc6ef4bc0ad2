/*
 * What a receiver of uevents costs at least: a loop of recv(2) on a socket of the same kind.
 *
 *   receive N M ...        receives N datagrams, says "done", then M, ...
 *   receive wake DISK      sleeps in poll(2); for each event of the disk with SYNTH_ARG_T=ns, and
 *                          each of a partition of it, prints the time since then, or the time
 */
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static char bytes[8192];

static int listen_to_kernel(void)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int room = 128 << 20;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) < 0) {
		perror("socket");
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
	puts("ready");
	fflush(stdout);
	return fd;
}

static long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static const char *value_of(const char *key, ssize_t length)
{
	size_t room = strlen(key);
	for (const char *at = bytes; at < bytes + length; at += strlen(at) + 1)
		if (strncmp(at, key, room) == 0)
			return at + room;
	return NULL;
}

/* "ACTION@/devices/virtual/block/DISK", or a partition below it. */
static int is_about(const char *disk)
{
	const char *name = strstr(bytes, "/block/");
	size_t length = strlen(disk);
	if (!name || strncmp(name + 7, disk, length) != 0)
		return 0;
	return name[7 + length] == 0 || name[7 + length] == '/';
}

static void wake(int fd, const char *disk)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	while (poll(&poller, 1, -1) > 0) {
		ssize_t length = recv(fd, bytes, sizeof bytes - 1, MSG_DONTWAIT);
		long long at = now_ns();
		if (length <= 0)
			continue;
		bytes[length] = 0;
		if (!is_about(disk))
			continue;
		const char *sent = value_of("SYNTH_ARG_T=", length);
		if (sent)
			printf("%lld\n", at - atoll(sent));
		else if (value_of("PARTN=", length))
			printf("%lld\n", at);
		fflush(stdout);
	}
}

int main(int count, char **words)
{
	int fd = listen_to_kernel();
	if (count > 2 && strcmp(words[1], "wake") == 0)
		wake(fd, words[2]);
	for (int i = 1; i < count; i++) {
		for (long left = atol(words[i]); left > 0; left--)
			if (recv(fd, bytes, sizeof bytes, 0) < 0)
				perror("recv");
		puts("done");
		fflush(stdout);
	}
	return 0;
}
