// The list of network interfaces comes by a pointer in the request (SIOCGIFCONF), its size too.
// expect: ok: interfaces listed
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "check.h"

int main(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq room[64];
  struct ifconf list = {.ifc_len = 0};
  CHECK(fd >= 0 && ioctl(fd, SIOCGIFCONF, &list) == 0);
  int needed = list.ifc_len;
  CHECK(needed > 0 && needed % sizeof room[0] == 0 && lseek(fd, needed, SEEK_SET) == -1);
  list = (struct ifconf){.ifc_len = sizeof room, .ifc_req = room};
  memset(room, 7, sizeof room);
  CHECK(ioctl(fd, SIOCGIFCONF, &list) == 0 && list.ifc_len == needed && list.ifc_req == room);
  for (size_t i = 0; i < needed / sizeof room[0]; i++) {
    // What came goes into calls, which are compared.
    CHECK(lseek(fd, room[i].ifr_name[0], room[i].ifr_addr.sa_family) == -1);
    CHECK(ioctl(fd, SIOCGIFFLAGS, &room[i]) == 0 && lseek(fd, room[i].ifr_flags, SEEK_SET) == -1);
  }
  CHECK(((char*)room)[needed] == 7);
  list.ifc_len = sizeof room[0];
  CHECK(ioctl(fd, SIOCGIFCONF, &list) == 0 && list.ifc_len == sizeof room[0]);
  puts("ok: interfaces listed");
}
