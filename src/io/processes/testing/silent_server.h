#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>

namespace emend {

// A server at 127.0.0.1 that accepts connections, and never sends anything.
class SilentServer {
 public:
  struct Connection {
    int fd;
    ~Connection() { ::close(fd); }
  };

  SilentServer() {
    ::bind(listener_.fd, get(), sizeof(address_));
    ::listen(listener_.fd, 4);
    socklen_t size = sizeof(address_);
    ::getsockname(listener_.fd, get(), &size);
  }
  uint16_t port() const { return ntohs(address_.sin_port); }
  Connection connect() const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ::connect(fd, reinterpret_cast<const sockaddr*>(&address_), sizeof(address_));
    return {fd};
  }

 private:
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&address_); }

  Connection listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address_ = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {}};
};

}  // namespace emend
