#include "io/processes/gloo_device.h"

#if EMEND_GLOO
#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "io/error.h"
#include "io/exception_message.h"
#include "io/processes/network.h"

namespace emend {
namespace {

std::string route_key(int rank) { return fmt::format("route/{}", rank); }

// The address of this process for the others. On the machine of rank 0, the route to rank 0 may be
// a loopback address; then it is the address under which another machine knows rank 0. Returns
// when all processes are here, because Gloo does not notice that one has ended before.
std::string own_address(ProcessGroup& group) {
  const auto route = route_to(group.place().address, group.place().port);
  group.set(route_key(group.rank()), nlohmann::json({route.local, route.peer}).dump());
  auto address = route.local;
  for (int rank = 0; rank < group.size(); ++rank) {
    const auto other = nlohmann::json::parse(group.wait(route_key(rank), rank));
    const auto peer = other.at(1).get<std::string>();
    if (is_loopback(address) && !is_loopback(peer)) address = peer;
  }
  return address;
}

}  // namespace

std::shared_ptr<gloo::transport::Device> gloo_device(ProcessGroup& group) {
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  const bool chosen = interface && *interface;
  const auto address = own_address(group);
  const std::string device = chosen ? interface : address;
  try {
    return chosen ? c10d::ProcessGroupGloo::createDeviceForInterface(device)
                  : c10d::ProcessGroupGloo::createDeviceForHostname(device);
  } catch (const std::exception& error) {
    throw Error("io::gloo_device",
                fmt::format("rank {} cannot use {} '{}': {}", group.rank(),
                            chosen ? "the network interface" : "the address", device,
                            exception_message(error)),
                chosen ? "set GLOO_SOCKET_IFNAME to a name that `ip link` prints"
                       : "set GLOO_SOCKET_IFNAME to the interface of the other machines' network");
  }
}

}  // namespace emend
#endif
