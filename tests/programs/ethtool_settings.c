// Network devices' properties come by a pointer in the request (SIOCETHTOOL): the same in every version.
// expect: ok: ethtool
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "check.h"

static int ask(int fd, const char* device, void* command) {
  struct ifreq request = {0};
  strcpy(request.ifr_name, device);
  request.ifr_data = command;
  return ioctl(fd, SIOCETHTOOL, &request);
}

int main(void) {
  struct if_nameindex* devices = if_nameindex();
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(devices && fd >= 0);
  for (int i = 0; devices[i].if_index; i++) {
    struct ethtool_value link = {ETHTOOL_GLINK, 77};
    struct {
      struct ethtool_link_settings settings;
      unsigned masks[3 * 127];
    } all = {{.cmd = ETHTOOL_GLINKSETTINGS}, {0}};
    // What was written goes into calls, which are compared.
    if (ask(fd, devices[i].if_name, &link) == 0)
      CHECK(link.data <= 1 && lseek(fd, link.data, SEEK_SET) == -1);
    if (ask(fd, devices[i].if_name, &all) != 0) continue;
    all.settings.link_mode_masks_nwords = -all.settings.link_mode_masks_nwords;
    CHECK(all.settings.link_mode_masks_nwords > 0 && ask(fd, devices[i].if_name, &all) == 0);
    for (int k = 0; k < 3 * all.settings.link_mode_masks_nwords; k++)
      CHECK(lseek(fd, all.masks[k], SEEK_SET) == -1);
    CHECK(lseek(fd, all.settings.speed, all.settings.duplex) == -1);
  }
  if_freenameindex(devices);
  puts("ok: ethtool");
}
