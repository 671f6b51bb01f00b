#include "io/processes/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>

#include "io/processes/testing/silent_server.h"
#include "io/testing.h"

namespace emend {
namespace {

using ::testing::HasSubstr;

TEST(Network, FindsTheRouteToAHost) {
  const auto route = route_to("127.0.0.1", 29500);
  EXPECT_EQ(route.local, "127.0.0.1");
  EXPECT_EQ(route.peer, "127.0.0.1");
  EXPECT_THAT(error_of([] { route_to("no such host", 29500); }),
              HasSubstr("the host name 'no such host' cannot be resolved"));
}

TEST(Network, KnowsLoopbackAddresses) {
  for (const char* address : {"127.0.0.1", "127.0.1.1", "::1"}) EXPECT_TRUE(is_loopback(address));
  for (const char* address : {"10.0.0.1", "192.168.127.1", "fd00::1"})
    EXPECT_FALSE(is_loopback(address));
}

TEST(Network, ReadingFromASilentServerFails) {
  const SilentServer server;
  const auto connection = server.connect();
  limit_silence(std::chrono::seconds(1), server.port());
  char byte = 0;
  EXPECT_EQ(::recv(connection.fd, &byte, 1, 0), -1);
  EXPECT_TRUE(errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace
}  // namespace emend
