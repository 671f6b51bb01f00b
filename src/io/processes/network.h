#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace emend {

// The numeric addresses of a connection from this machine to a host: "10.0.0.2" and "10.0.0.1".
struct Route {
  std::string local, peer;
};
// Sends nothing. Throws emend::Error if the name of the host cannot be resolved, or if no network
// of this machine leads to it.
Route route_to(const std::string& host, uint16_t port);

// Whether an address, such as 127.0.1.1 or ::1, is valid only on its own machine.
bool is_loopback(const std::string& address);

// Makes calls fail on TCP connections whose other side has been unreachable for `limit`, for all
// sockets that this process has now and those that it will accept; by default, they can wait
// forever. On connections to `port`, the store of c10d, only calls that wait for an answer fail:
// c10d also has an idle connection, and ends the program if that one breaks.
void limit_silence(std::chrono::seconds limit, uint16_t port);

}  // namespace emend
