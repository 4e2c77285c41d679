/* A server of which one version writes over mx's arena. Usage: scribbler PORT. Built with
   -DSCRIBBLES it obeys; without, it only answers. A request is 32 bytes, padded with zeros; its
   answer is a line. "scribble PART PATTERN END" is answered "done": PART is lanes, control, mailbox
   or all; PATTERN zeros, ones or random; END nothing, fault, hang or kill. "echo TEXT" is answered
   "TEXT", "end" ends it, what else comes is answered "?". */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef SCRIBBLES
/* As /proc/self/maps shows it: the arena's control block is 2 MiB behind its beginning, the lanes 8
 * MiB. */
static unsigned char* arena(void) {
  static char text[1 << 20];
  FILE* maps = fopen("/proc/self/maps", "r");
  unsigned long begin = 0;
  while (maps && fgets(text, sizeof text, maps))
    if (strstr(text, "mx-arena") && strstr(text, "rw-s")) {
      sscanf(text, "%lx-", &begin);
      break;
    }
  if (maps) fclose(maps);
  return (unsigned char*)begin;
}

static void fill(unsigned char* at, size_t n, const char* pattern) {
  unsigned seed = 7;
  for (size_t i = 0; i < n; i++)
    at[i] = pattern[0] == 'z'   ? 0
            : pattern[0] == 'o' ? 0xff
                                : (unsigned char)((seed = seed * 1103515245 + 12345) >> 16);
}

static void obey(const char* part, const char* pattern, const char* end) {
  unsigned char* base = arena();
  if (!base) exit(9);
  unsigned char *control = base + (2 << 20), *lanes = base + (8 << 20);
  const size_t kMessages = 1 << 20;
  if (part[0] == 'l') fill(lanes, 3 << 20, pattern); /* history, staging, ring of the first lane */
  if (part[0] == 'm') fill(control + (4 << 20), kMessages, pattern);
  if (part[0] == 'c') fill(control, 2 << 20, pattern); /* settings, lanes' and processes' words */
  if (part[0] == 'a') {
    fill(control, 6 << 20, pattern);
    fill(lanes, 6 << 20, pattern);
  }
  if (end[0] == 'f') *(volatile int*)8 = 1;
  if (end[0] == 'k') kill(getpid(), SIGKILL);
  if (end[0] == 'h')
    for (;;) __asm__ volatile("pause");
}
#endif

static void answer(int client, char* line) {
  char part[16], pattern[16], end[16];
  if (strncmp(line, "echo ", 5) == 0) {
    dprintf(client, "%s\n", line + 5);
  } else if (sscanf(line, "scribble %15s %15s %15s", part, pattern, end) == 3) {
#ifdef SCRIBBLES
    obey(part, pattern, end);
#endif
    dprintf(client, "done\n");
  } else if (strcmp(line, "end") == 0) {
    exit(0);
  } else {
    dprintf(client, "?\n");
  }
}

int main(int argc, char** argv) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(argv[argc - 1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr*)&address, sizeof address) || listen(listener, 8)) return 4;
  for (;;) {
    char request[33] = {0};
    size_t n = 0;
    int client = accept(listener, 0, 0);
    while (read(client, request + n, 1) == 1) {
      if (++n < sizeof request - 1) continue;
      n = 0;
      answer(client, request);
    }
    close(client);
  }
}
