#include "io/processes/network.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

#include "io/error.h"

namespace emend {
namespace {

struct SocketAddress {
  sockaddr_storage bytes = {};
  socklen_t size = sizeof(bytes);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }

  std::string host() {
    char text[NI_MAXHOST] = {};
    ::getnameinfo(get(), size, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
    return text;
  }
  int port() const {
    if (bytes.ss_family == AF_INET)
      return ntohs(reinterpret_cast<const sockaddr_in*>(&bytes)->sin_port);
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&bytes)->sin6_port);
  }
};

// Connecting a datagram socket chooses the route, and sends nothing.
std::optional<Route> route_over(const addrinfo& to) {
  const int fd = ::socket(to.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  SocketAddress local, peer;
  const bool found = ::connect(fd, to.ai_addr, to.ai_addrlen) == 0 &&
                     ::getsockname(fd, local.get(), &local.size) == 0 &&
                     ::getpeername(fd, peer.get(), &peer.size) == 0;
  const int error = errno;
  ::close(fd);
  errno = error;
  if (!found) return std::nullopt;
  return Route{local.host(), peer.host()};
}

template <class T>
void set_option(int fd, int level, int name, const T& value) {
  ::setsockopt(fd, level, name, &value, sizeof(value));
}

}  // namespace

Route route_to(const std::string& host, uint16_t port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found))
    throw Error("io::network",
                fmt::format("the host name '{}' cannot be resolved: {}", host,
                            ::gai_strerror(code)),
                "give a name that all machines know, or an IP address, with MASTER_ADDR");
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, ::freeaddrinfo);
  for (const auto* one = found; one; one = one->ai_next)
    if (const auto route = route_over(*one)) return *route;
  throw Error("io::network",
              fmt::format("no network of this machine leads to '{}': {}", host,
                          std::strerror(errno)),
              "check MASTER_ADDR and the network");
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

void limit_silence(std::chrono::seconds limit, uint16_t port) {
  constexpr int kProbes = 3;
  const int seconds = static_cast<int>(limit.count());
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const int fd = std::atoi(entry.path().filename().c_str());
    int type = 0, protocol = 0;
    socklen_t size = sizeof(int);
    if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
        ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 ||
        protocol != IPPROTO_TCP)
      continue;
    SocketAddress peer;
    if (::getpeername(fd, peer.get(), &peer.size) == 0 && peer.port() == port) {
      set_option(fd, SOL_SOCKET, SO_RCVTIMEO, timeval{seconds, 0});
      set_option(fd, SOL_SOCKET, SO_SNDTIMEO, timeval{seconds, 0});
      continue;
    }
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, seconds / (kProbes + 1)));
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / (kProbes + 1)));
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<unsigned>(1000 * seconds));
  }
}

}  // namespace emend
